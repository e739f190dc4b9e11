"""Training losses by name: plain functions of (restored, target), both ``(N, C, H, W)`` in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from lightwell.losses.edge import edge
from lightwell.losses.pixel import color_angle, guide, l1, log_mse, region_l1

__all__ = ["LOSSES", "color_angle", "edge", "guide", "l1", "log_mse", "region_l1"]

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1,
    "region_l1": region_l1,
    "log_mse": log_mse,
    "color_angle": color_angle,
    "edge": edge,
    "guide": guide,
}
