"""Losses on colour alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["color_angle", "hue", "hue_degrees"]


def color_angle(restored: Tensor, target: Tensor, side: int = 4) -> Tensor:
    """One minus the cosine between the colours of regions of ``side`` x ``side`` pixels, as RGB vectors.

    The colour loss of DeepUPE (Wang et al., CVPR 2019, eq. 6) on small regions, where noise has no say.
    """
    a, b = (F.avg_pool2d(x, min(side, *x.shape[-2:])) + 0.02 for x in (restored, target))
    return (1 - F.cosine_similarity(a, b, dim=1)).mean()


def hue_degrees(x: Tensor, floor: float = 1 / 255) -> Tensor:
    """Hue of RGB pixels in degrees, 0 to 360; 180 for grey.

    Args:
        x: ``(N, 3, H, W)`` in [0, 1].
        floor: smallest spread between the largest and smallest channel that is divided by. Hue's gradient is
            60 / spread, so one grey pixel could otherwise destroy a training step.

    Returns:
        ``(N, H, W)``.
    """
    red, green, blue = x.unbind(1)
    spread = (x.amax(1) - x.amin(1)).clamp_min(floor)
    red_least = 180 + 60 * (blue - green) / spread
    green_least = 300 + 60 * (red - blue) / spread
    blue_least = 60 + 60 * (green - red) / spread
    return torch.where((red <= green) & (red <= blue), red_least, torch.where(green <= blue, green_least, blue_least))


def hue(restored: Tensor, target: Tensor, floor: float = 1 / 255) -> Tensor:
    """Mean distance of hues around the circle, in turns: 0 for equal hues, 0.5 for opposite ones.

    FRLIE (Yang et al., ICASSP 2022), eq. 6, whose printed form lacks the complement and is largest at a perfect match;
    the authors' scale of 360 degrees, there weighted 0.05.
    """
    apart = (hue_degrees(restored, floor) - hue_degrees(target, floor)).abs()
    return (180 - (180 - apart).abs()).mean() / 360
