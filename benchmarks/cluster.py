"""What a job on a cluster costs beside the restoring itself.

``python benchmarks/cluster.py [--rows 10000 100000 1000000] [--record]`` simulates jobs of so many pictures: real
batches, journals, rows and resuming, with a store in memory in place of the network and workers that restore nothing.
CPU time for each row and the peak memory of one process that plays all parts; a million rows take less than 10 minutes
and 1 GB.

``python benchmarks/cluster.py --ray 2000 [--model M]`` restores so many small pictures here: in a plain loop, by one
worker and by two. On two cores that nothing else uses two workers are to be at least 1.7 times as fast as one, and one
is to take at most 1.1 of the loop's time, from when all workers have done their first batch: Ray's start is told apart.
The driver's memory is to stay what it was then.

With --record docs/measured/cluster.json, or cluster-ray.json of --ray, holds what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from memory import peak
from record import record

_FOLDER = 1000  # names in each folder of the simulated source
_PAGE = 1000  # names that a store lists at a time


def simulate(rows: int) -> None:
    """A job of so many rows, stopped at nine tenths and gone on with; prints what each part took, as JSON."""
    import fsspec
    from fsspec.spec import AbstractFileSystem

    from lightwell.cluster.listing import batches, pictures
    from lightwell.cluster.manifest import Entry, Manifest, Target, Tries, new_run, summary
    from lightwell.cluster.places import Place
    from lightwell.cluster.run import Collector
    from lightwell.cluster.worker import Orders, Worker
    from lightwell.jobs.restoring import Settings

    class Names(AbstractFileSystem):
        """A store that holds so many names in folders of a thousand."""

        protocol = "names"

        def ls(self, path: str, **_: Any) -> list[Any]:
            inner = path.rpartition("/")[2]
            if not inner.isdecimal():
                return [{"name": f"{path}/{number:06}", "type": "directory"} for number in range(-(-rows // _FOLDER))]
            first = int(inner) * _FOLDER
            last = min(first + _FOLDER, rows)
            return [{"name": f"{path}/a photograph {number}.jpg", "type": "file"} for number in range(first, last)]

    class Idle(Worker):
        """A worker whose pictures are restored in no time."""

        def __init__(self, orders: Orders) -> None:
            self.orders = orders
            self.source, self.dest = Place(orders.target.source), Place(orders.target.dest)
            self.manifest = Manifest(Place(orders.manifest))

        def _one(self, name: str, tries: Tries, *, other: bool) -> Entry:  # noqa: ARG002
            digest = "0123456789abcdef" * 4
            return orders.target.entry(name, name, tries.attempts, seconds=1.234, size=4_000_000, sha256=digest)

    class Clock:
        def __init__(self) -> None:
            self.parts: dict[str, float] = {}
            self.last = time.process_time()

        def add(self, part: str) -> None:
            now = time.process_time()
            self.parts[part] = self.parts.get(part, 0.0) + now - self.last
            self.last = now

    fsspec.register_implementation("names", Names, clobber=True)
    target = Target("names://store/in", "memory://out", "lightwell-s", "0" * 64, {"quality": None})
    orders = Orders(target, "memory://out/.lightwell", Settings())
    source, kept, worker, clock = Place(target.source), Manifest(Place(orders.manifest)), Idle(orders), Clock()
    kept.begin(target)

    def work(run: str, stop: int) -> int:
        known = kept.known(kept.harvest(run))
        clock.add("resume")
        collector = Collector(kept, run)
        done = 0
        planned = iter(batches(source, pictures(source), known, run, 16))
        while (batch := next(planned, None)) is not None and done < stop:
            clock.add("list and plan")
            entries = worker.do(batch)
            clock.add("journals")
            collector.add(json.dumps({"number": batch.number, "rows": entries}, default=vars).encode())
            done += len(entries)
            clock.add("keep rows")
        if done < stop:
            collector.close()
            collector.finish()
        clock.add("keep rows")
        return done

    first = work(new_run(), rows * 9 // 10)
    second = work(new_run(), rows)
    assert first + second == rows, (first, second)
    stood = summary("memory://out")
    clock.add("sum up")
    assert (stood.done, stood.failed) == (rows, 0)
    files = list(kept.place.names("rows"))
    size = sum(len(kept.place.read(f"rows/{name}")) for name in files)
    print(json.dumps({"parts": clock.parts, "peak": peak(), "bytes": size, "files": len(files)}))


def pictures_of(folder: Path, count: int) -> None:
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        Image.fromarray(random.integers(0, 60, (64, 96, 3), np.uint8)).save(folder / f"{number}.jpg")


def loop(source: str, dest: str, model: str | None) -> None:
    """Pictures a second of a plain loop in one thread; prints them as JSON."""
    from lightwell.jobs.events import Done
    from lightwell.jobs.plan import Request, plan
    from lightwell.jobs.restoring import Settings, restoring
    from lightwell.jobs.run import run
    from lightwell.restoring.restorer import Restorer

    work = restoring(Restorer(model, device="cpu", threads=1), Settings())
    planned = plan([source], Request(dest, into_folder=True))
    start = time.perf_counter()
    done = sum(isinstance(event, Done) for event in run(planned.jobs(), work))
    assert done == planned.total
    print(json.dumps({"speed": done / (time.perf_counter() - start)}))


def cluster(source: str, dest: str, workers: int, model: str | None) -> None:
    """Pictures a second of so many workers once all are at work, the rest of the time, and what the driver held."""
    from lightwell.cluster import restore_dataset
    from lightwell.cluster.manifest import Entry

    started: set[str] = set()
    moments: list[tuple[float, int, int]] = []
    start = time.perf_counter()

    def told(rows: list[Entry], _: int | None) -> None:
        started.update(row.worker for row in rows)
        if len(started) == workers:
            moments.append((time.perf_counter(), len(rows), _held()))

    restore_dataset(source, dest, model=model, device="cpu", workers=workers, told=told)
    whole = time.perf_counter() - start
    (first, _, before), (last, _, after) = moments[0], moments[-1]
    speed = sum(rows for _, rows, _ in moments[1:]) / (last - first)
    print(
        json.dumps({"speed": speed, "rest": whole - (last - first), "held": [before, after], "batches": len(moments)})
    )


def _held() -> int:
    """The memory that this process holds, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS"))


def alone(*words: object) -> dict[str, Any]:
    """What a part prints in a process of its own, so that its memory is its own too."""
    # Else Ray's workers give way to all other programs, and the loop does not.
    environment = {"RAY_worker_niceness": "0", **os.environ}
    command = [sys.executable, __file__, "--alone", *map(str, words)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
    return dict(json.loads(printed))


def with_ray(count: int, model: list[str]) -> dict[str, Any]:
    """Restores so many pictures in three ways, says how quickly, and gives what each told."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in")
        pictures_of(source, count)
        plain = alone("loop", source, Path(folder, "loop"), *model)
        print(f"{count} pictures; a plain loop: {plain['speed']:.2f} a second", flush=True)
        one = alone("cluster", source, Path(folder, "one"), 1, *model)
        print(f"one worker: {one['speed']:.2f}, {plain['speed'] / one['speed']:.2f} of the loop's time", flush=True)
        two = alone("cluster", source, Path(folder, "two"), 2, *model)
    print(f"two workers: {two['speed']:.2f}, {two['speed'] / one['speed']:.2f} times as fast as one")
    for words, told in (("one worker", one), ("two", two)):
        told["held"] = [held / 2**20 for held in told["held"]]
        before, after = told["held"]
        print(
            f"with {words}: the driver held {before:.0f} MB at first, {after:.0f} MB after {told['batches']} batches;"
        )
        print(f"  start, first batches and end took {told['rest']:.1f} s")
    ratios = {"of the loop's time": plain["speed"] / one["speed"], "two against one": two["speed"] / one["speed"]}
    return {"pictures": count, "loop": plain, "one worker": one, "two workers": two, **ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--ray", type=int, metavar="PICTURES", help="40 or more")
    parser.add_argument("--model")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--alone", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    match options.alone:
        case ["simulate", rows]:
            return simulate(int(rows))
        case ["loop", source, dest, *model]:
            return loop(source, dest, *model or [None])
        case ["cluster", source, dest, workers, *model]:
            return cluster(source, dest, int(workers), *model or [None])
    if options.ray:
        if options.ray < 40:
            parser.error("--ray takes 40 pictures or more")
        found = with_ray(options.ray, [options.model] if options.model else [])
        if options.record:
            record("cluster-ray", found, packages=("ray", "pyarrow"))
        return None
    jobs = []
    for count in options.rows:
        told = alone("simulate", count)
        parts = ", ".join(f"{part} {seconds / count * 1e6:.1f}" for part, seconds in told["parts"].items())
        total = sum(told["parts"].values())
        print(f"{count} rows: {total:.1f} s of CPU, peak {told['peak'] / 2**20:.0f} MB; microseconds a row: {parts}")
        print(f"  {told['files']} files of {told['bytes'] / count:.0f} bytes a row; {-(-count // _PAGE)} pages listed")
        each = {part: seconds / count * 1e6 for part, seconds in told["parts"].items()}
        size = told["bytes"] / count
        jobs.append({"rows": count, "us a row": each, "s": total, "MB": told["peak"] / 2**20, "bytes a row": size})
    if options.record:
        record("cluster", jobs, packages=("fsspec", "pyarrow"))
    return None


if __name__ == "__main__":
    main()
