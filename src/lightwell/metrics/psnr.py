"""Peak signal-to-noise ratio."""

from __future__ import annotations

import numpy as np

from lightwell.metrics.levels import Array, check_pair, levels

__all__ = ["psnr"]

_ROWS = 64  # rows at a time: the memory needed does not grow with the picture


def psnr(restored: Array, target: Array) -> float:
    """PSNR in dB: ``10 log10(255^2 / mse)``, the mean squared error over all pixels and channels, in levels.

    Nothing is rounded here; `lightwell.metrics.score` rounds as a protocol says.

    Args:
        restored: uint8, uint16 or float in [0, 1].
        target: the truth, of the same shape; its type may differ.

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, from one pixel on.

    Returns:
        Decibels; infinity for equal pictures.

    Raises:
        ValueError: shapes differ, NaN or infinity, a type or range that is not taken.
    """
    restored, target = check_pair(restored, target)
    total = 0.0
    for top in range(0, len(restored), _ROWS):
        rows = slice(top, top + _ROWS)
        error = (levels(restored[rows]) - levels(target[rows])).ravel()
        total += float(error @ error)
    return float(10 * np.log10(255**2 * restored.size / total)) if total else float("inf")
