"""Correcting a tile to what the whole picture, restored at reduced size, looks like there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightwell.restoring.grids import Floats, between, cell_shares, places, separable

__all__ = ["agree"]

# The reach of the correction, as a share of a tile's side.
_REACH = 1 / 24
# Below this contrast (variance of [0, 1] values) the slope is the ratio of the means, which is what exposure changes.
_CONTRAST = 1e-3
_BLACK = 1 / 64
_SLOPES = 0.4, 2.5


def agree(piece: Floats, guide: Floats, corner: tuple[int, int], size: tuple[int, int]) -> Floats:
    """Correct a restored tile so that at the guide's scale it agrees with the guide.

    Around each point the guide is fitted by a straight line of the reduced tile (slope and offset for each channel, as
    in the guided filter of He et al., 2013, with a Gaussian window); slope and offset, carried up, are applied to the
    tile. A shift alone leaves contrast and tone curve as the tile has them, and agrees less.

    Args:
        piece: the restored tile, ``(h, w, C)``.
        guide: the restored reduced picture.
        corner: the row and column of the tile's first pixel.
        size: the picture's height and width.
    """
    (top, left), (height, width) = corner, size
    cells_down, down, blur_down, rows = _guide_maps(height, len(guide), top, top + piece.shape[0])
    cells_across, across, blur_across, columns = _guide_maps(width, guide.shape[1], left, left + piece.shape[1])
    wanted = guide[cells_down, cells_across]
    seen = separable(down, piece, across.T)

    def blur(*fields: Floats) -> list[Floats]:
        return np.split(separable(blur_down, np.concatenate(fields, 2), blur_across.T), len(fields), 2)

    seen_mean, wanted_mean, product, square = blur(seen, wanted, seen * wanted, seen * seen)
    covariance, variance = product - seen_mean * wanted_mean, square - seen_mean * seen_mean
    gain = np.clip((wanted_mean + _BLACK) / np.maximum(seen_mean + _BLACK, _BLACK), *_SLOPES)
    slope = np.clip((covariance + _CONTRAST * gain) / (np.maximum(variance, 0) + _CONTRAST), *_SLOPES)
    slope, offset = blur(slope, wanted_mean - slope * seen_mean)
    return piece * between(slope, rows, columns) + between(offset, rows, columns)


def _guide_maps(length: int, cells: int, start: int, stop: int) -> tuple[slice, Floats, Floats, NDArray[np.float64]]:
    """Along one side, for a tile: the guide's cells it touches, matrices that reduce and blur, its pixels' places."""
    shares, first, last = cell_shares(length, cells, start, stop)
    reduce = shares / np.maximum(shares.sum(axis=1, keepdims=True), np.float32(1e-12))
    at = np.arange(first, last)
    reach = max(1.0, (stop - start) * cells / length * _REACH)
    # A cell that the tile covers in part is another part than the guide's: it only counts where there is no whole one.
    whole = (at * length >= start * cells) & ((at + 1) * length <= stop * cells)
    blur = np.exp(-0.5 * ((at[:, None] - at) / reach) ** 2) * np.where(whole, 1, 1e-6)
    blur /= blur.sum(axis=1, keepdims=True)
    inside = np.clip(places(length, cells, start, stop), first, last - 1) - first
    return slice(first, last), reduce, blur.astype(np.float32), inside
