"""Pictures of any size in overlapping tiles, in memory that does not grow with the picture."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from lightwell.restoring.grids import Box, Floats, Load

__all__ = ["Piecewise", "Progress", "Store", "fits_whole", "in_tiles", "largest_piece", "pieces_of"]

Store = Callable[[Box, Floats], None]
Piecewise = Callable[[Floats, Box], Floats]
Progress = Callable[[float], None]

# A piece may be twice as long as a tile where it is narrow: what a transform takes goes with the sides, not the area.
_LONGEST = 2
# Networks work on sides that are multiples of this, and on squares whose sides divide it.
_STEP = 8


def fits_whole(size: tuple[int, int], tile: int) -> bool:
    """Whether a picture needs no cutting: it has no more pixels than one tile, and is no longer than two."""
    return size[0] * size[1] <= tile * tile and max(size) <= _LONGEST * tile


def largest_piece(size: tuple[int, int], tile: int | None) -> tuple[int, int]:
    """Height and width of the largest piece of a picture that goes through the network at once."""
    if tile is None or fits_whole(size, tile):
        return size
    return min(size[0], tile), min(size[1], tile)


def pieces_of(size: tuple[int, int], tile: int | None, overlap: int) -> int:
    """How many pieces :func:`in_tiles` cuts a picture into."""
    if tile is None or fits_whole(size, tile):
        return 1
    return len(_spans(max(size), tile, overlap)) * len(_spans(min(size), tile, overlap))


def in_tiles(
    load: Load,
    store: Store,
    size: tuple[int, int],
    restore: Piecewise,
    *,
    tile: int | None,
    overlap: int,
    at_once: int = 1,
    progress: Progress | None = None,
) -> None:
    """Restore a picture piece by piece; one that fits a tile goes whole.

    Besides what the caller holds, this needs memory for ``at_once`` tiles and one band of tiles across the picture's
    shorter side. Finished tiles are put together in one order whatever ends first, so their number changes no pixel.

    Args:
        load: gives the picture's rows and columns as ``(h, w, C)`` in [0, 1].
        store: takes finished parts, each pixel once.
        size: the picture's height and width.
        restore: ``(h, w, C)`` and where it lies, to ``(h, w, C)``.
        tile: the side of a tile in pixels; None restores the picture whole whatever its size.
        overlap: pixels that neighbouring tiles have in common at least, above 0 and below the tile's side.
        at_once: how many tiles are restored at a time, each in a thread of its own.
        progress: told the share that is done, in [0, 1], after each piece.
    """
    height, width = size
    if tile is None or fits_whole(size, tile):
        box = Box(0, height, 0, width)
        store(box, restore(load(slice(0, height), slice(0, width)), box))
        if progress:
            progress(1.0)
        return

    # Bands go across the shorter side and follow one another along the longer one.
    upright = height >= width
    bands = _spans(max(size), tile, overlap)
    pieces = _spans(min(size), tile, overlap)
    boxes = [
        Box(start, stop, left, right) if upright else Box(left, right, start, stop)
        for start, stop in bands
        for left, right in pieces
    ]

    def restored(box: Box) -> Floats:
        piece = restore(load(slice(box.top, box.bottom), slice(box.left, box.right)), box)
        return piece if upright else piece.transpose(1, 0, 2)

    done = 0
    pending: Floats | None = None
    with closing(_in_order(restored, boxes, at_once)) as finished:
        for k, (start, stop) in enumerate(bands):
            held: Floats | None = None
            fade_along = _fade(bands, k, overlap)
            for j, (left, right) in enumerate(pieces):
                piece = next(finished)
                piece = piece * (fade_along[:, None, None] * _fade(pieces, j, overlap)[:, None])
                if held is None:
                    held = np.zeros((stop - start, min(size), piece.shape[2]), np.float32)
                    if pending is not None:
                        held[: len(pending)] = pending
                held[:, left:right] += piece
                done += 1
                if progress:
                    progress(done / len(boxes))
            assert held is not None
            end = bands[k + 1][0] if k + 1 < len(bands) else max(size)
            band = held[: end - start]
            if upright:
                store(Box(start, end, 0, width), band)
            else:
                store(Box(0, height, start, end), band.transpose(1, 0, 2))
            pending = held[end - start :].copy()


def _in_order(work: Callable[[Box], Floats], boxes: Sequence[Box], at_once: int) -> Generator[Floats, None, None]:
    """What comes of each box, in the boxes' order; closing it leaves nothing running."""
    if at_once == 1 or len(boxes) == 1:
        yield from map(work, boxes)
        return
    waiting: deque[Future[Floats]] = deque()
    with ThreadPoolExecutor(min(at_once, len(boxes)), thread_name_prefix="lightwell-tile") as threads:
        try:
            for box in boxes:
                waiting.append(threads.submit(work, box))
                # As many again may be finished and wait, so that no thread stands still behind a slow one.
                if len(waiting) == 2 * at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Overlapping spans that cover a side; all have one length, so that the network sees one shape.

    They are no longer than so many spans need to be: what overlaps more than it must is computed twice for nothing.
    All start where a network that halves its picture, or takes squares of pixels for one, sees the same phase.
    """
    if length <= tile:
        return [(0, length)]
    step = _STEP if tile - overlap >= 2 * _STEP else 1

    def reach(side: int) -> int:
        return (side - overlap) // step * step

    side = tile - (tile - length) % step
    gaps = math.ceil((length - side) / reach(side))
    while gaps * reach(side - step) >= length - side + step:
        side -= step
    starts = [step * (k * (length - side) // step // gaps) for k in range(gaps + 1)]
    return [(start, start + side) for start in starts]


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
