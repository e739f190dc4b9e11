"""Separable filters as products with small band matrices, which BLAS does faster than any loop over taps."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lightwell.metrics.levels import Float

__all__ = ["filter_valid", "gaussian"]

_BLOCK = 32  # outputs per product: larger wastes multiplications by zero, smaller is all overhead


def gaussian(size: int, sigma: float) -> Float:
    """``size`` samples of a Gaussian around their middle, summing to 1."""
    offsets = np.arange(size) - (size - 1) / 2
    taps = np.exp(-(offsets**2) / (2 * sigma**2))
    return np.asarray(taps / taps.sum())


def _band(outputs: int, taps: Float) -> Float:
    band = np.zeros((outputs + len(taps) - 1, outputs), taps.dtype)
    for row, tap in enumerate(taps):
        np.fill_diagonal(band[row:], tap)
    return band


def _filter_last(x: Float, taps: Float) -> Float:
    halo, outputs = len(taps) - 1, x.shape[-1] - len(taps) + 1
    y = np.empty((*x.shape[:-1], outputs), x.dtype)
    whole = outputs // _BLOCK * _BLOCK
    if whole:
        blocks = sliding_window_view(x, _BLOCK + halo, axis=-1)[..., :whole:_BLOCK, :]
        np.matmul(
            np.moveaxis(blocks, -2, 0),
            _band(_BLOCK, taps),
            out=np.moveaxis(y[..., :whole].reshape(*x.shape[:-1], -1, _BLOCK), -2, 0),
        )
    if whole < outputs:
        y[..., whole:] = x[..., whole:] @ _band(outputs - whole, taps)
    return y


def filter_valid(x: Float, taps: Float) -> Float:
    """``x`` correlated with ``taps`` along both last axes, where the window lies inside.

    Shape:
        x: ``(..., H, W)``; returns ``(..., H - n + 1, W - n + 1)`` for n taps, in x's type.
    """
    taps = taps.astype(x.dtype)
    rows = x.shape[-2] - len(taps) + 1
    y = np.empty((*x.shape[:-2], rows, x.shape[-1]), x.dtype)
    for top in range(0, rows, _BLOCK):
        count = min(_BLOCK, rows - top)
        band = _band(count, taps).T
        np.matmul(band, x[..., top : top + band.shape[1], :], out=y[..., top : top + count, :])
    return _filter_last(y, taps)
