"""Blind/referenceless image spatial quality evaluator."""

from __future__ import annotations

from os import PathLike

import numpy as np
from scipy.special import gamma

from lightwell.metrics.batches import picture_by_picture
from lightwell.metrics.levels import Array, Float, check
from lightwell.metrics.nss import HALO, SHIFTS, fit_asymmetric, fit_symmetric, halve, matlab_gray, normalize
from lightwell.metrics.svm import Regressor, load_regressor

__all__ = ["brisque", "brisque_features", "load_brisque"]

_FEATURES = 36
_SMALLEST = 16


def load_brisque(model: str | PathLike[str], scale: str | PathLike[str]) -> Regressor:
    """BRISQUE's regression, which does not come with lightwell: ``allmodel`` and ``allrange`` of its authors' program.

    Args:
        model: libsvm model file.
        scale: range file of ``svm-scale``.

    Raises:
        WeightsError: a file is missing or is none.
    """
    return load_regressor(model, _FEATURES, scale)


@picture_by_picture
def brisque(picture: Array, regressor: Regressor) -> float:
    """BRISQUE, lower is better; no truth is needed. With the authors' model about 0 to 100.

    Mittal, Moorthy, Bovik: "No-Reference Image Quality Assessment in the Spatial Domain", IEEE Trans. Image Processing
    2012, as the authors' MATLAB program does it: gray rounded to 8 bits, black beyond the border.

    Args:
        picture: uint8, uint16 or float in [0, 1].
        regressor: from `load_brisque`.

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, at least 16x16.

    Returns:
        The regression's score; NaN for a picture without texture, as a constant one.

    Raises:
        ValueError: smaller than 16x16, NaN or infinity, a type or range that is not taken.
    """
    return regressor(brisque_features(picture))


def brisque_features(picture: Array) -> Float:
    """The 36 features in the order of the authors' model: 18 at full size, 18 at half size.

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``; returns ``(36,)``, NaN where there is no texture to fit.

    Raises:
        ValueError: as `brisque`.
    """
    picture = check(picture)
    if min(picture.shape[:2]) < _SMALLEST:
        height, width, _ = picture.shape
        raise ValueError(f"BRISQUE needs at least {_SMALLEST}x{_SMALLEST} pixels; the picture has {height}x{width}")
    gray = matlab_gray(picture).astype(np.float64)
    return np.concatenate([_scale(gray), _scale(halve(gray))])


def _scale(gray: Float) -> Float:
    normalized, _ = normalize(np.pad(gray, HALO))
    shape, variance = fit_symmetric(normalized)
    features: list[Float | float] = [shape, variance]
    for shift in SHIFTS:
        # What leaves the picture on one side enters on the other, as in the authors' program.
        fit = fit_asymmetric(normalized * np.roll(normalized, shift, (0, 1)))
        spread = np.sqrt(gamma(1 / fit.shape) / gamma(3 / fit.shape)) * gamma(2 / fit.shape) / gamma(1 / fit.shape)
        features += [fit.shape, (fit.right - fit.left) * spread, fit.left**2, fit.right**2]
    return np.array(features)
