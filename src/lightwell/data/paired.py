"""Pairs of a dark picture and its well-lit target, matched by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lightwell.data.splits import lol_v1_split
from lightwell.errors import DataError

__all__ = ["Pair", "find_pairs", "find_pictures", "load_pair", "load_pairs", "load_pictures", "lol_v1"]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif"})


@dataclass(frozen=True)
class Pair:
    """One dark picture and its target."""

    name: str
    low: Path
    high: Path


def find_pictures(folder: Path) -> dict[str, Path]:
    """Pictures of a folder by file stem, in natural order of their names.

    Raises:
        DataError: when the folder is missing or empty, or two files share a stem.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: (len(path.stem), path.name)):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem in found:
            raise DataError(f"{folder}: {found[path.stem].name} and {path.name} have the same name")
        found[path.stem] = path
    if not found:
        raise DataError(f"{folder}: no pictures in it (looked for {', '.join(sorted(SUFFIXES))})")
    return found


def find_pairs(low: Path, high: Path, names: Iterable[str] | None = None) -> list[Pair]:
    """Pairs of two folders by file stem.

    Args:
        low: folder of dark pictures.
        high: folder of targets.
        names: stems to take; all of them by default.

    Raises:
        DataError: when a picture has no partner, or one of ``names`` is missing.
    """
    lows, highs = find_pictures(low), find_pictures(high)
    wanted = list(lows) if names is None else list(names)
    unpaired = sorted(set(lows) ^ set(highs)) if names is None else []
    missing = unpaired or [name for name in wanted if name not in lows or name not in highs]
    if missing:
        shown = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise DataError(f"{len(missing)} pictures lack a partner in {low} or {high}: {shown}")
    return [Pair(name, lows[name], highs[name]) for name in wanted]


def lol_v1(root: Path, split: str) -> list[Pair]:
    """Pairs of a split of LOL v1, from the tree it is published as (``our485/low/2.png``, ...).

    Wei et al.: "Deep Retinex Decomposition for Low-Light Enhancement", BMVC 2018.

    Args:
        root: the folder that holds ``our485`` and ``eval15``.
        split: one of :data:`lightwell.data.splits.LOL_V1_SPLITS`.

    Raises:
        DataError: when the folder or a picture is missing.
    """
    half = root / ("eval15" if split == "eval15" else "our485")
    return find_pairs(half / "low", half / "high", lol_v1_split(split))


def load_pair(pair: Pair) -> tuple[Tensor, Tensor]:
    """Both pictures as ``(3, H, W)`` uint8 tensors.

    Raises:
        DataError: when one cannot be read or their sizes differ.
    """
    low, high = _load(pair.low), _load(pair.high)
    if low.shape != high.shape:
        sizes = " and ".join(f"{t.shape[2]}x{t.shape[1]}" for t in (low, high))
        raise DataError(f"{pair.low} and {pair.high} have different sizes: {sizes}")
    return low, high


def load_pairs(pairs: Sequence[Pair]) -> list[tuple[Tensor, Tensor]]:
    """:func:`load_pair` for many, on a few threads; the first broken pair raises before any training starts."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(load_pair, pairs))


def load_pictures(paths: Iterable[Path]) -> list[Tensor]:
    """Pictures as ``(3, H, W)`` uint8 tensors.

    Raises:
        DataError: when one cannot be read.
    """
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(_load, paths))


def _load(path: Path) -> Tensor:
    try:
        with Image.open(path) as image:
            array = np.array(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()
