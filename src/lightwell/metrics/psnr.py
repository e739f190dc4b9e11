"""Peak signal-to-noise ratio."""

from __future__ import annotations

import numpy as np

from lightwell.metrics.levels import Array, check_pair, levels

__all__ = ["psnr"]

_STRIP = 1 << 16  # values at a time, so that they stay near the processor


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
    count = max(1, _STRIP * len(restored) // restored.size)
    for top in range(0, len(restored), count):
        rows = slice(top, top + count)
        error = (levels(restored[rows]) - levels(target[rows])).ravel()
        total += float(error @ error)
    return float(10 * np.log10(255**2 * restored.size / total)) if total else float("inf")
