"""Pictures and coarse grids over them: reducing to the means of cells, and carrying fields of cells up to pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Floats", "Load", "blur_matrix", "cell_shares", "enlarge", "reduce_area", "separable"]

Floats = NDArray[np.float32]
Load = Callable[[slice, slice], Floats]

# Parts whose floats stay in a core's own cache, and whose sides make no large matrices.
_PART_PIXELS = 1 << 16
_PART_SIDE = 1 << 10


class Box(NamedTuple):
    """A part of a picture: rows from top to bottom, columns from left to right."""

    top: int
    bottom: int
    left: int
    right: int


def reduce_area(load: Load, size: tuple[int, int], small: tuple[int, int]) -> Floats:
    """Reduce a picture to the mean over each cell of a coarser grid.

    The picture is read in parts of no more than some ten thousand pixels, whatever its shape.

    Args:
        load: gives the picture's rows and columns as ``(h, w, C)``.
        size: the picture's height and width.
        small: the result's, not larger.

    Returns:
        ``(*small, C)``.
    """
    (height, width), (rows, columns) = size, small
    total: NDArray[np.float64] | None = None
    across = min(width, _PART_SIDE)
    down = min(height, _PART_SIDE, _PART_PIXELS // across)
    for top in range(0, height, down):
        bottom = min(top + down, height)
        down_shares, first, last = cell_shares(height, rows, top, bottom)
        for left in range(0, width, across):
            right = min(left + across, width)
            across_shares, start, stop = cell_shares(width, columns, left, right)
            part = load(slice(top, bottom), slice(left, right))
            if total is None:
                total = np.zeros((rows, columns, part.shape[2]))
            total[first:last, start:stop] += separable(down_shares, part, across_shares.T)
    assert total is not None
    return np.asarray(total * (rows / height * columns / width), np.float32)


def cell_shares(length: int, cells: int, start: int, stop: int) -> tuple[Floats, int, int]:
    """Along a side of ``length`` pixels in ``cells``: the share of each pixel from start to stop in each cell.

    Returns:
        ``(last - first, stop - start)`` in [0, 1], and the cells first to last, which are those that the pixels touch.
    """
    first, last = start * cells // length, -(-stop * cells // length)
    edges, pixels = np.arange(first, last + 1) * (length / cells), np.arange(start, stop)
    shares = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.maximum(shares, 0).astype(np.float32), first, last


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
