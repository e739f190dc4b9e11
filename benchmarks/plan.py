"""Planning a large batch: ``python benchmarks/plan.py [--names 1000000] [--folders 1]``.

Makes so many empty pictures and outputs for half of them in a temporary folder, then plans ``restore IN -o OUT
--recursive --skip-existing`` in a process of its own, as a batch that goes on does, and prints its time and peak
memory. Bounds for a million: 30 s and 500 MB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from memory import peak


def make(folder: Path, names: int, folders: int, *, half: bool) -> None:
    for inner in range(folders):
        place = folder / f"{inner:04}"
        place.mkdir(parents=True)
        for number in range(inner, names, folders):
            if not half or number % 2:
                (place / f"a photograph {number}.jpg").touch()


def one(source: str, output: str) -> None:
    """Plan, take every job, and print what was found, seconds and bytes."""
    from lightwell.jobs.plan import Request, plan

    start = time.perf_counter()
    made = plan([source], Request(output, recursive=True, skip_existing=True))
    planned = time.perf_counter() - start
    taken = sum(1 for _ in made.jobs())
    print(taken, made.skipped, planned, time.perf_counter() - start, peak())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--folders", type=int, default=1, help="that they lie in")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "in"), Path(folder, "out")
        make(source, options.names, options.folders, half=False)
        make(output, options.names, options.folders, half=True)
        words = [sys.executable, __file__, "--one", str(source), str(output)]
        taken, skipped, planned, all_taken, held = subprocess.run(
            words, capture_output=True, text=True, check=True
        ).stdout.split()
    print(f"{taken} to do, {skipped} done: planned in {float(planned):.1f} s, all jobs taken after ", end="")
    print(f"{float(all_taken):.1f} s, peak {int(held) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
