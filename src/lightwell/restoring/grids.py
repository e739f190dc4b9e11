"""Pictures and coarse grids over them: reducing to the means of cells, and carrying fields of cells up to pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Floats", "Load", "blur_matrix", "enlarge", "reduce_area", "separable"]

Floats = NDArray[np.float32]
Load = Callable[[slice, slice], Floats]

_STRIP_PIXELS = 1 << 18


class Box(NamedTuple):
    """A part of a picture: rows from top to bottom, columns from left to right."""

    top: int
    bottom: int
    left: int
    right: int


def reduce_area(load: Load, size: tuple[int, int], small: tuple[int, int]) -> Floats:
    """Reduce a picture to the mean over each cell of a coarser grid.

    The picture is read in strips of no more than some hundred thousand pixels, whatever its shape.

    Args:
        load: gives the picture's rows and columns as ``(h, w, C)``.
        size: the picture's height and width.
        small: the result's, not larger.

    Returns:
        ``(*small, C)``.
    """
    (height, width), (rows, columns) = size, small
    total: NDArray[np.float64] | None = None
    across = max(1, min(width, _STRIP_PIXELS))
    down = max(1, _STRIP_PIXELS // across)
    for top in range(0, height, down):
        bottom = min(top + down, height)
        for left in range(0, width, across):
            right = min(left + across, width)
            part = load(slice(top, bottom), slice(left, right))
            if total is None:
                total = np.zeros((rows, columns, part.shape[2]))
            (first, last), (start, stop) = _touched(top, bottom, height, rows), _touched(left, right, width, columns)
            sums = _cell_sums(part, 0, top, height, rows, first, last)
            total[first:last, start:stop] += _cell_sums(sums, 1, left, width, columns, start, stop)
    assert total is not None
    return np.asarray(total * (rows / height * columns / width), np.float32)


def _touched(start: int, stop: int, length: int, cells: int) -> tuple[int, int]:
    """The first cell that a stretch of pixels reaches into, and the one after the last."""
    return start * cells // length, -(-stop * cells // length)


def _cell_sums(
    part: NDArray[np.floating], axis: int, start: int, length: int, cells: int, first: int, last: int
) -> NDArray[np.float64]:
    """Sums over cells along one axis; a pixel that a border cuts counts on both sides by its shares."""
    part = np.moveaxis(part, axis, 0)
    edges = np.clip(np.arange(first, last + 1) * (length / cells) - start, 0, len(part))
    below = np.minimum(edges.astype(np.int64), len(part) - 1)
    sums = np.zeros((len(part) + 1, *part.shape[1:]))
    np.cumsum(part, axis=0, dtype=np.float64, out=sums[1:])
    at = sums[below] + (edges - below).reshape(-1, *[1] * (part.ndim - 1)) * part[below]
    return np.moveaxis(np.diff(at, axis=0), 0, axis)


def enlarge(field: Floats, box: Box, size: tuple[int, int]) -> Floats:
    """A field of cells over a picture, carried up linearly to the pixels of a part of it.

    Args:
        field: ``(rows, columns, C)``, over the whole picture.
        box: the part.
        size: the picture's height and width.

    Returns:
        ``(box height, box width, C)``.
    """
    down, first, last = _between(size[0], len(field), box.top, box.bottom)
    across, start, stop = _between(size[1], field.shape[1], box.left, box.right)
    return separable(down, field[first:last, start:stop], across.T)


def _between(length: int, cells: int, start: int, stop: int) -> tuple[Floats, int, int]:
    """Weights ``(stop - start, last - first)`` of the cells first to last, linear between the cells' middles."""
    place = np.clip((np.arange(start, stop) + 0.5) * (cells / length) - 0.5, 0, cells - 1)
    first, last = int(place[0]), min(math.ceil(place[-1]) + 1, cells)
    weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(first, last)))
    return weights.astype(np.float32), first, last


def blur_matrix(cells: int, sigma: float) -> Floats:
    """``(cells, cells)`` weights of a Gaussian window over a side, cut off and made up for at the borders."""
    at = np.arange(cells)
    weights = np.exp(-0.5 * ((at[:, None] - at) / sigma) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def separable(down: Floats, field: Floats, across: Floats) -> Floats:
    """``down @ field @ across`` for each channel of ``(h, w, C)``."""
    height, width, channels = field.shape
    narrowed = (down @ field.reshape(height, width * channels)).reshape(-1, width, channels)
    return np.ascontiguousarray(np.moveaxis(np.moveaxis(narrowed, 2, 0) @ across, 0, 2))
