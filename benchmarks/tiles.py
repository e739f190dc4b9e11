"""What cutting into tiles costs: ``python benchmarks/tiles.py --low DIR --high DIR [--model M] [--tile 256]``.

Restores each pair's dark picture whole, in guided tiles, and in plain tiles (each by itself, side by side), and prints
how far the tiles agree with the whole and what they lose to the truth. The pictures are smaller than the tiles of
ordinary use, so they are forced into small ones; the guide shrinks with them, as it holds no more pixels than a tile.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
    parser.add_argument("--tile", type=int, nargs="+", default=[256], help="one side or several, in turn")
    parser.add_argument("--enlarge", type=int, default=1, help="the pictures by so much, to try tiles of ordinary use")
    parser.add_argument("--limit", type=int, help="only the first so many pictures")
    options = parser.parse_args()

    def load(path: Path) -> Array:
        picture = Image.fromarray(read(path).pixels)
        return np.asarray(picture.resize((picture.width * options.enlarge, picture.height * options.enlarge)))

    whole = Restorer(options.model, tile="off", device="cpu")
    guided = {tile: Restorer(options.model, tile=tile, device="cpu") for tile in options.tile}
    rows = defaultdict(list)
    paths = sorted(options.low.iterdir())[: options.limit]
    for path in paths:
        low, target = load(path), load(next(options.high.glob(f"{path.stem}.*")))
        full = whole(low)
        for tile, restorer in guided.items():
            begun = time.process_time()
            tiled = restorer(low)
            seconds = time.process_time() - begun
            plain = plain_tiles(whole, low, tile)
            truths = psnr(full, target), psnr(tiled, target), psnr(plain, target)
            rows[tile].append((psnr(tiled, full), psnr(plain, full), *truths, seconds))
            agree, alone = rows[tile][-1][:2]
            print(f"{path.stem:>6}, {tile}  guided {agree:.2f} dB, plain {alone:.2f} dB to the whole", flush=True)
    for tile, measured in rows.items():
        agree, plain_agree, full_psnr, tiled_psnr, plain_psnr, seconds = np.mean(measured, axis=0)
        print(f"{whole.model}, tiles of {tile}, {len(paths)} pictures of {options.low}, strict:")
        print(f"  agreement with the full frame: guided {agree:.2f} dB, plain {plain_agree:.2f} dB")
        print(f"  to the truth: full frame {full_psnr:.2f} dB, guided {tiled_psnr:.2f} dB, plain {plain_psnr:.2f} dB")
        print(f"  processor time of the guided: {seconds:.2f} s a picture")


if __name__ == "__main__":
    main()
