"""Spatial-spectral entropy-based quality."""

from __future__ import annotations

from os import PathLike

import numpy as np
from scipy.fft import dct
from scipy.special import xlogy

from lightwell.metrics.batches import picture_by_picture
from lightwell.metrics.levels import Array, Float, check, round_half_up
from lightwell.metrics.nss import halve, matlab_gray
from lightwell.metrics.svm import Regressor, load_regressor

__all__ = ["load_sseq", "sseq", "sseq_features"]

_SCALES = 3
_FEATURES = 4 * _SCALES
_SMALLEST = 32
_BLOCK = 8
_DCT = dct(np.eye(_BLOCK), axis=0, norm="ortho")
_N_LOG_N = xlogy(np.arange(65), np.arange(65)) / np.log(2)


def load_sseq(model: str | PathLike[str], scale: str | PathLike[str] | None = None) -> Regressor:
    """A regression from the 12 features to a score.

    SSEQ's published regression does not come with lightwell and is no single file: its authors first classify the
    distortion and then weigh one regression per kind. Here one libsvm regression of one's own is taken, say one trained
    on LIVE. **Scores from different regressions are not comparable**, with printed ones neither; say which it was.

    Args:
        model: libsvm model file (epsilon- or nu-SVR, RBF kernel).
        scale: range file of ``svm-scale``, if the features were scaled for training.

    Raises:
        WeightsError: a file is missing or is none.
    """
    return load_regressor(model, _FEATURES, scale)


@picture_by_picture
def sseq(picture: Array, regressor: Regressor) -> float:
    """SSEQ by a regression of one's own; no truth is needed. See `sseq_features` and `load_sseq`."""
    return regressor(sseq_features(picture))


def sseq_features(picture: Array) -> Float:
    """The 12 features of SSEQ: how entropy is distributed over blocks of 8x8 pixels, at three scales.

    Liu, Liu, Huang, Bovik: "No-reference image quality assessment based on spatial and spectral entropies", Signal
    Processing: Image Communication 2014, section 3. Per scale, from full size to a quarter: the mean of the middle 60 %
    and the skewness of the blocks' spatial entropies (of the 8-bit levels), then the same of their spectral entropies
    (of the squared DCT coefficients without the mean), in bits. Where the paper is silent: each scale is bicubic, half
    the one before, rounded to 8 bits; blocks that the border cuts are left out; a flat block has no spectrum and
    entropy 0; entropies that are all equal have no skewness, which is 0.

    Args:
        picture: uint8, uint16 or float in [0, 1].

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, at least 32x32; returns ``(12,)``, all 0 for a constant picture.

    Raises:
        ValueError: smaller than 32x32, NaN or infinity, a type or range that is not taken.
    """
    picture = check(picture)
    if min(picture.shape[:2]) < _SMALLEST:
        height, width, _ = picture.shape
        raise ValueError(f"SSEQ needs at least {_SMALLEST}x{_SMALLEST} pixels; the picture has {height}x{width}")
    gray = matlab_gray(picture)
    features: list[float] = []
    for scale in range(_SCALES):
        if scale:
            gray = round_half_up(np.clip(halve(gray.astype(np.float64)), 0, 255)).astype(np.uint8)
        whole = gray[: gray.shape[0] // _BLOCK * _BLOCK, : gray.shape[1] // _BLOCK * _BLOCK]
        strips = [whole[top : top + 32 * _BLOCK] for top in range(0, len(whole), 32 * _BLOCK)]
        for entropy in (_spatial_entropy, _spectral_entropy):
            features += _pool(np.concatenate([entropy(strip) for strip in strips]))
    return np.array(features)


def _spatial_entropy(gray: Array) -> Float:
    """Entropy in bits of every block's levels."""
    blocks = gray.reshape(-1, _BLOCK, gray.shape[1] // _BLOCK, _BLOCK).swapaxes(1, 2).reshape(-1, _BLOCK**2)
    ordered = np.sort(blocks, 1)
    first = np.ones(ordered.shape, bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=first[:, 1:])
    starts = np.flatnonzero(first)
    counts = np.diff(starts, append=first.size)
    # -sum p log p with p = n / 64 is log 64 - sum (n log n) / 64.
    return 6 - np.bincount(starts // _BLOCK**2, _N_LOG_N[counts], len(blocks)) / _BLOCK**2


def _spectral_entropy(gray: Array) -> Float:
    """Entropy in bits of every block's squared DCT coefficients, the mean's left out."""
    columns = _DCT @ gray.reshape(-1, _BLOCK, gray.shape[1])
    power = np.square(columns.reshape(len(columns), _BLOCK, -1, _BLOCK) @ _DCT.T)
    power[:, 0, :, 0] = 0
    total = power.sum((1, 3)).ravel()
    weighted = xlogy(power, power).sum((1, 3)).ravel()
    # Whole levels that are not all equal have at least 63/64 of power around their mean; less is rounding.
    some = total > 0.5
    entropy = np.zeros(len(total))
    entropy[some] = (np.log(total[some]) - weighted[some] / total[some]) / np.log(2)
    return entropy


def _pool(entropies: Float) -> tuple[float, float]:
    """Mean of the sorted entropies from number 0.2 m to number 0.8 m, and the skewness of all."""
    count = len(entropies)
    middle = np.sort(entropies)[max(count // 5, 1) - 1 : max(count * 4 // 5, 1)]
    deviation = entropies - entropies.mean()
    spread = np.sqrt(np.mean(deviation**2))
    return float(middle.mean()), float(np.mean(deviation**3) / spread**3) if spread > 1e-9 else 0.0
