"""The light of a film over time: steady while the scene is, let go at a cut.

A network that finds the light of one frame at a time finds it a little differently each time: from frame to frame
because of the noise, which is seen as flicker, and slowly as other things come into view. So the exposure of a frame,
which is the gain in linear light that all cells of its guide have in common, is the mean of what is found over some
seconds before and after it. In linear light a camera that moves over a scene leaves the gain as it is; of code values
it would be another one for each brightness. What sets a cell apart from the others moves as the camera does and is the
mean over some frames. Frames between which the dark picture turns brighter or darker, faster than a camera's motion
makes it, count little for each other, and those beyond a cut nothing: a lamp is followed at once, and not before it is
lit. That is all that one frame knows of another: no pixels are mixed, so nothing smears.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lightwell.pictures.space import linear_to_srgb, srgb_to_linear
from lightwell.restoring.grids import Box, Floats, blur_matrix, enlarge, reduce_area, separable
from lightwell.restoring.strategies import Guide

__all__ = ["relit", "steady"]

# The cells whose gain is smoothed, along the longer side; a finer guide keeps its own detail.
_CELLS = 48
# The cells that tell a cut: few, so that their noise is small and a camera's motion moves little across them.
_CUT_CELLS = 16
_LEVEL = 1 / 255
# The linear light of one level of 8 bits: darker than that all is black.
_BLACK = float(srgb_to_linear(np.array(_LEVEL)))

# Seconds to either side that count in full for the exposure of all cells, and those beyond which nothing counts.
_WHOLE, _FARTHEST = 2.0, 4.0
# Frames to either side that are held at most, however close together they are shown.
_MOST = 512
# Stops a second by which a camera's motion may change the mean of the dark frames, and how many beyond that make others
# of them.
_SLOW, _OTHER = 0.3, 0.25
# Standard deviations of the window over one cell's own gain: in seconds, and in stops that its dark cell differs by.
_ONE, _CHANGED = 0.15, 0.25

# The window over cells that tells noise from change, and a cell from those around it.
_REACH = 2.0
# Frames are of one scene if the local contrasts of their cells, in stops, go along like this, or differ by so little.
_ALIKE, _CLOSE = 0.5, 0.15


@dataclass(frozen=True, eq=False)
class _Frame:
    """What is kept of a frame.

    Args:
        seconds: when it is shown.
        shot: the number of the shot.
        turned: by how much the light has changed since the first frame, up and down alike, in stops.
        seen: the dark cells, blurred, in stops, ``(rows, columns, 3)``.
        common: the gain that all cells have in common, in stops, ``(3,)``.
        own: what sets the gain of each cell apart, ``(rows, columns, 3)``.
    """

    seconds: float
    shot: int
    turned: float
    seen: Floats
    common: Floats
    own: Floats


def steady(guides: Iterable[tuple[float, Guide]]) -> Iterator[Floats]:
    """How the guides of a film's frames are to change so that their light does not flicker.

    Takes guides up to four seconds ahead of what it gives, and holds some numbers for each cell of them.

    Args:
        guides: for each frame when it is shown, in seconds that grow, and what the network finds for it alone.

    Returns:
        For each frame in turn, what to give :func:`relit`.
    """
    past: deque[_Frame] = deque(maxlen=_MOST)
    ahead: deque[_Frame] = deque()
    for frame in _frames(guides):
        ahead.append(frame)
        while frame.shot != ahead[0].shot or frame.seconds - ahead[0].seconds > _FARTHEST or len(ahead) > _MOST:
            yield _change(ahead[0], [*past, *ahead])
            past.append(ahead.popleft())
    while ahead:
        yield _change(ahead[0], [*past, *ahead])
        past.append(ahead.popleft())


def relit(guide: Guide, change: Floats) -> Guide:
    """A guide whose ``after`` is brighter or darker, smoothly from cell to cell.

    Args:
        guide: what the network finds for a frame alone.
        change: stops of linear light, ``(rows, columns, 3)`` of cells over the frame.
    """
    rows, columns = guide.after.shape[:2]
    gain = np.exp2(enlarge(change, Box(0, rows, 0, columns), (rows, columns)))
    light = (srgb_to_linear(np.clip(guide.after, 0, 1)) + _BLACK) * gain - _BLACK
    return Guide(guide.size, guide.before, np.asarray(linear_to_srgb(np.clip(light, 0, 1)), np.float32))


def _frames(guides: Iterable[tuple[float, Guide]]) -> Iterator[_Frame]:
    shot, turned = 0, 0.0
    last: tuple[float, Floats, Floats] | None = None
    for seconds, guide in guides:
        before = _cells(guide.before, _CELLS)
        seen, contrast = _stops(before), _contrast(before)
        if last is not None:
            before_at, before_seen, before_contrast = last
            if seen.shape != before_seen.shape or _is_cut(before_contrast, contrast):
                shot += 1
            else:
                change = abs(float(seen.mean() - before_seen.mean()))
                turned += max(0.0, change - _SLOW * max(0.0, seconds - before_at))
        last = seconds, seen, contrast
        found = _stops(_cells(guide.after, _CELLS)) - seen
        common = found.mean((0, 1))
        yield _Frame(seconds, shot, turned, _blurred(seen), common, found - common)


def _change(frame: _Frame, others: list[_Frame]) -> Floats:
    """What a frame's gain lacks to be the mean of that of its own shot around it."""
    others = [other for other in others if other.shot == frame.shot]
    away = np.abs(np.array([other.seconds - frame.seconds for other in others]))
    turned = np.array([other.turned - frame.turned for other in others])
    weights = _near(away) * np.exp(-0.5 * (turned / _OTHER) ** 2)
    common = np.average([other.common for other in others], axis=0, weights=weights)

    own, total = np.zeros_like(frame.own), np.zeros_like(frame.own)
    for other, apart in zip(others, away / _ONE, strict=True):
        if apart < 3:
            weight = np.exp(-0.5 * (apart**2 + ((other.seen - frame.seen) / _CHANGED) ** 2))
            own += weight * other.own
            total += weight
    return np.asarray(common - frame.common + own / total - frame.own, np.float32)


def _near(away: Floats) -> Floats:
    """How much frames count that are so many seconds away, in [0, 1]."""
    beyond = np.clip((away - _WHOLE) / (_FARTHEST - _WHOLE), 0, 1)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * beyond))


def _stops(cells: Floats) -> Floats:
    return np.asarray(np.log2(srgb_to_linear(np.clip(cells, 0, 1)) + _BLACK), np.float32)


def _cells(field: Floats, most: int) -> Floats:
    """The means over cells of a coarser grid, of which the longer side has no more than this."""
    rows, columns = field.shape[:2]
    scale = min(1.0, most / max(rows, columns))
    small = max(1, round(rows * scale)), max(1, round(columns * scale))
    return reduce_area(lambda down, across: field[down, across], (rows, columns), small)


def _contrast(before: Floats) -> Floats:
    """How much brighter each cell is than those around it, in stops: what a lamp changes little."""
    light = np.log2(_cells(before, _CUT_CELLS).mean(2, keepdims=True) + _LEVEL).astype(np.float32)
    return np.asarray(light - _blurred(light), np.float32)


def _blurred(field: Floats) -> Floats:
    """Over some cells, which takes out what is noise of each."""
    return separable(blur_matrix(len(field), _REACH), field, blur_matrix(field.shape[1], _REACH).T)


def _is_cut(before: Floats, after: Floats) -> bool:
    change = float(np.sqrt(np.mean((after - before) ** 2)))
    together = float((before * after).sum())
    strength = float(np.sqrt((before**2).sum() * (after**2).sum()))
    return change > _CLOSE and together < _ALIKE * strength
