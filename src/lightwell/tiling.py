"""Guided tiles: a picture of any size through a network that looks at the whole of what it is given.

The networks pool over the picture and transform all of it, so each tile by itself gets an exposure and a colour of its
own, and seams show. Therefore the picture is restored twice: once whole at reduced size, the guide, which fixes light
and colour; and in overlapping tiles at full size, which bring the detail. Each tile is corrected so that, seen at the
guide's scale, it agrees with the guide, and the tiles are blended.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["GUIDE_SIDE", "Load", "Restore", "Store", "agree", "fits_whole", "reduce_area", "restore_in_tiles"]

Floats = NDArray[np.float32]
Load = Callable[[slice, slice], Floats]
Store = Callable[[int, Floats], None]
Restore = Callable[[Floats], Floats]

GUIDE_SIDE = 1024
"""The longest side of the guide, in pixels."""

# Shares of a tile's side: what neighbours have in common, and the reach of the correction to the guide.
_OVERLAP = 1 / 8
_REACH = 1 / 24
# Below this contrast (variance of [0, 1] values) the slope is the ratio of the means, which is what exposure changes.
_CONTRAST = 1e-3
_BLACK = 1 / 64
_SLOPES = 0.4, 2.5
_STRIP_PIXELS = 1 << 20


def fits_whole(height: int, width: int, tile: int) -> bool:
    """Whether a picture needs no cutting: it has no more pixels than one tile."""
    return height * width <= tile * tile


def restore_in_tiles(
    load: Load,
    store: Store,
    size: tuple[int, int],
    restore: Restore,
    *,
    tile: int,
    overlap: int | None = None,
    guide_side: int = GUIDE_SIDE,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Restore a picture piece by piece; one that fits a tile goes through the network whole.

    Besides what the caller holds, this needs a tile's worth of memory and one row of tiles at full width.

    Args:
        load: gives the picture's rows and columns as ``(h, w, C)`` in [0, 1].
        store: takes the finished rows from a given one on, ``(h, W, C)``, not clipped; called from top to bottom.
        size: the picture's height and width.
        restore: the network, ``(h, w, C)`` to the same shape.
        tile: the side of a tile in pixels; no call of ``restore`` gets more than ``tile ** 2`` pixels.
        overlap: pixels that neighbouring tiles have in common at least, above 0 and below the tile's side; an eighth
            of it where none are given.
        guide_side: the longest side of the guide.
        progress: told the share that is done, in [0, 1], after each call of ``restore``.
    """
    height, width = size
    if fits_whole(height, width, tile):
        store(0, restore(load(slice(0, height), slice(0, width))))
        if progress:
            progress(1.0)
        return

    overlap = overlap or max(1, round(tile * _OVERLAP))
    rows, columns = _spans(height, tile, overlap), _spans(width, tile, overlap)
    steps = 1 + len(rows) * len(columns)
    scale = min(1.0, guide_side / max(size), tile / math.sqrt(height * width))
    guide_size = max(1, int(height * scale)), max(1, int(width * scale))
    low_guide = reduce_area(load, size, guide_size)
    guide = restore(low_guide)
    if progress:
        progress(1 / steps)

    # Rows of the current row of tiles that the next one still adds to.
    channels = guide.shape[-1]
    pending = np.zeros((0, width, channels), np.float32)
    done = 1
    for k, (top, bottom) in enumerate(rows):
        strip = np.zeros((bottom - top, width, channels), np.float32)
        strip[: len(pending)] = pending
        fade_rows = _fade(rows, k, overlap)
        for j, (left, right) in enumerate(columns):
            piece = restore(load(slice(top, bottom), slice(left, right)))
            piece = agree(piece, guide, (top, left), size)
            piece *= fade_rows[:, None, None]
            piece *= _fade(columns, j, overlap)[:, None]
            strip[:, left:right] += piece
            done += 1
            if progress:
                progress(done / steps)
        end = rows[k + 1][0] if k + 1 < len(rows) else height
        store(top, strip[: end - top])
        pending = strip[end - top :].copy()


def _spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Overlapping spans that cover a side; all have one length, so that the network sees one shape."""
    if length <= tile:
        return [(0, length)]
    count = math.ceil((length - overlap) / (tile - overlap))
    starts = [round(k * (length - tile) / (count - 1)) for k in range(count)]
    return [(start, start + tile) for start in starts]


def _fade(spans: list[tuple[int, int]], k: int, width: int) -> Floats:
    """The weights of one span; those of all spans add up to one everywhere.

    A raised cosine of this width leads over in the middle of what two neighbours share.
    """
    start, stop = spans[k]
    weights = np.ones(stop - start, np.float32)
    at = np.arange(stop - start)
    if k > 0:
        weights = weights * _rise(at, (spans[k - 1][1] - start) / 2, width)
    if k + 1 < len(spans):
        weights = weights * (1 - _rise(at, (spans[k + 1][0] - start + stop - start) / 2, width))
    return weights


def _rise(at: NDArray[np.int_], middle: float, width: int) -> Floats:
    phase = np.clip((at + 0.5 - middle) / width + 0.5, 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * phase)).astype(np.float32)


def reduce_area(load: Load, size: tuple[int, int], small: tuple[int, int]) -> Floats:
    """Reduce a picture to the mean over each cell of a coarser grid, reading it in strips.

    Args:
        load: as in `restore_in_tiles`.
        size: the picture's height and width.
        small: the result's, not larger.
    """
    (height, width), (rows, columns) = size, small
    across = _area_weights(width, columns, 0, width).T
    strips = []
    step = max(1, _STRIP_PIXELS * rows // (height * width))
    for first in range(0, rows, step):
        last = min(first + step, rows)
        top, bottom = first * height // rows, -(-last * height // rows)
        down = _area_weights(height, rows, top, bottom)[first:last]
        strips.append(_separable(down, load(slice(top, bottom), slice(0, width)), across))
    return np.concatenate(strips)


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
    seen = _separable(down, piece, across.T)

    def blur(field: Floats) -> Floats:
        return _separable(blur_down, field, blur_across.T)

    seen_mean, wanted_mean = blur(seen), blur(wanted)
    covariance = blur(seen * wanted) - seen_mean * wanted_mean
    variance = blur(seen * seen) - seen_mean * seen_mean
    gain = np.clip((wanted_mean + _BLACK) / np.maximum(seen_mean + _BLACK, _BLACK), *_SLOPES)
    slope = np.clip((covariance + _CONTRAST * gain) / (np.maximum(variance, 0) + _CONTRAST), *_SLOPES)
    offset = wanted_mean - slope * seen_mean
    slope, offset = blur(slope), blur(offset)
    return piece * _separable(up_down, slope, up_across.T) + _separable(up_down, offset, up_across.T)


def _guide_maps(length: int, cells: int, start: int, stop: int) -> tuple[slice, Floats, Floats, Floats]:
    """Along one side, for a tile's pixels: the guide's cells it touches, and matrices that reduce, blur, enlarge."""
    first, last = start * cells // length, -(-stop * cells // length)
    touched = slice(first, last)
    reduce = _area_weights(length, cells, start, stop)[touched]
    at = np.arange(first, last)
    reach = max(1.0, (stop - start) * cells / length * _REACH)
    # A cell that the tile covers in part is another part than the guide's: it only counts where there is no whole one.
    whole = (at * length >= start * cells) & ((at + 1) * length <= stop * cells)
    blur = np.exp(-0.5 * ((at[:, None] - at) / reach) ** 2) * np.where(whole, 1, 1e-6)
    blur /= blur.sum(axis=1, keepdims=True)
    place = np.clip((np.arange(start, stop) + 0.5) * cells / length - 0.5, first, last - 1)
    enlarge = np.maximum(0, 1 - np.abs(place[:, None] - at))  # linear between the cells' middles
    return touched, reduce, blur.astype(np.float32), enlarge.astype(np.float32)


def _area_weights(length: int, cells: int, start: int, stop: int) -> Floats:
    """``(cells, stop - start)``: each cell as the mean of the pixels from start to stop that lie in it."""
    edges = np.arange(cells + 1) * length / cells
    pixels = np.arange(start, stop)
    shares = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares = np.maximum(shares, 0)
    return np.asarray(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12), np.float32)


def _separable(down: Floats, field: Floats, across: Floats) -> Floats:
    """``down @ field @ across`` for each channel of ``(h, w, C)``."""
    height, width, channels = field.shape
    narrowed = (down @ field.reshape(height, width * channels)).reshape(-1, width, channels)
    return np.ascontiguousarray(np.moveaxis(np.moveaxis(narrowed, 2, 0) @ across, 0, 2))
