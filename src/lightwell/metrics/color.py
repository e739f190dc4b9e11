"""Errors of color: CIEDE2000 and hue."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from lightwell.metrics.batches import picture_by_picture
from lightwell.metrics.levels import Array, Float, check_pair, levels

__all__ = ["ciede2000", "hue_error"]

_STRIP = 1 << 15  # pixels at a time, so that they stay near the processor
_COLORLESS = 1.0  # chroma below which no hue is seen; 8-bit rounding alone makes that much


@picture_by_picture
def ciede2000(restored: Array, target: Array) -> float:
    """Mean CIEDE2000 color difference over the pixels (kL = kC = kH = 1, sRGB under D65, 2 degree observer).

    Sharma, Wu, Dalal: "The CIEDE2000 Color-Difference Formula: Implementation Notes, Supplementary Test Data, and
    Mathematical Observations", Color Research and Application 2005; computed by scikit-image in single precision.

    Args:
        restored: uint8, uint16 or float in [0, 1].
        target: the truth, of the same shape; its type may differ.

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, from one pixel on; gray counts as three equal channels.

    Returns:
        From 0; about 1 is just seen, black against white is 100.

    Raises:
        ValueError: shapes differ, NaN or infinity, a type or range that is not taken.
    """
    restored, target = check_pair(restored, target)
    total = 0.0
    for a, b in _lab_strips(restored, target):
        difference: Float = deltaE_ciede2000(a, b)  # type: ignore[no-untyped-call]
        total += float(difference.sum(dtype=np.float64))
    return float(total / (restored.shape[0] * restored.shape[1]))


@picture_by_picture
def hue_error(restored: Array, target: Array) -> float:
    """Mean difference of the CIELAB hue angles in degrees, 0 to 180, every pixel weighed by the truth's chroma.

    Pixels whose truth has a chroma below 1 have no hue and do not count. Where the restored pixel has a chroma below 1
    its color is lost and counts 90 degrees, what a hue drawn at random would on average.

    Args:
        restored: uint8, uint16 or float in [0, 1].
        target: the truth, of the same shape; its type may differ.

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, from one pixel on.

    Returns:
        Degrees; NaN where the truth is without color, as every gray picture is.

    Raises:
        ValueError: shapes differ, NaN or infinity, a type or range that is not taken.
    """
    restored, target = check_pair(restored, target)
    total = weights = 0.0
    for a, b in _lab_strips(restored, target):
        (chroma, hue), (true_chroma, true_hue) = (
            (np.hypot(lab[..., 1], lab[..., 2]), np.arctan2(lab[..., 2], lab[..., 1])) for lab in (a, b)
        )
        turned = np.abs(hue - true_hue)
        difference = np.degrees(np.minimum(turned, 2 * np.pi - turned))
        difference[chroma < _COLORLESS] = 90
        weight = np.where(true_chroma < _COLORLESS, 0, true_chroma)
        total += float((weight * difference).sum(dtype=np.float64))
        weights += float(weight.sum(dtype=np.float64))
    return total / weights if weights else float("nan")


def _lab_strips(*pictures: Array) -> Iterator[tuple[Float, ...]]:
    """CIELAB of the pictures' same pixels, some rows at a time."""
    height, width, channels = pictures[0].shape
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        strips = (levels(picture[top : top + rows], np.float32) / np.float32(255) for picture in pictures)
        yield tuple(
            rgb2lab(np.broadcast_to(strip, (*strip.shape[:2], 3)) if channels == 1 else strip) for strip in strips
        )
