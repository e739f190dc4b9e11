"""Peak memory of restoring: ``python benchmarks/memory.py [--model M] [--megapixels 24]`` (Linux).

Each size runs in a process of its own. A straight line through the peaks gives what a tile's pixel costs, the card's
``bytes_per_pixel``; then a large picture is restored under --max-memory and its peak compared with the estimate.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

SIDES = (256, 384, 512, 768)


def peak() -> int:
    """The most memory this process has held, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def one(model: str | None, height: int, width: int, max_memory: str) -> None:
    """Restore one made-up picture and print the peak, and the estimate."""
    from lightwell import Restorer

    tile = "off" if height * width <= max(SIDES) ** 2 else "auto"
    restorer = Restorer(model, tile=tile, max_memory=max_memory)
    dark = np.random.default_rng(0).integers(0, 40, (height, width, 3), np.uint8)
    restorer(dark)
    print(peak(), restorer.memory_for(height, width))


def measure(model: str | None, height: int, width: int, max_memory: str) -> tuple[int, int]:
    words = [sys.executable, __file__, "--one", str(height), str(width), "--max-memory", max_memory]
    words += ["--model", model] if model else []
    peak, estimate = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return int(peak), int(estimate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--megapixels", type=float, default=24, help="of the large picture; 0 leaves it out")
    parser.add_argument("--max-memory", default="2G")
    parser.add_argument("--one", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.model, *options.one, options.max_memory)
        return

    peaks = [measure(options.model, side, side, options.max_memory)[0] for side in SIDES]
    slope, base = np.polyfit(np.square(SIDES), peaks, 1)
    for side, held in zip(SIDES, peaks, strict=True):
        print(f"{side}x{side}: {held / 2**20:.0f} MB")
    print(f"bytes_per_pixel {slope:.0f}, base {base / 2**20:.0f} MB")
    if options.megapixels:
        height, width = (round((options.megapixels * 1e6 * share) ** 0.5) for share in (2 / 3, 3 / 2))
        held, estimate = measure(options.model, height, width, options.max_memory)
        ratio = held / estimate
        print(f"{width}x{height}: {held / 2**20:.0f} MB, estimated {estimate / 2**20:.0f} MB, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
