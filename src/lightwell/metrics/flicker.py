"""How steady the brightness of a video is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from lightwell.metrics.levels import Array, Float, check, gray, levels

__all__ = ["flicker", "mabd", "mabd_error"]


def flicker(frames: Iterable[Array]) -> float:
    """Root mean square of the second difference in time of the frames' mean gray, in levels; no truth is needed.

    A steady scene, a slow pan and an even fade score about 0; brightness that goes up and down by d levels from frame
    to frame scores 2 d. It sees the whole frame's brightness only: see `mabd_error` for what happens in places.

    Args:
        frames: at least three, of one shape, in order; may be a generator, only one is held at a time.

    Shape:
        Each ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, from one pixel on.

    Raises:
        ValueError: fewer than three frames, unequal shapes, NaN or infinity, a type or range that is not taken.
    """
    means = np.array([frame.mean() for frame in _grays(frames)])
    if len(means) < 3:
        raise ValueError(f"flicker needs at least three frames; there are {len(means)}")
    return float(np.sqrt(np.mean(np.diff(means, 2) ** 2)))


def mabd(frames: Iterable[Array]) -> Float:
    """Mean absolute brightness difference of each frame to the next, in levels.

    Jiang, Zheng: "Learning to See Moving Objects in the Dark", ICCV 2019, section 5; brightness is BT.601 gray.

    Args:
        frames: at least two, of one shape, in order; may be a generator, only two are held at a time.

    Shape:
        Each ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``; returns ``(frames - 1,)``.

    Raises:
        ValueError: fewer than two frames, unequal shapes, NaN or infinity, a type or range that is not taken.
    """
    differences = []
    before = None
    for frame in _grays(frames):
        if before is not None:
            differences.append(np.abs(frame - before).mean())
        before = frame
    if not differences:
        raise ValueError("the brightness difference needs at least two frames")
    return np.array(differences)


def mabd_error(restored: Iterable[Array], target: Iterable[Array]) -> float:
    """Mean squared difference of the two videos' `mabd`, in levels squared: 0 if both change as much at every step.

    Noise that changes from frame to frame counts as change.

    Raises:
        ValueError: unequal numbers of frames, or as `mabd`.
    """
    own, true = mabd(restored), mabd(target)
    if len(own) != len(true):
        raise ValueError(f"restored has {len(own) + 1} frames, target has {len(true) + 1}")
    return float(np.mean((own - true) ** 2))


def _grays(frames: Iterable[Array]) -> Iterator[Float]:
    shape = None
    for number, frame in enumerate(frames):
        checked = check(frame, f"frame {number}")
        if shape not in (None, checked.shape):
            raise ValueError(f"frame {number} is {checked.shape}, those before are {shape}: shapes must be the same")
        shape = checked.shape
        yield gray(levels(checked))
