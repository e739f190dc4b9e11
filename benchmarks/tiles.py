"""What cutting into tiles costs: ``python benchmarks/tiles.py --low DIR --high DIR [--model M] [--tile 256]``.

Restores each pair's dark picture whole, in guided tiles, and in plain tiles (each by itself, side by side), and prints
how far the tiles agree with the whole and what they lose to the truth. The pictures are smaller than the tiles of
ordinary use, so they are forced into small ones; the guide shrinks with them, as it holds no more pixels than a tile.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightwell import Restorer, read

Array = NDArray[np.uint8]


def psnr(a: Array, b: Array) -> float:
    """In dB between 8-bit pictures (the protocol `strict`)."""
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def plain_tiles(restorer: Restorer, low: Array, tile: int) -> Array:
    """Each tile by itself, which is what guided tiles are there to better."""
    restored = np.empty_like(low)
    for top in range(0, low.shape[0], tile):
        for left in range(0, low.shape[1], tile):
            part = np.s_[top : top + tile, left : left + tile]
            restored[part] = restorer(low[part])
    return restored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--low", type=Path, required=True)
    parser.add_argument("--high", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--limit", type=int, help="only the first so many pictures")
    options = parser.parse_args()

    whole, guided = Restorer(options.model, tile="off"), Restorer(options.model, tile=options.tile)
    rows = []
    for path in sorted(options.low.iterdir())[: options.limit]:
        low = read(path).pixels
        target = read(next(options.high.glob(f"{path.stem}.*"))).pixels
        full, tiled, plain = whole(low), guided(low), plain_tiles(whole, low, options.tile)
        truths = psnr(full, target), psnr(tiled, target), psnr(plain, target)
        rows.append((psnr(tiled, full), psnr(plain, full), *truths))
        print(f"{path.stem:>6}  guided {rows[-1][0]:.2f} dB, plain {rows[-1][1]:.2f} dB to the whole", flush=True)
    agree, plain_agree, full_psnr, tiled_psnr, plain_psnr = np.mean(rows, axis=0)
    print(f"{whole.model}, tiles of {options.tile}, {len(rows)} pictures of {options.low}, strict:")
    print(f"  agreement with the full frame: guided {agree:.2f} dB, plain {plain_agree:.2f} dB")
    print(f"  to the truth: full frame {full_psnr:.2f} dB, guided {tiled_psnr:.2f} dB, plain {plain_psnr:.2f} dB")


if __name__ == "__main__":
    main()
