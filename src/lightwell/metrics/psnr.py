"""Peak signal-to-noise ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np

from lightwell.metrics import batches
from lightwell.metrics.levels import Array, check_pair, levels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["psnr"]

_STRIP = 1 << 16  # values at a time, so that they stay near the processor


@overload
def psnr(restored: Array, target: Array) -> float: ...


@overload
def psnr(restored: Tensor, target: Tensor) -> Tensor: ...


def psnr(restored: Array | Tensor, target: Array | Tensor) -> float | Tensor:
    """PSNR in dB: ``10 log10(255^2 / mse)``, the mean squared error over all pixels and channels, in levels.

    Nothing is rounded here; `lightwell.metrics.score` rounds as a protocol says.

    Args:
        restored: uint8, uint16 or float in [0, 1].
        target: the truth, of the same shape; its type may differ.

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, from one pixel on; or torch tensors ``(N, C, H, W)``, which give
        ``(N,)``, on their device and with gradients.

    Returns:
        Decibels; infinity for equal pictures.

    Raises:
        ValueError: shapes differ, NaN or infinity, a type or range that is not taken.
    """
    if batches.is_tensor(restored):
        return batches.psnr(restored, target)  # type: ignore[arg-type]
    restored, target = check_pair(restored, target)  # type: ignore[arg-type]
    total = 0.0
    count = max(1, _STRIP * len(restored) // restored.size)
    for top in range(0, len(restored), count):
        rows = slice(top, top + count)
        error = (levels(restored[rows]) - levels(target[rows])).ravel()
        total += float(error @ error)
    return float(10 * np.log10(255**2 * restored.size / total)) if total else float("inf")
