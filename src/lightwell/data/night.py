"""One good photograph, as a camera would take it in the dark."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import torch

from lightwell.data.degrade import Degradation, degrade
from lightwell.picture import Picture

__all__ = ["night_of"]


def night_of(picture: Picture, seed: int, name: str, settings: Degradation | None = None) -> Picture:
    """The picture in the dark, at 8 bits and in colour, with all else it says of itself.

    Args:
        picture: a good photograph.
        seed: together with ``name`` decides what befalls the picture; the others in a set do not matter.
        name: the picture's file name.
        settings: ranges to draw from.
    """
    height, width = picture.size
    scale = 2**picture.bits - 1
    target = torch.tensor(picture.pixels.astype(np.float32) / scale).permute(2, 0, 1).expand(1, 3, height, width)
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))
    low = degrade(target, (settings or Degradation()).sample(1, generator))[0]
    pixels = (low * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    alpha = None if picture.alpha is None else (picture.alpha // (scale // 255)).astype(np.uint8)
    return replace(picture, pixels=pixels, alpha=alpha)
