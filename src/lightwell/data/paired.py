"""Pairs of a dark picture and its well-lit target, matched by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lightwell.data.folders import find_pictures
from lightwell.errors import DataError, PictureError
from lightwell.pictures import read, to_8_bits, to_srgb

__all__ = ["Pair", "find_pairs", "load_pair", "load_picture"]


@dataclass(frozen=True)
class Pair:
    """One dark picture and its target."""

    name: str
    low: Path
    high: Path


def find_pairs(
    low: Path, high: Path, names: Iterable[str] | None = None, *, prefixes: tuple[str, str] = ("", "")
) -> list[Pair]:
    """Pairs of two folders by name.

    Args:
        low: folder of dark pictures.
        high: folder of targets.
        names: names to take; all of them by default.
        prefixes: what the names of the dark files and of the targets start with.

    Raises:
        DataError: when a picture has no partner, or one of ``names`` is missing.
    """
    lows, highs = find_pictures(low, prefixes[0]), find_pictures(high, prefixes[1])
    wanted = list(lows) if names is None else list(names)
    lonely = sorted(set(lows) ^ set(highs)) if names is None else sorted(set(wanted) - (set(lows) & set(highs)))
    if lonely:
        shown = ", ".join(lonely[:10]) + (", ..." if len(lonely) > 10 else "")
        raise DataError(f"without a partner in {low} or {high}: {len(lonely)} pictures ({shown})")
    return [Pair(name, lows[name], highs[name]) for name in wanted]


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
