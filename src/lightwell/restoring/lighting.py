"""Carrying the light of a thumbnail up to the picture it was made of.

A guide says what a picture should look like at the size of a thumbnail. Around each of its cells the guide is fitted by
a straight line of the dark thumbnail, slope and offset for each channel; the lines, carried up, are applied to the
picture. Its edges are its own, and where the guide leaves a part as it was, the picture stays as it was.

This is the fast guided filter (He and Sun: "Fast Guided Filter", arXiv 1505.00996, 2015) with a Gaussian window, and
with a prior for the slope where the thumbnail has no contrast: the ratio of the means, which is what exposure changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lightwell.pictures.space import srgb_to_linear
from lightwell.restoring.grids import Box, Floats, blur_matrix, enlarge, separable

__all__ = ["Lighting", "light_up", "mean_level"]

# Below this contrast (variance of [0, 1] values) the slope is the ratio of the means.
_CONTRAST = 1e-3
_BLACK = 1 / 64
_DARKEST = 1e-3
_SLOPES = 0.02, 20.0
_LEVEL = 1 / 255
_STEADY = 4.0  # cells


def mean_level(picture: Floats) -> float:
    """A picture's mean level under a pure power of light, as ``lightwell.models.light_and_detail`` takes it.

    Args:
        picture: ``(h, w, C)`` in [0, 1], sRGB-encoded.
    """
    light = np.maximum(srgb_to_linear(np.clip(picture, 0, 1)), 1e-6)
    return float((light ** (1 / 2.2)).mean())


@dataclass(frozen=True, eq=False)
class Lighting:
    """Lines that light a picture, as fields over the cells of its thumbnail.

    Args:
        slope: ``(rows, columns, C)``.
        offset: ``(rows, columns, C)``.
        stops: ``(rows, columns, 1)``, a quarter of the gain in stops, which tells how far noise was raised.
    """

    slope: Floats
    offset: Floats
    stops: Floats

    def apply(self, piece: Floats, box: Box, size: tuple[int, int]) -> tuple[Floats, Floats]:
        """Light a part of the picture.

        Args:
            piece: the part, ``(h, w, C)`` in [0, 1].
            box: where it lies.
            size: the picture's height and width.

        Returns:
            The lit part, ``(h, w, C)``, not clipped, and the stops there, ``(h, w, 1)``.
        """
        lit = piece * enlarge(self.slope, box, size) + enlarge(self.offset, box, size)
        return lit, enlarge(self.stops, box, size)


def light_up(thumbnail: Floats, guide: Floats, sigma: float = 1.5) -> Lighting:
    """Fit the lines that make a guide of a thumbnail.

    Args:
        thumbnail: the picture's cells as they are, ``(rows, columns, C)`` in [0, 1].
        guide: as they should be, the same shape.
        sigma: standard deviation of the window, in cells.
    """
    ratio = ((guide.mean((0, 1)) + _DARKEST) / (thumbnail.mean((0, 1)) + _DARKEST)).astype(np.float32)
    scaled = thumbnail * ratio
    down, across = blur_matrix(len(guide), sigma), blur_matrix(guide.shape[1], sigma).T

    def blur(field: Floats) -> Floats:
        return separable(down, field, across)

    seen, wanted = blur(scaled), blur(guide)
    covariance = blur(scaled * guide) - seen * wanted
    variance = np.maximum(blur(scaled * scaled) - seen * seen, 0)
    prior = np.maximum(wanted + _BLACK, _BLACK) / (seen + _BLACK)
    slope = np.clip((covariance + _CONTRAST * prior) / (variance + _CONTRAST), *_SLOPES)
    offset = blur(wanted - slope * seen)
    gain = (guide.mean(2, keepdims=True) + _LEVEL) / (thumbnail.mean(2, keepdims=True) + _LEVEL)
    stops = np.log2(np.maximum(gain, 1 / 64)) / 4
    return Lighting(blur(slope) * ratio, offset, _steadied(np.asarray(stops, np.float32), guide))


def _steadied(stops: Floats, guide: Floats) -> Floats:
    """Stops that follow the guide's shapes without the noise of single cells: a guided filter.

    The dark thumbnail's noise is in its cells as in its pixels, the less the larger they are. A network that sees it
    in the stops takes it for the measure of the noise in the picture, and leaves large pictures as noisy as they are.
    """
    down, across = blur_matrix(len(guide), _STEADY), blur_matrix(guide.shape[1], _STEADY).T

    def blur(field: Floats) -> Floats:
        return separable(down, field, across)

    shape = guide.mean(2, keepdims=True)
    shape_mean, stops_mean = blur(shape), blur(stops)
    variance = np.maximum(blur(shape * shape) - shape_mean**2, 0)
    slope = (blur(shape * stops) - shape_mean * stops_mean) / (variance + _CONTRAST)
    steady: Floats = blur(slope) * shape + blur(stops_mean - slope * shape_mean)
    return steady
