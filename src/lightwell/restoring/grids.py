"""Pictures and coarse grids over them: reducing to the means of cells, and carrying fields of cells up to pixels."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Box",
    "Floats",
    "Load",
    "between",
    "blur_matrix",
    "cell_shares",
    "enlarge",
    "places",
    "reduce_area",
    "separable",
]

Floats = NDArray[np.float32]
Load = Callable[[slice, slice], Floats]

# Parts whose floats stay in a core's own cache, and whose sides make no large matrices.
_PART_PIXELS = 1 << 16
_PART_SIDE = 1 << 10
# Weights below are less than the rounding of their sum.
_UNFELT = 1e-8


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
    rows = places(size[0], len(field), box.top, box.bottom)
    return between(field, rows, places(size[1], field.shape[1], box.left, box.right))


def places(length: int, cells: int, start: int, stop: int) -> NDArray[np.float64]:
    """Where the middles of pixels from start to stop lie between those of cells, along a side of ``length`` pixels."""
    return np.clip((np.arange(start, stop) + 0.5) * (cells / length) - 0.5, 0, cells - 1)


def between(field: Floats, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Floats:
    """A field's values between its cells, linearly.

    Args:
        field: ``(rows, columns, C)``, whose cells are 0, 1, 2...
        rows: places along the field's first side, rising, not beyond its ends.
        columns: along its second.

    Returns:
        ``(len(rows), len(columns), C)``.
    """
    field = field[int(rows[0]) : int(rows[-1]) + 2]
    strip = _between(np.ascontiguousarray(field.swapaxes(0, 1)), columns).swapaxes(0, 1)
    return _between(np.ascontiguousarray(strip), rows - int(rows[0]))


def _between(field: Floats, places: NDArray[np.float64]) -> Floats:
    """Along the first side alone, cell by cell, so that what is multiplied lies in one piece."""
    below = np.minimum(places.astype(np.intp), max(len(field) - 2, 0))
    share = (places - below).astype(np.float32).reshape(-1, *(1,) * (field.ndim - 1))
    values = np.empty((len(places), *field.shape[1:]), np.float32)
    steps = np.diff(field, axis=0, append=field[-1:])
    starts = np.flatnonzero(np.diff(below, prepend=-1)).tolist()
    for start, stop in itertools.pairwise((*starts, len(places))):
        part = values[start:stop]
        np.multiply(share[start:stop], steps[below[start]], out=part)
        part += field[below[start]]
    return values


def blur_matrix(cells: int, sigma: float) -> Floats:
    """``(cells, cells)`` weights of a Gaussian window over a side, cut off and made up for at the borders."""
    at = np.arange(cells)
    weights = np.exp(-0.5 * ((at[:, None] - at) / sigma) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def separable(down: Floats, field: Floats, across: Floats) -> Floats:
    """``down @ field @ across`` for each channel of ``(h, w, C)``.

    Not by numpy's BLAS: its sums depend on how many threads it has, so that two processes would not make the same
    picture of one, and pictures that are restored side by side would wait for each other at every product.
    """
    narrowed = _weighted(down, field).swapaxes(0, 1)
    return np.ascontiguousarray(_weighted(across.T, np.ascontiguousarray(narrowed)).swapaxes(0, 1))


def _weighted(weights: Floats, field: Floats) -> Floats:
    """Weighted sums along the first side. Weights are next to nothing but for a band, and only that is read."""
    flat = field.reshape(len(field), -1)
    sums = np.zeros((len(weights), flat.shape[1]), np.float32)
    for row, total in zip(weights, sums, strict=True):
        taken = np.flatnonzero(row > _UNFELT)
        if taken.size:
            part = slice(taken[0], taken[-1] + 1)
            np.einsum("p,pk->k", row[part], flat[part], out=total)
    return sums.reshape(len(weights), *field.shape[1:])
