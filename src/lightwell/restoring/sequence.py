"""The light of a film over time: steady while the scene is, let go at a cut.

A network that finds the light of one frame at a time finds it a little differently each time, which is seen as flicker.
So the gain of each cell of the guide, in stops, follows an exponential mean of what was found before: slowly what all
cells have in common, which the eye sees flicker most, and faster what sets a cell apart from the others, which moves as
the camera does. That is all that one frame knows of another: no pixels are mixed, so nothing smears.
"""

from __future__ import annotations

import numpy as np

from lightwell.restoring.grids import Box, Floats, blur_matrix, enlarge, reduce_area, separable
from lightwell.restoring.strategies import Guide

__all__ = ["SteadyLight"]

# The cells whose gain is smoothed, along the longer side; a finer guide keeps its own detail.
_CELLS = 48
# The cells that tell a cut: few, so that their noise is small and a camera's motion moves little across them.
_CUT_CELLS = 16
_LEVEL = 1 / 255

# Seconds after which 63 % of a change has come: of all cells and of one, while nothing happens, and of either where
# something surely does.
_ALL, _ONE, _CHANGED = 2.0, 0.15, 0.04
# What is surely none of noise, in stops: a change of the dark cell, and one of the gain that the network finds for it.
_SEEN, _FOUND = 0.2, 1.0

# The window over cells that tells noise from change, and a cell from those around it.
_REACH = 2.0
# Frames are of one scene if the local contrasts of their cells, in stops, go along like this, or differ by so little.
_ALIKE, _CLOSE = 0.5, 0.15


class SteadyLight:
    """Smooths the guides of a film's frames, given one after the other.

    A lamp that is switched on is followed within half a second, since the dark frame shows it; at a cut the light
    starts anew.
    """

    def __init__(self) -> None:
        self._frames = 0
        self._seconds = 0.0
        self._seen: Floats
        self._gain: Floats
        self._contrast: Floats

    def __call__(self, guide: Guide, seconds: float) -> Guide:
        """The guide to restore this frame with.

        Args:
            guide: what the network finds for the frame alone.
            seconds: when the frame is shown; from frame to frame it grows.

        Returns:
            A guide of the same frame, whose ``after`` is brighter or darker, smoothly from cell to cell.
        """
        before, after = _cells(guide.before, _CELLS), _cells(guide.after, _CELLS)
        seen = np.log2(before + _LEVEL)
        found = np.log2(np.maximum(after, 0) + _LEVEL) - seen
        contrast = _contrast(before)
        if self._frames == 0 or seen.shape != self._seen.shape or _is_cut(self._contrast, contrast):
            self._frames, self._seen, self._gain = 1, seen, found
        else:
            self._frames += 1
            elapsed = max(seconds - self._seconds, 0.0)
            changed = self._changed(seen, found)
            self._seen = self._seen + self._share(elapsed, _ALL, changed) * (seen - self._seen)
            news = found - self._gain
            common = news.mean((0, 1), keepdims=True)
            self._gain = (
                self._gain
                + self._share(elapsed, _ALL, changed.mean((0, 1), keepdims=True)) * common
                + self._share(elapsed, _ONE, changed) * (news - common)
            )
        self._seconds, self._contrast = seconds, contrast
        rows, columns = guide.after.shape[:2]
        change = enlarge(self._gain - found, Box(0, rows, 0, columns), (rows, columns))
        brighter = (guide.after + _LEVEL) * np.exp2(change) - _LEVEL
        return Guide(guide.size, guide.before, np.clip(brighter, 0, 1).astype(np.float32))

    def _changed(self, seen: Floats, found: Floats) -> Floats:
        """Where something surely happens: ``(rows, columns, C)``, 0 to 2."""
        dark = np.clip(np.abs(_blurred(seen - self._seen)) / _SEEN, 0, 1) ** 2
        light = np.clip(np.abs(_blurred(found - self._gain)) / _FOUND, 0, 1) ** 2
        return np.asarray(dark + light, np.float32)

    def _share(self, elapsed: float, steady: float, changed: Floats) -> Floats:
        """How far to go to what is found now, in [0, 1]."""
        share = 1 - np.exp(-elapsed * (1 / steady + changed / _CHANGED))
        # The plain mean at first: one frame is no better known than the next.
        return np.asarray(np.maximum(share, 1 / self._frames), np.float32)


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
