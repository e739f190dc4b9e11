"""Structural similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np

from lightwell.metrics import batches
from lightwell.metrics.levels import Array, check_pair, levels
from lightwell.metrics.window import filter_valid, gaussian

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ssim"]

_SIDE = 11
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_STRIP = 64  # output rows at a time, so that the strip's maps stay near the processor


@overload
def ssim(restored: Array, target: Array) -> float: ...


@overload
def ssim(restored: Tensor, target: Tensor) -> Tensor: ...


def ssim(restored: Array | Tensor, target: Array | Tensor) -> float | Tensor:
    """SSIM with the Gaussian window of 11x11 pixels, sigma 1.5, K1 0.01, K2 0.03, data range 255, not rounded.

    Taken where the window lies inside the picture (no border is made up), per channel, then the mean over pixels and
    channels. The same as scikit-image's `structural_similarity` with ``gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False``.

    Wang, Bovik, Sheikh, Simoncelli: "Image Quality Assessment: From Error Visibility to Structural Similarity",
    IEEE Trans. Image Processing 2004, eq. 13 to 16, without the reduction of large pictures that its authors' later
    notes suggest.

    Args:
        restored: uint8, uint16 or float in [0, 1].
        target: the truth, of the same shape; its type may differ.

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, at least 11x11; or torch tensors ``(N, C, H, W)``, which give
        ``(N,)``, on their device and with gradients.

    Returns:
        At most 1, which equal pictures reach, constant ones too.

    Raises:
        ValueError: smaller than 11x11, shapes differ, NaN or infinity, a type or range that is not taken.
    """
    if batches.is_tensor(restored):
        return batches.ssim(restored, target)  # type: ignore[arg-type]
    restored, target = check_pair(restored, target)  # type: ignore[arg-type]
    height, width, channels = restored.shape
    if min(height, width) < _SIDE:
        raise ValueError(f"SSIM needs pictures of at least {_SIDE}x{_SIDE} pixels; these have {height}x{width}")
    taps = gaussian(_SIDE, 1.5)
    total = 0.0
    for top in range(0, height - _SIDE + 1, _STRIP):
        rows = slice(top, top + _STRIP + _SIDE - 1)
        for channel in range(channels):
            total += _similarity(restored[rows, :, channel], target[rows, :, channel], taps)
    return float(total / ((height - _SIDE + 1) * (width - _SIDE + 1) * channels))


def _similarity(restored: Array, target: Array, taps: Array) -> float:
    """Sum of the similarity map of two planes."""
    # Sum and difference s, d = x + y, x - y need four filtered maps instead of five: 4 xy = s^2 - d^2 and
    # 2 (x^2 + y^2) = s^2 + d^2, for means and variances alike. Variances do not depend on the offset; taking the
    # middle away keeps them exact in float32.
    x, y = levels(restored, np.float32) - np.float32(127.5), levels(target, np.float32) - np.float32(127.5)
    maps = np.empty((4, *x.shape), np.float32)
    np.add(x, y, out=maps[0])
    np.subtract(x, y, out=maps[1])
    np.square(maps[:2], out=maps[2:])
    mean_s, mean_d, ss, dd = filter_valid(maps, taps)
    dd -= np.square(mean_d)
    ss -= np.square(mean_s)
    mean_s += np.float32(255)
    np.square(mean_s, out=mean_s)
    np.square(mean_d, out=mean_d)
    above = (mean_s - mean_d + np.float32(2 * _C1)) * (ss - dd + np.float32(2 * _C2))
    below = (mean_s + mean_d + np.float32(2 * _C1)) * (ss + dd + np.float32(2 * _C2))
    return float(np.divide(above, below, out=above).sum(dtype=np.float64))
