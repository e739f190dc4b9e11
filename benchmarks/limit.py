"""How far restoring is from the limit of the machine's arithmetic.

    python benchmarks/limit.py [--model M] [--sizes 400x600 1080x1920] [--engines cpu openvino openvino-bfloat16]
    python benchmarks/limit.py --profile [--side 256]

The limit is the time that the convolutions' multiplications would take at the rate of this machine's float32 matrix
products, measured in the same run. Times are the least of --rounds, engines in turn, arrays in and out; "file to file"
also reads and writes a JPEG, with the model loaded. --profile prints what each kind of operator takes in onnxruntime.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from lightwell import Restorer, read, zoo
from lightwell.engines import cores
from lightwell.engines.onnx_runtime import load_onnxruntime
from lightwell.models import load_weights

MAIN = {"tiles": "restore", "light-then-detail": "detail"}  # the graph that the tiles go through


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
    """Float32 operations a second in products of large matrices."""
    torch.set_num_threads(threads)
    a, b = torch.rand(2, 2048, 2048)
    return 2 * 2048**3 / least(lambda: a @ b, 7)


def work_for_each_pixel(card: zoo.Card) -> float:
    """Float32 operations of the convolutions; a Fourier transform is not counted."""
    net = load_weights(card.weights[MAIN[card.spec.strategy]]).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        net(torch.zeros(1, net.intro.in_channels, 128, 128))
    return float(counter.get_total_flops()) / 128**2


def times(card: zoo.Card, model: str | None, names: list[str], sizes: list[str], rounds: int, threads: int) -> None:
    speed, work = rate(threads), work_for_each_pixel(card)
    table = Table("size", "engine", "seconds", "of the limit", "MP/s", "file to file", "of the limit")
    table.title = f"{card.name}, {threads} threads, {speed / 1e9:.0f} GFLOP/s, {work / 1e3:.0f} kFLOP a pixel"
    restorers = {}
    for name in names:
        device, _, precision = name.partition("-")
        restorers[name] = Restorer(model, device=device, precision=precision or "auto", threads=threads)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "dark.jpg"), Path(folder, "restored.jpg")
        for size in sizes:
            height, width = map(int, size.split("x"))
            dark = np.random.default_rng(0).integers(0, 60, (height, width, 3), np.uint8)
            Image.fromarray(dark).save(source, quality=90)
            limit = height * width * work / speed
            inside, whole = defaultdict(list), defaultdict(list)
            for restorer in restorers.values():
                restorer(dark)  # engines compile and warm up
            for _ in range(rounds):
                for name, restorer in restorers.items():
                    inside[name].append(least(lambda: restorer(dark), 1))  # noqa: B023
                    whole[name].append(least(lambda: restorer(read(source)).write(target), 1))  # noqa: B023
            for name in restorers:
                a, b = min(inside[name]), min(whole[name])
                rows = f"{a:.3f}", f"{a / limit:.1f}", f"{height * width / a / 1e6:.2f}", f"{b:.3f}", f"{b / limit:.1f}"
                table.add_row(size, name, *rows)
    Console().print(table)


def profile(card: zoo.Card, side: int, threads: int) -> None:
    ort = load_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling = threads, True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = ort.InferenceSession(card.graphs[MAIN[card.spec.strategy]], options, ["CPUExecutionProvider"])
        low = np.random.default_rng(0).random((1, session.get_inputs()[0].shape[1], side, side), np.float32) * 0.3
        for _ in range(10):
            session.run(None, {session.get_inputs()[0].name: low})
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            nodes[event["args"]["op_name"], event["name"]].append(event["dur"])
    kinds, counts = Counter[str](), Counter[str]()
    for (kind, _), taken in nodes.items():
        kinds[kind] += min(taken)
        counts[kind] += 1
    table = Table("operator", "number", "ms", "share", title=f"{card.name}, a tile of {side}, least of ten runs")
    for kind, taken in kinds.most_common(20):
        table.add_row(kind, str(counts[kind]), f"{taken / 1e3:.1f}", f"{taken / kinds.total():.1%}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--sizes", nargs="+", default=["400x600", "1080x1920"])
    parser.add_argument("--engines", nargs="+", default=["cpu", "openvino", "openvino-bfloat16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--side", type=int, default=256)
    options = parser.parse_args()
    card = card_of(options.model)
    if options.profile:
        profile(card, options.side, options.threads)
    else:
        times(card, options.model, options.engines, options.sizes, options.rounds, options.threads)


if __name__ == "__main__":
    main()
