"""Writes smooth pictures, skies and walls without any texture, to train on beside photographs.

    python tools/smooth_pictures.py ~/sets/photographs [COUNT]

On even surfaces a network that enlarges by rearranging channels may draw a fine grid; on photographs of things the loss
hardly notices, on these it notices nothing else. Every other one is nearly gray, as walls and ceilings are: noise that
has no colour looks like texture there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (600, 400)


def main(folder: Path, count: int = 120) -> None:
    rng = np.random.default_rng(0)
    for number in range(count):
        color = rng.uniform(0.05, 0.95, 3)
        field = np.clip(color + rng.normal(0, rng.uniform(0.02, 0.3), (3, 4, 3)), 0, 1)
        if number % 2:
            field = np.clip(
                field.mean(2, keepdims=True) + rng.uniform(0, 0.3) * (field - field.mean(2, keepdims=True)), 0, 1
            )
        planes = [
            Image.fromarray(field[..., c].astype(np.float32)).resize(SIZE, Image.Resampling.BICUBIC) for c in range(3)
        ]
        levels = np.stack([np.asarray(plane) for plane in planes], axis=2) * 255
        dithered = levels + rng.uniform(-0.5, 0.5, levels.shape)
        Image.fromarray(np.clip(dithered, 0, 255).round().astype(np.uint8)).save(folder / f"smooth_{number:03d}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
