"""What a job on a cluster costs beside the restoring itself.

``python benchmarks/cluster.py [--rows 10000 100000 1000000]`` simulates jobs of so many pictures: real batches,
journals, rows and resuming, with a store in memory in place of the network and workers that restore nothing. CPU time
for each row and the peak memory of one process that plays all parts; a million rows take less than 10 minutes and 1 GB.

``python benchmarks/cluster.py --ray 2000 [--model M]`` restores so many small pictures on this machine, once in a plain
loop, once by one worker and once by two. Two cores that nothing else uses: two workers take at most 1 / 1.7 of the time
of one, and one at most 1.1 of the loop's, both without Ray's start, which is told.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memory import peak

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


def with_ray(count: int, model: str | None) -> None:
    os.environ.setdefault("RAY_worker_niceness", "0")  # else workers give way to all else, and the loop does not
    from lightwell.cluster import restore_dataset
    from lightwell.cluster.manifest import Entry
    from lightwell.jobs.events import Done
    from lightwell.jobs.plan import Request, plan
    from lightwell.jobs.restoring import Settings, restoring
    from lightwell.jobs.run import run
    from lightwell.restoring.restorer import Restorer

    def loop(source: Path, dest: Path) -> float:
        work = restoring(Restorer(model, device="cpu", threads=1), Settings())
        start = time.perf_counter()
        events = run(plan([str(source)], Request(str(dest), into_folder=True)).jobs(), work)
        assert sum(isinstance(event, Done) for event in events) == count
        return time.perf_counter() - start

    def cluster(source: Path, dest: Path, workers: int) -> tuple[float, float]:
        moments: list[tuple[float, int]] = []
        start = time.perf_counter()

        def told(rows: list[Entry], _: int | None) -> None:
            moments.append((time.perf_counter(), len(rows)))

        restore_dataset(str(source), str(dest), model=model, device="cpu", workers=workers, told=told)
        # From the first batch's end to the last one's, for all pictures.
        steady = (moments[-1][0] - moments[0][0]) * count / (count - moments[0][1])
        return steady, time.perf_counter() - start - steady

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in")
        pictures_of(source, count)
        plain = loop(source, Path(folder, "loop"))
        one, start = cluster(source, Path(folder, "one"), 1)
        held = peak()
        two, _ = cluster(source, Path(folder, "two"), 2)
    print(f"{count} pictures: plain loop {plain:.1f} s; one worker {one:.1f} s ({one / plain:.2f}); ", end="")
    print(f"two {two:.1f} s ({one / two:.2f} times as fast as one); start and end {start:.1f} s")
    print(f"peak of the driver {held / 2**20:.0f} MB after one job, {peak() / 2**20:.0f} MB after two")


def measured(counts: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    for count in counts:
        words = [sys.executable, __file__, "--simulate", str(count)]
        yield count, json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--ray", type=int, metavar="PICTURES")
    parser.add_argument("--model")
    parser.add_argument("--simulate", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.simulate:
        simulate(options.simulate)
    elif options.ray:
        with_ray(options.ray, options.model)
    else:
        for count, told in measured(options.rows):
            parts = ", ".join(f"{part} {seconds / count * 1e6:.1f}" for part, seconds in told["parts"].items())
            total = sum(told["parts"].values())
            print(
                f"{count} rows: {total:.1f} s of CPU, peak {told['peak'] / 2**20:.0f} MB; microseconds a row: {parts}"
            )
            print(
                f"  {told['files']} files of {told['bytes'] / count:.0f} bytes a row; {-(-count // _PAGE)} pages listed"
            )


if __name__ == "__main__":
    main()
