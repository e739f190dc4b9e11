"""Training losses by name: plain functions of (restored, target), both ``(N, C, H, W)`` in [0, 1], that give a scalar.

:func:`feature_matching` compares lists of features instead and is therefore not in the table.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from lightwell.losses.color import color_angle, hue
from lightwell.losses.edge import edge
from lightwell.losses.features import feature_matching, lpips, perceptual
from lightwell.losses.frequency import frequency
from lightwell.losses.pixel import charbonnier, guide, l1, l2, log_mse, region_l1
from lightwell.losses.ssim import ssim

__all__ = [
    "LOSSES",
    "charbonnier",
    "color_angle",
    "edge",
    "feature_matching",
    "frequency",
    "guide",
    "hue",
    "l1",
    "l2",
    "log_mse",
    "lpips",
    "perceptual",
    "region_l1",
    "ssim",
]

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1,
    "l2": l2,
    "charbonnier": charbonnier,
    "region_l1": region_l1,
    "log_mse": log_mse,
    "color_angle": color_angle,
    "hue": hue,
    "ssim": ssim,
    "edge": edge,
    "frequency": frequency,
    "perceptual": perceptual,
    "lpips": lpips,
    "guide": guide,
}
