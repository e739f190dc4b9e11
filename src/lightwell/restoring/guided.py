"""Correcting a tile to what the whole picture, restored at reduced size, looks like there."""

from __future__ import annotations

import numpy as np

from lightwell.restoring.grids import Floats, cell_shares, separable

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
    cells_down, down, blur_down, up_down = _guide_maps(height, len(guide), top, top + piece.shape[0])
    cells_across, across, blur_across, up_across = _guide_maps(width, guide.shape[1], left, left + piece.shape[1])
    wanted = guide[cells_down, cells_across]
    seen = separable(down, piece, across.T)

    def blur(field: Floats) -> Floats:
        return separable(blur_down, field, blur_across.T)

    seen_mean, wanted_mean = blur(seen), blur(wanted)
    covariance = blur(seen * wanted) - seen_mean * wanted_mean
    variance = blur(seen * seen) - seen_mean * seen_mean
    gain = np.clip((wanted_mean + _BLACK) / np.maximum(seen_mean + _BLACK, _BLACK), *_SLOPES)
    slope = np.clip((covariance + _CONTRAST * gain) / (np.maximum(variance, 0) + _CONTRAST), *_SLOPES)
    offset = wanted_mean - slope * seen_mean
    slope, offset = blur(slope), blur(offset)
    return piece * separable(up_down, slope, up_across.T) + separable(up_down, offset, up_across.T)


def _guide_maps(length: int, cells: int, start: int, stop: int) -> tuple[slice, Floats, Floats, Floats]:
    """Along one side, for a tile's pixels: the guide's cells it touches, and matrices that reduce, blur, enlarge."""
    shares, first, last = cell_shares(length, cells, start, stop)
    reduce = shares / np.maximum(shares.sum(axis=1, keepdims=True), np.float32(1e-12))
    at = np.arange(first, last)
    reach = max(1.0, (stop - start) * cells / length * _REACH)
    # A cell that the tile covers in part is another part than the guide's: it only counts where there is no whole one.
    whole = (at * length >= start * cells) & ((at + 1) * length <= stop * cells)
    blur = np.exp(-0.5 * ((at[:, None] - at) / reach) ** 2) * np.where(whole, 1, 1e-6)
    blur /= blur.sum(axis=1, keepdims=True)
    place = np.clip((np.arange(start, stop) + 0.5) * cells / length - 0.5, first, last - 1)
    enlarge = np.maximum(0, 1 - np.abs(place[:, None] - at))  # linear between the cells' middles
    return slice(first, last), reduce, blur.astype(np.float32), enlarge.astype(np.float32)
