"""Peak memory of restoring: ``python benchmarks/memory.py [--model M] [--quick]`` (Linux).

Pictures of forty sizes, from one pixel to 100 megapixels and from upright to flat lines of a million, each restored in
a process of its own. A row is the measured peak, the estimate, what it may be, and whether the picture was restored or
refused; a peak above either bound is marked. ``--slope`` prints instead what a tile's pixel costs, the card's
``bytes_per_pixel``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

LINES = [(1, 100), (1, 1000), (1, 10_000), (1, 100_000), (1, 1_000_000)]
STRIPS = [(2, 1_000_000), (16, 65_536), (40, 20_000), (100, 100_000), (300, 9000), (1030, 36_000)]
PLAIN = [(200, 300), (480, 640), (720, 1280), (1080, 1920), (3000, 4000), (4000, 6000)]
SQUARE = [(1, 1), (2, 2), (17, 17), (256, 256), (1024, 1024), (10_000, 10_000)]
SIZES = sorted(
    [*SQUARE, *(size for each in (*LINES, *STRIPS, *PLAIN) for size in (each, each[::-1]))],
    key=lambda size: (size[0] * size[1], size),
)
SIDES = (256, 384, 512, 768)
QUICK = 2_200_000
"""The most pixels of a picture with ``--quick``."""


def peak() -> int:
    """The most memory this process has held, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def one(model: str | None, height: int, width: int, max_memory: str, tile: str) -> None:
    """Restore one made-up picture and print the peak, the estimate, the bound, and whether it was restored."""
    from lightwell import Restorer
    from lightwell.errors import PictureError

    restorer = Restorer(model, tile=tile, max_memory=max_memory)
    dark = np.random.default_rng(0).integers(0, 40, (height, width, 3), np.uint8)
    done = "restored"
    try:
        restorer(dark)
    except PictureError:
        done = "refused"
    print(peak(), restorer.memory_for(height, width), restorer.max_memory, done)


def measure(model: str | None, size: tuple[int, int], max_memory: str, tile: str = "auto") -> tuple[int, int, int, str]:
    words = [sys.executable, __file__, "--one", *map(str, size), "--max-memory", max_memory, "--tile", tile]
    words += ["--model", model] if model else []
    peak, estimate, bound, done = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return int(peak), int(estimate), int(bound), done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--max-memory", default="1G")
    parser.add_argument("--quick", action="store_true", help=f"no picture of more than {QUICK / 1e6:g} megapixels")
    parser.add_argument("--sizes", nargs="+", metavar="HxW", help="only these")
    parser.add_argument("--minutes", type=float, default=60, help="begin no picture after so many")
    parser.add_argument("--slope", action="store_true", help="what a tile's pixel costs")
    parser.add_argument("--one", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--tile", default="auto", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.model, *options.one, options.max_memory, options.tile)
        return
    if options.slope:
        peaks = [measure(options.model, (side, side), "64G", "off")[0] for side in SIDES]
        slope, base = np.polyfit(np.square(SIDES), peaks, 1)
        print(f"bytes_per_pixel {slope:.0f}, base {base / 2**20:.0f} MB")
        return

    end = time.monotonic() + 60 * options.minutes
    print("| height x width | peak, MB | estimate, MB | --max-memory, MB | |")
    print("|---|---|---|---|---|")
    done, worst = 0, 0.0
    sizes = [tuple(map(int, words.split("x"))) for words in options.sizes] if options.sizes else SIZES
    for height, width in sizes:
        if time.monotonic() > end or (options.quick and height * width > QUICK):
            break
        held, estimate, bound, word = measure(options.model, (height, width), options.max_memory)
        if word == "restored":
            word += ", above the estimate" * (held > 1.15 * estimate) + ", above the bound" * (held > bound)
            worst = max(worst, held / estimate)
        print(f"| {height} x {width} | {held >> 20} | {estimate >> 20} | {bound >> 20} | {word} |", flush=True)
        done += 1
    print(f"\n{done} of {len(sizes)} sizes; the highest peak is {worst:.2f} of its estimate")


if __name__ == "__main__":
    main()
