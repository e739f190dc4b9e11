"""Photographs with their shadows filled: ``python tools/fill_shadows.py FOLDER OUTPUT``.

Good photographs have deep shadows too, and a network that learns to open what lies against the light from them alone
learns to leave shadows as deep. These have them opened by what a soft light from the front adds: light is multiplied by
a power of the luminance around it, as ``lightwell degrade --hard`` darkens them, the other way round.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image

from lightwell import read
from lightwell.data.degrade import harden, to_linear, to_srgb

FILL = 0.35


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path, help="a folder; made if missing")
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    for path in sorted(chosen.folder.iterdir()):
        light = to_linear(torch.tensor(read(path).pixels).permute(2, 0, 1)[None] / 255)
        filled = to_srgb(harden(light, torch.tensor([-FILL])).clamp(0, 1))[0].permute(1, 2, 0)
        Image.fromarray((filled * 255).round().byte().numpy()).save(chosen.output / f"{path.stem}.png")


if __name__ == "__main__":
    main()
