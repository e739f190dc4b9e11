"""Pairs of a dark picture and its well-lit target as tensors."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from lightwell.data.folders import Pair
from lightwell.errors import DataError, PictureError
from lightwell.pictures import read, to_8_bits, to_srgb

__all__ = ["load_pair", "load_picture"]


def load_picture(path: Path) -> Tensor:
    """A picture as an ``(H, W, 3)`` uint8 tensor, its colours as sRGB has them.

    Raises:
        DataError: when it cannot be read.
    """
    try:
        picture = to_srgb(read(path))
    except PictureError as error:
        raise DataError(f"{path}: {error}") from error
    return torch.tensor(to_8_bits(picture.pixels)).expand(*picture.size, 3).contiguous()


def load_pair(pair: Pair) -> Tensor:
    """Both pictures as one ``(H, W, 6)`` uint8 tensor, the dark one first.

    Raises:
        DataError: when one cannot be read or their sizes differ.
    """
    low, high = load_picture(pair.low), load_picture(pair.high)
    if low.shape != high.shape:
        sizes = " and ".join(f"{t.shape[1]}x{t.shape[0]}" for t in (low, high))
        raise DataError(f"{pair.low} and {pair.high} have different sizes: {sizes}")
    return torch.cat((low, high), 2)
