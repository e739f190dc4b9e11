"""How far restoring is from the limit of the machine's arithmetic.

    python benchmarks/limit.py [--sizes 400x600 1080x1920 4000x6000] [--engines cpu openvino openvino-bfloat16 torch]
    python benchmarks/limit.py --flat            # 1 to 100 megapixels on the CPU; some four minutes on two cores
    python benchmarks/limit.py --abreast         # what tiles side by side gain, at 1080x1920
    python benchmarks/limit.py --folder 40       # pictures a second with one job and with two
    python benchmarks/limit.py --load            # processor time to load each graph of the model, and for --help
    python benchmarks/limit.py --profile [--side 256] [--nodes 20] [--engines cpu openvino-bfloat16]

The limit is the time that the convolutions' multiplications would take at the rate of this machine's float32 matrix
products, the quicker of torch's and onnxruntime's, measured in the same run. Times are the least of --rounds, engines
in turn, arrays in and out, one round above 8 megapixels; "file to file" also reads and writes a JPEG, with the model
loaded. "alone" is the processor time of a process that loads the model and restores that file, and "peak" its memory;
both hold what this script itself imports. Where other programs take the core, only "alone", "peak" and --load can be
trusted. --flat is of arrays alone. --profile prints what each kind of operator takes in onnxruntime or OpenVINO, and
each of the slowest nodes. All but --profile take --record, which keeps the figures for the page.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from memory import peak
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image
from record import record
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from lightwell import Restorer, read, zoo
from lightwell.engines import cores
from lightwell.engines.onnx_runtime import OnnxRuntime, load_onnxruntime
from lightwell.jobs.events import Done
from lightwell.jobs.plan import Request, plan
from lightwell.jobs.restoring import Settings, restoring
from lightwell.jobs.run import run
from lightwell.models import load_weights

MAIN = {"tiles": "restore", "light-then-detail": "detail"}  # the graph that the tiles go through
LARGE = 8_000_000  # pixels from which one round has to do
FLAT = ["816x1224", "1632x2448", "2830x4240", "4000x6000", "5780x8650", "8160x12240"]  # 1 to 100 megapixels


def card_of(model: str | None) -> zoo.Card:
    if model is None:
        return zoo.default()
    return zoo.read_card(Path(model)) if zoo.is_file_name(model) else zoo.find(model)


def least(call: Callable[[], object], rounds: int) -> float:
    """Seconds of the quickest of some calls."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def rate(threads: int) -> float:
    """Float32 operations a second in products of large matrices, by whichever of torch and onnxruntime is quicker.

    Torch's products come from a library that takes twice as long on some makers' CPUs.
    """
    torch.set_num_threads(threads)
    side = 2048
    a, b = torch.rand(2, side, side)
    taken, given = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [side] * 2) for name in names] for names in ("ab", "c")
    )
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", taken, given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    ort = load_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    feeds = {"a": a.numpy(), "b": b.numpy()}
    return 2 * side**3 / min(least(lambda: a @ b, 7), least(lambda: session.run(None, feeds), 7))


def work_for_each_pixel(card: zoo.Card) -> float:
    """Float32 operations of the convolutions; a Fourier transform is not counted."""
    net = load_weights(card.weights[MAIN[card.spec.strategy]]).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        net(torch.zeros(1, net.intro.in_channels, 128, 128))
    return float(counter.get_total_flops()) / 128**2


def restorer_of(name: str, model: str | None, threads: int) -> Restorer:
    """The restorer of an engine's name such as ``openvino-bfloat16``."""
    device, _, precision = name.partition("-")
    return Restorer(model, device=device, precision=precision or "auto", threads=threads)  # type: ignore[arg-type]


def dark_picture(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 60, (height, width, 3), np.uint8)


def alone(name: str, model: str | None, source: Path, threads: int) -> tuple[float, int]:
    """Processor seconds and peak memory of a process that loads the model and restores one file."""
    words = [sys.executable, __file__, "--one", name, str(source), "--threads", str(threads)]
    words += ["--model", model] if model else []
    seconds, held = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return float(seconds), int(held)


def one(name: str, model: str | None, source: Path, threads: int) -> None:
    restorer_of(name, model, threads)(read(source)).write(source.with_name("one.jpg"))
    print(time.process_time(), peak())


def times(
    card: zoo.Card, model: str | None, names: list[str], sizes: list[str], rounds: int, threads: int
) -> dict[str, Any]:
    """Prints and gives what each engine takes for pictures of these sizes."""
    speed, work = rate(threads), work_for_each_pixel(card)
    columns = "size", "engine", "seconds", "of the limit", "MP/s", "file to file", "of the limit", "alone", "peak, MB"
    table = Table(*columns)
    table.title = f"{card.name}, {threads} threads, {speed / 1e9:.0f} GFLOP/s, {work / 1e3:.0f} kFLOP a pixel"
    figures: dict[str, Any] = {"GFLOP/s": speed / 1e9, "kFLOP a pixel": work / 1e3}
    restorers = {name: restorer_of(name, model, threads) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "dark.jpg"), Path(folder, "restored.jpg")
        for size in sizes:
            height, width = map(int, size.split("x"))
            dark = dark_picture(height, width)
            Image.fromarray(dark).save(source, quality=90)
            limit = height * width * work / speed
            large = height * width > LARGE
            inside, whole = defaultdict(list), defaultdict(list)
            for restorer in () if large else restorers.values():
                restorer(dark)  # engines compile and warm up
            for _ in range(1 if large else rounds):
                for name, restorer in restorers.items():
                    inside[name].append(least(lambda: restorer(dark), 1))  # noqa: B023
                    whole[name].append(least(lambda: restorer(read(source)).write(target), 1))  # noqa: B023
            for name in restorers:
                a, b = min(inside[name]), min(whole[name])
                cold, held = alone(name, model, source, threads)
                rows = f"{a:.3f}", f"{a / limit:.1f}", f"{height * width / a / 1e6:.2f}", f"{b:.3f}", f"{b / limit:.1f}"
                table.add_row(size, name, *rows, f"{cold:.1f}", f"{held / 2**20:.0f}")
                figures[f"{size}, {name}"] = {
                    "file to file": b,
                    "of the limit": b / limit,
                    "arrays": a,
                    "alone": cold,
                    "peak, MB": held / 2**20,
                }
    Console(width=max(100, Console().width)).print(table)
    return figures


def flat(card: zoo.Card, model: str | None, sizes: list[str], threads: int) -> dict[str, Any]:
    """Prints and gives megapixels a second, arrays in and out, of pictures of growing sizes."""
    restorer, speeds = restorer_of("cpu", model, threads), []
    restorer(dark_picture(512, 512))
    for size in sizes:
        height, width = map(int, size.split("x"))
        dark = dark_picture(height, width)
        speeds.append(height * width / 1e6 / least(lambda: restorer(dark), 1))  # noqa: B023
        print(f"{card.name}, {threads} threads, {size}: {speeds[-1]:.3f} megapixels a second", flush=True)
    apart = max(speeds) / min(speeds) - 1
    print(f"they differ by {apart:.0%}")
    return {**dict(zip(sizes, speeds, strict=True)), "apart, %": 100 * apart}


def abreast(card: zoo.Card, model: str | None, names: list[str], rounds: int, threads: int) -> dict[str, Any]:
    """Prints and gives the seconds at 1080x1920, arrays in and out, on one thread, and on several in two ways."""
    ways: dict[str, Restorer] = {}
    for name in names:
        ways[f"{name}, 1 thread"] = restorer_of(name, model, 1)
        ways[f"{name}, {threads} threads, one tile at a time"] = one_by_one = restorer_of(name, model, threads)
        one_by_one.threads = 1  # of tiles; the engine keeps its own
        ways[f"{name}, {threads} threads, tiles side by side"] = restorer_of(name, model, threads)
    dark, taken = dark_picture(1080, 1920), defaultdict(list)
    for turn in range(rounds + 1):
        for way, restorer in ways.items():
            seconds = least(lambda: restorer(dark), 1)  # noqa: B023
            if turn:  # the first compiles and warms up
                taken[way].append(seconds)
    for way, seconds in taken.items():
        print(f"{card.name}: {way}: {min(seconds):.2f} s")
    return {way: min(seconds) for way, seconds in taken.items()}


def folder_of(card: zoo.Card, model: str | None, count: int, rounds: int) -> dict[str, Any]:
    """Prints and gives pictures per second of a folder, with one job and with two of one thread each."""
    restorer = Restorer(model, device="cpu", threads=1)
    work = restoring(restorer, Settings())
    taken = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in")
        source.mkdir()
        for number in range(count):
            Image.fromarray(dark_picture(400, 600)).save(source / f"{number}.jpg", quality=90)
        restorer(dark_picture(400, 600))
        for turn, jobs in itertools.product(range(rounds), (1, 2)):
            planned = plan([str(source)], Request(str(Path(folder, f"{turn} {jobs}")), into_folder=True))
            begun = time.perf_counter()
            events = list(run(planned.jobs(), work, jobs))
            taken[jobs].append(time.perf_counter() - begun)
            assert sum(isinstance(event, Done) for event in events) == count
    one_job, two_jobs = (count / min(taken[jobs]) for jobs in (1, 2))
    print(
        f"{card.name}, a folder of {count} pictures of 400x600, {cores()} cores: {one_job:.2f} pictures a second with "
        f"one job of one thread, {two_jobs:.2f} with two, which is {two_jobs / one_job:.2f} times as many"
    )
    return {"pictures": count, "one job": one_job, "two jobs": two_jobs, "times": two_jobs / one_job}


def load(card: zoo.Card, model: str | None, rounds: int) -> dict[str, Any]:
    """Prints and gives the processor time to load graphs, worked over by onnxruntime and not, and that of --help."""
    ways: dict[str, Callable[[], object]] = {
        f"{role}, {'worked over' if optimised else 'as it is'}": partial(
            OnnxRuntime, graph, "cpu", 1, optimised=optimised
        )
        for role, graph in card.graphs.items()
        for optimised in (True, False)
    }
    ways["the model, as Restorer loads it"] = partial(Restorer, model, device="cpu", threads=1)
    taken = defaultdict(list)
    ways["the model, as Restorer loads it"]()
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            taken[name].append(time.process_time() - begun)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        words = "import sys; sys.argv = ['lightwell', '--help']; from lightwell.cli.app import main; main()"
        subprocess.run([sys.executable, "-c", words], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken["lightwell --help"].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    for name, seconds in taken.items():
        print(f"{card.name}: {name}: {min(seconds):.3f} s")
    return {name: min(seconds) for name, seconds in taken.items()}


def profile(card: zoo.Card, name: str, side: int, threads: int, slowest: int) -> None:
    """Prints the milliseconds of each kind of operator, and of the slowest, in onnxruntime or OpenVINO."""
    low = np.random.default_rng(0).random((1, 4, side, side), np.float32) * np.float32(0.3)
    graph = card.graphs[MAIN[card.spec.strategy]]
    found = (profile_openvino if name.startswith("openvino") else profile_onnxruntime)(graph, name, low, threads)
    kinds, counts = Counter[str](), Counter[str]()
    for kind, _, taken in found:
        kinds[kind] += taken
        counts[kind] += 1
    table = Table(
        "operator", "number", "ms", "share", title=f"{card.name}, {name}, a tile of {side}, least of ten runs"
    )
    for kind, taken in kinds.most_common(20):
        table.add_row(kind, str(counts[kind]), f"{taken:.1f}", f"{taken / kinds.total():.1%}")
    Console().print(table)
    table = Table("node", "ms", "shapes", title=f"the {slowest} slowest nodes")
    for kind, shapes, taken in sorted(found, key=lambda node: node[2], reverse=True)[:slowest]:
        table.add_row(kind, f"{taken:.2f}", shapes)
    if slowest:
        Console().print(table)


def profile_onnxruntime(graph: Path, _: str, low: NDArray[np.float32], threads: int) -> list[tuple[str, str, float]]:
    """The kind, the shapes and the milliseconds of each node."""
    ort = load_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling = threads, True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = ort.InferenceSession(graph, options, ["CPUExecutionProvider"])
        entry = session.get_inputs()[0]
        for _ in range(10):
            session.run(None, {entry.name: low[:, : entry.shape[1]]})
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            sizes = [*event["args"]["input_type_shape"], *event["args"]["output_type_shape"]]
            shapes = " ".join("x".join(map(str, side)) for size in sizes for side in size.values())
            nodes[event["name"], event["args"]["op_name"], shapes].append(event["dur"] / 1e3)
    return [(kind, shapes, min(taken)) for (_, kind, shapes), taken in nodes.items()]


def profile_openvino(graph: Path, name: str, low: NDArray[np.float32], threads: int) -> list[tuple[str, str, float]]:
    """The same in OpenVINO, which tells the mean of all calls; the first, which compiles, is taken out again."""
    import openvino

    core = openvino.Core()
    model = core.read_model(str(graph))
    low = low[:, : model.inputs[0].partial_shape[1].get_length()]
    model.reshape(list(low.shape))
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "bf16" if name.endswith("bfloat16") else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERF_COUNT": True,
        },
    )
    request = compiled.create_infer_request()
    sums: dict[str, float] = {}
    least_of: dict[str, float] = {}
    kinds: dict[str, str] = {}
    for call in range(1, 13):
        request.infer([low])
        for node in request.profiling_info:
            total = call * node.real_time.total_seconds() * 1e3
            if call > 2:
                least_of[node.node_name] = min(least_of.get(node.node_name, math.inf), total - sums[node.node_name])
            sums[node.node_name], kinds[node.node_name] = total, f"{node.node_type} {node.exec_type}"
    shapes = {
        operator.get_friendly_name(): " ".join("x".join(map(str, output.shape)) for output in operator.outputs())
        for operator in compiled.get_runtime_model().get_ops()
    }
    return [(kinds[node], shapes.get(node, ""), taken) for node, taken in least_of.items() if sums[node]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--sizes", nargs="+", help="by default 400x600 and 1080x1920, with --flat 1 to 100 megapixels")
    parser.add_argument("--engines", nargs="+", default=["cpu", "openvino", "openvino-bfloat16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--flat", action="store_true", help="1 to 100 megapixels on the CPU")
    parser.add_argument("--abreast", action="store_true", help="tiles side by side, and not")
    parser.add_argument("--folder", type=int, metavar="PICTURES")
    parser.add_argument("--load", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--nodes", type=int, default=0, help="how many of the slowest to print")
    parser.add_argument("--record", action="store_true", help="keep the figures in docs/measured")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one[0], options.model, Path(options.one[1]), options.threads)
        return
    card = card_of(options.model)
    if options.profile:
        for name in options.engines:
            profile(card, name, options.side, options.threads, options.nodes)
        return
    if options.load:
        kept, figures = "limit-load", load(card, options.model, options.rounds)
    elif options.folder:
        kept, figures = "limit-folder", folder_of(card, options.model, options.folder, options.rounds)
    elif options.abreast:
        kept = "limit-abreast"
        figures = abreast(card, options.model, options.engines, options.rounds, options.threads)
    elif options.flat:
        kept, figures = "limit-flat", flat(card, options.model, options.sizes or FLAT, options.threads)
    else:
        sizes = options.sizes or ["400x600", "1080x1920"]
        kept = "limit" if options.threads == 1 else "limit-threads"
        figures = times(card, options.model, options.engines, sizes, options.rounds, options.threads)
    if options.record:
        timed = kept in ("limit", "limit-threads", "limit-abreast")
        used = ("openvino",) if timed and any("openvino" in name for name in options.engines) else ()
        record(kept, figures, packages=("numpy", "onnxruntime", *used))


if __name__ == "__main__":
    main()
