"""Natural-scene statistics that NIQE and BRISQUE are made of: normalised luminance and fits of its distribution."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gamma

from lightwell.metrics.levels import Array, Float, levels, round_half_up
from lightwell.metrics.window import filter_valid, gaussian

__all__ = ["HALO", "SHIFTS", "AsymmetricFit", "fit_asymmetric", "fit_symmetric", "halve", "matlab_gray", "normalize"]

HALO = 3
"""Pixels that `normalize` needs around a picture."""

SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Neighbours (down, right) whose products are fitted: beside, below, and the two diagonals."""

_RGB2GRAY = np.array([0.298936021293775, 0.587043074451121, 0.114020904255103])
_TAPS = gaussian(7, 7 / 6)
_STRIP = 64  # rows at a time, so that they stay near the processor
_SILENCE = 1e-9  # what rounding leaves of a flat surface; taken for none, so that it has no statistics
_SHAPES = np.arange(0.2, 10.0005, 0.001)
_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
_BETWEEN = (_RATIOS[1:] + _RATIOS[:-1]) / 2


def matlab_gray(picture: Array) -> Array:
    """A checked picture's gray as uint8 ``(H, W)``, as MATLAB's rgb2gray gives it for 8-bit pictures."""
    gray = np.empty(picture.shape[:2], np.uint8)
    for top in range(0, len(gray), 64):
        rows = round_half_up(levels(picture[top : top + 64]))
        gray[top : top + 64] = rows[:, :, 0] if rows.shape[2] == 1 else round_half_up(rows @ _RGB2GRAY)
    return gray


def normalize(gray: Float) -> tuple[Float, Float]:
    """Luminance less its local mean, over its local deviation plus 1 (MSCN coefficients), and that deviation.

    Local is a Gaussian window of 7x7, sigma 7/6 (Mittal et al. 2012, eq. 1 to 3).

    Shape:
        gray: levels ``(H + 6, W + 6)``, whose border the caller makes up; returns ``(H, W)`` twice.
    """
    normalized, deviation = np.empty((2, len(gray) - 2 * HALO, gray.shape[1] - 2 * HALO))
    for top in range(0, len(normalized), _STRIP):
        rows, strip = slice(top, top + _STRIP), gray[top : top + _STRIP + 2 * HALO]
        mean, square = filter_valid(np.stack([strip, strip * strip]), _TAPS)
        deviation[rows] = np.sqrt(np.abs(square - mean * mean))
        normalized[rows] = (strip[HALO:-HALO, HALO:-HALO] - mean) / (deviation[rows] + 1)
    normalized[np.abs(normalized) < _SILENCE] = 0
    return normalized, deviation


class AsymmetricFit(NamedTuple):
    """An asymmetric generalised Gaussian: shape, and the deviations of its left and right half."""

    shape: Float
    left: Float
    right: Float


def fit_asymmetric(x: Float) -> AsymmetricFit:
    """The asymmetric generalised Gaussian that fits ``x``, one along its last two axes.

    Lasmar, Stitou, Berthoumieu: "Multiscale Skewed Heavy Tailed Model for Texture Analysis", ICIP 2009: by moments, the
    shape from a table of 0.2 to 10 in steps of 0.001, as the authors of NIQE and BRISQUE do.

    Returns:
        Arrays of x's other axes; NaN where ``x`` has no value below or none above zero.
    """
    below = np.minimum(x, 0)
    count = x.shape[-1] * x.shape[-2]
    left_sum, sum_of_squares = (np.einsum("...ij,...ij->...", v, v) for v in (below, x))
    mean_size = (x.sum((-2, -1)) - 2 * below.sum((-2, -1))) / count
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.sqrt(left_sum / np.count_nonzero(below, (-2, -1)))
        right = np.sqrt((sum_of_squares - left_sum) / np.count_nonzero(x > 0, (-2, -1)))
        skew = left / right
        ratio = mean_size**2 / (sum_of_squares / count)
        ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    return AsymmetricFit(np.where(np.isnan(ratio), np.nan, _SHAPES[np.searchsorted(_BETWEEN, ratio)]), left, right)


def fit_symmetric(x: Float) -> tuple[float, float]:
    """Shape and variance of the generalised Gaussian that fits all of ``x``.

    Sharifi, Leon-Garcia: IEEE Trans. Circuits and Systems for Video Technology 1995; the shape from the table above, by
    the inverse ratio as BRISQUE's authors do. The shape is NaN where ``x`` is zero everywhere.
    """
    variance, size = float(np.mean(x * x)), float(np.abs(x).mean())
    if not size:
        return float("nan"), 0.0
    return float(_SHAPES[np.argmin(np.abs(variance / size**2 - 1 / _RATIOS))]), variance


def halve(gray: Float) -> Float:
    """Half as many pixels each way, as MATLAB's imresize(x, 0.5): bicubic, widened twofold, mirrored at the border."""
    distance = np.abs(np.arange(8) - 3.5) / 2
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    taps = np.where(distance <= 1, near, far) / 2
    for _ in range(2):
        length = len(gray)
        out = np.zeros((-(-length // 2), gray.shape[1]))
        padded = np.pad(gray, ((3, 4), (0, 0)), "symmetric")
        for k, tap in enumerate(taps):
            out += tap * padded[k : k + 2 * len(out) : 2]
        gray = out.T
    return gray
