"""Losses between a restored picture and its target, pixel by pixel or region by region.

All take float tensors ``(N, C, H, W)`` in [0, 1] and return a scalar.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["cell_l1", "charbonnier", "guide", "l1", "l2", "log_mse", "region_l1"]


def l1(restored: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (restored - target).abs().mean()


def l2(restored: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference."""
    return (restored - target).square().mean()


def charbonnier(restored: Tensor, target: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of ``sqrt(difference^2 + epsilon^2)``, an L1 that is smooth at zero.

    Charbonnier et al.: "Two Deterministic Half-Quadratic Regularization Algorithms for Computed Imaging", ICIP 1994.
    """
    return ((restored - target).square() + epsilon**2).sqrt().mean()


def region_l1(restored: Tensor, target: Tensor, side: int = 32) -> Tensor:
    """L1 of the means of regions of ``side`` x ``side`` pixels: exposure and colour, not texture."""
    error = F.avg_pool2d(restored - target, min(side, *restored.shape[-2:]), ceil_mode=True, count_include_pad=False)
    return error.abs().mean()


def cell_l1(restored: Tensor, target: Tensor) -> Tensor:
    """L1 of the means of 8 x 8 pixels: :func:`region_l1` for thumbnails."""
    return region_l1(restored, target, 8)


def log_mse(restored: Tensor, target: Tensor, floor: float = 1e-4) -> Tensor:
    """Natural logarithm of every picture's mean squared error, averaged: -PSNR / 4.34 for errors above the floor.

    Where a scene's exposure cannot be known, its error is large and its gradient small, so that the pictures that can
    be got right are got right (the loss of HINet, Chen et al., CVPRW 2021).
    """
    return torch.log((restored - target).square().mean((1, 2, 3)) + floor).mean()


def guide(side: Tensor, target: Tensor) -> Tensor:
    """L1 of the side output against the target at its scale, ``L_lol`` of the DarkIR paper.

    Args:
        side: side output ``(N, C, ceil(H / m), ceil(W / m))``.
        target: ``(N, C, H, W)``; sizes that are no multiple of m are padded with zeros, as the network does.
    """
    rows, columns = side.shape[-2:]
    multiple = -(-target.shape[-2] // rows)
    padded = F.pad(target, (0, columns * multiple - target.shape[-1], 0, rows * multiple - target.shape[-2]))
    return l1(side, F.avg_pool2d(padded, multiple))
