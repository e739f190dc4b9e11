"""Training losses by name: plain functions of (restored, target), both ``(N, C, H, W)`` in [0, 1], that give a scalar.

:class:`Loss` makes a module of any of them. :func:`feature_matching` compares lists of features instead and is
therefore not in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from lightwell.losses.adversarial import criticism, deception
from lightwell.losses.color import color_angle, hue
from lightwell.losses.distribution import histogram, kl_elements, kl_histogram
from lightwell.losses.edge import edge
from lightwell.losses.features import feature_matching, lpips, perceptual
from lightwell.losses.frequency import frequency
from lightwell.losses.pixel import cell_l1, charbonnier, guide, l1, l2, log_mse, region_l1
from lightwell.losses.ssim import ssim

__all__ = [
    "LOSSES",
    "Loss",
    "cell_l1",
    "charbonnier",
    "color_angle",
    "criticism",
    "deception",
    "edge",
    "feature_matching",
    "frequency",
    "guide",
    "histogram",
    "hue",
    "kl_elements",
    "kl_histogram",
    "l1",
    "l2",
    "log_mse",
    "lpips",
    "perceptual",
    "region_l1",
    "ssim",
]

LOSSES: dict[str, Callable[..., Tensor]] = {
    "l1": l1,
    "l2": l2,
    "charbonnier": charbonnier,
    "region_l1": region_l1,
    "cell_l1": cell_l1,
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


class Loss(nn.Module):
    """A loss as a module, for code that composes modules: ``Loss("ssim", window=7)``.

    Args:
        name: one of :data:`LOSSES`.
        settings: what the function takes besides the two pictures.

    Shape:
        ``(restored, target)``, both ``(N, C, H, W)`` in [0, 1], to a scalar.

    Raises:
        ValueError: for an unknown name.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__()
        if name not in LOSSES:
            raise ValueError(f"unknown loss {name!r}: choose one of {', '.join(LOSSES)}")
        self.name, self.settings = name, settings

    def forward(self, restored: Tensor, target: Tensor) -> Tensor:
        return LOSSES[self.name](restored, target, **self.settings)

    def extra_repr(self) -> str:
        return ", ".join([repr(self.name), *(f"{key}={value!r}" for key, value in self.settings.items())])
