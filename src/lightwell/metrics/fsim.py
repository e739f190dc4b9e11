"""Feature similarity: phase congruency and gradients."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.ndimage import convolve

from lightwell.metrics.batches import picture_by_picture
from lightwell.metrics.levels import Array, Float, check_pair, levels

__all__ = ["fsim", "fsimc"]

_SMALLEST = 16
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_T1, _T2, _T3, _T4, _LAMBDA = 0.85, 160.0, 200.0, 200.0, 0.03
_SCHARR = np.array([[3, 0, -3], [10, 0, -10], [3, 0, -3]]) / 16

_SCALES, _ORIENTATIONS = 4, 4
_SHORTEST = 6.0  # wavelength of the finest scale in pixels; each further one is twice as long
_SIGMA_ON_F = 0.55
_THETA_SIGMA = np.pi / _ORIENTATIONS / 1.2
_NOISE_SIGMAS = 2.0
_SILENCE = 1e-6  # amplitude in levels below which there is only rounding


@picture_by_picture
def fsim(restored: Array, target: Array) -> float:
    """FSIM, on the luminance only.

    Zhang, Zhang, Mou, Zhang: "FSIM: A Feature Similarity Index for Image Quality Assessment", IEEE Trans. Image
    Processing 2011, eq. 1 to 5 with the constants of section IV; phase congruency after Kovesi (Videre 1999), its noise
    threshold divided by 1.7 as in the authors' program. Pictures are first reduced to about 256 pixels on the short
    side, as in the paper.

    Args:
        restored: uint8, uint16 or float in [0, 1].
        target: the truth, of the same shape; its type may differ.

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, at least 16x16.

    Returns:
        At most 1, which equal pictures reach. Every pixel weighs its phase congruency; where neither picture has any
        (both constant), all weigh the same. Beyond the border is black, as in the authors' program.

    Raises:
        ValueError: smaller than 16x16, shapes differ, NaN or infinity, a type or range that is not taken.
    """
    return _fsim(restored, target)[0]


@picture_by_picture
def fsimc(restored: Array, target: Array) -> float:
    """FSIMc: FSIM times the similarity of the chrominances I and Q to the power 0.03 (eq. 6 to 9 of the paper).

    Takes, returns and raises what `fsim` does. A gray picture is one without chrominance: there FSIMc is FSIM.
    """
    return _fsim(restored, target)[1]


def _fsim(restored: Array, target: Array) -> tuple[float, float]:
    restored, target = check_pair(restored, target)
    height, width, _ = restored.shape
    if min(height, width) < _SMALLEST:
        raise ValueError(f"FSIM needs pictures of at least {_SMALLEST}x{_SMALLEST} pixels; these have {height}x{width}")
    factor = max(1, int(min(height, width) / 256 + 0.5))
    (y1, *color1), (y2, *color2) = (_yiq(_reduce(picture, factor)) for picture in (restored, target))

    congruency1, congruency2 = _phase_congruency(y1), _phase_congruency(y2)
    similarity = _similarity(congruency1, congruency2, _T1) * _similarity(_gradient(y1), _gradient(y2), _T2)
    weight = np.maximum(congruency1, congruency2)
    if not weight.any():
        weight = np.ones_like(weight)
    luminance = np.average(similarity, weights=weight)
    if not color1:
        return float(luminance), float(luminance)
    color = _similarity(color1[0], color2[0], _T3) * _similarity(color1[1], color2[1], _T4)
    # The real part of the power, as the authors take it where opposite colours make the product negative.
    power = np.abs(color) ** _LAMBDA * np.where(color < 0, np.cos(np.pi * _LAMBDA), 1)
    return float(luminance), float(np.average(similarity * power, weights=weight))


def _reduce(picture: Array, factor: int) -> Float:
    """Means of ``factor`` x ``factor`` pixels where MATLAB's ``conv2(..., "same")(1:F:end, 1:F:end)`` has them.

    The windows are disjoint, the first begins (F - 1) // 2 pixels outside; outside is 0.
    """
    if factor == 1:
        return levels(picture)
    before = (factor - 1) // 2
    height, width, channels = picture.shape
    rows, columns = -(-height // factor), -(-width // factor)
    reduced = np.empty((rows, columns, channels))
    line = np.zeros((columns * factor + factor, channels))
    for row in range(rows):
        inside = slice(max(row * factor - before, 0), row * factor - before + factor)
        line[before : before + width] = levels(picture[inside]).sum(0)
        reduced[row] = line[: columns * factor].reshape(columns, factor, channels).sum(1)
    return reduced / factor**2


def _yiq(values: Float) -> list[Float]:
    if values.shape[2] == 1:
        return [values[:, :, 0]]
    return [values @ row for row in _YIQ]


def _similarity(a: Float, b: Float, constant: float) -> Float:
    above, below = 2 * a * b + constant, a * a + b * b + constant
    ratio: Float = np.divide(above, below, out=above)
    return ratio


def _gradient(y: Float) -> Float:
    across, down = (convolve(y, kernel, mode="constant") for kernel in (_SCHARR, _SCHARR.T))
    magnitude: Float = np.hypot(across, down)
    return magnitude


def _frequencies(count: int) -> Float:
    """Kovesi's frequency axis, zero first; for odd counts it reaches 0.5 exactly."""
    steps = np.arange(count) - count // 2
    return np.fft.ifftshift(steps / (count if count % 2 == 0 else count - 1))


@lru_cache(maxsize=2)
def _filters(height: int, width: int) -> tuple[Float, Float]:
    """Log-Gabor functions of the radius ``(S, H, W)`` and Gaussians of the angle ``(O, H, W)``."""
    v, u = np.meshgrid(_frequencies(height), _frequencies(width), indexing="ij")
    radius = np.hypot(u, v)
    low_pass = 1 / (1 + (radius / 0.45) ** 30)
    theta = np.arctan2(-v, u)
    radius[0, 0] = 1
    centres = 1 / (_SHORTEST * 2.0 ** np.arange(_SCALES))[:, None, None]
    radial = np.exp(-(np.log(radius / centres) ** 2) / (2 * np.log(_SIGMA_ON_F) ** 2)) * low_pass
    radial[:, 0, 0] = 0
    angles = (np.arange(_ORIENTATIONS) * np.pi / _ORIENTATIONS)[:, None, None]
    distance = np.abs(np.angle(np.exp(1j * (theta - angles))))
    return radial, np.exp(-(distance**2) / (2 * _THETA_SIGMA**2))


def _phase_congruency(y: Float) -> Float:
    """Phase congruency over all orientations ``(H, W)``, 0 to 1."""
    spectrum = fft.fft2(y)
    radial, angular = _filters(*y.shape)
    energies, amplitudes = np.zeros_like(y), np.zeros_like(y)
    for spread in angular:
        filters = radial * spread
        responses = fft.ifft2(spectrum * filters)
        amplitude = np.abs(responses)
        total = responses.sum(0)
        # Local energy less the deviation of each scale's phase from the mean phase (Kovesi, eq. 14).
        mean = total / (np.abs(total) + 1e-4)
        aligned = responses * mean.conj()
        energy = (aligned.real - np.abs(aligned.imag)).sum(0)

        # What noise alone would give: a Rayleigh distribution of the energy, its size from the median response of the
        # finest scale. Only the real parts of the filters' impulse responses count, which are the even parts of the
        # filters; by Parseval the sums over pixels are sums over frequencies.
        power = np.median(amplitude[0] ** 2) / np.log(2) / np.sum(filters[0] ** 2)
        total_filter = filters.sum(0)
        even = (total_filter + np.roll(total_filter[::-1, ::-1], (1, 1), (0, 1))) / 2
        tau = np.sqrt(power * np.sum(even**2))
        threshold = tau * (np.sqrt(np.pi / 2) + _NOISE_SIGMAS * np.sqrt(2 - np.pi / 2)) / 1.7
        energies += np.maximum(energy - threshold, 0)
        amplitudes += amplitude.sum(0)
    heard = amplitudes > _SILENCE
    return np.divide(energies, amplitudes, out=np.zeros_like(y), where=heard)
