"""Dark, noisy, shaken versions of good photographs.

The model of a camera in the dark, on batches: sRGB to linear light, exposure, colour cast, blur by motion, shot and read
noise, clipping, back to sRGB, 8 bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Degradation", "degrade", "expose", "to_linear", "to_srgb"]


def to_linear(x: Tensor) -> Tensor:
    """sRGB-encoded values in [0, 1] to linear light (IEC 61966-2-1)."""
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def to_srgb(x: Tensor) -> Tensor:
    """Linear light in [0, 1] to sRGB-encoded values (IEC 61966-2-1)."""
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


@dataclass(frozen=True)
class Degradation:
    """Ranges that the degradation's parameters are drawn from, one draw per picture.

    Args:
        ev: exposure in stops, uniform.
        shot: variance of the shot noise per unit of linear light, log-uniform.
        read: standard deviation of the read noise in linear light, log-uniform.
        cast: largest change of a channel's gain, in stops.
        blur: longest path of a shaken camera, as a fraction of the picture's longer side.
        blur_chance: share of pictures that are shaken.
    """

    ev: tuple[float, float] = (-6.0, -0.5)
    shot: tuple[float, float] = (1e-5, 1e-3)
    read: tuple[float, float] = (5e-5, 1e-3)
    cast: float = 0.3
    blur: float = 0.025
    blur_chance: float = 0.3


def expose(low: Tensor, stops: Tensor) -> Tensor:
    """A picture at another exposure, in 8-bit steps as a camera writes them.

    Args:
        low: ``(N, 3, H, W)`` in [0, 1].
        stops: ``(N,)`` exposure in EV.
    """
    linear = to_linear(low) * torch.exp2(stops).view(-1, 1, 1, 1)
    return to_srgb(linear.clamp(0, 1))


def degrade(target: Tensor, settings: Degradation, generator: torch.Generator) -> Tensor:
    """Dark copies of good pictures.

    Args:
        target: ``(N, 3, H, W)`` in [0, 1].
        settings: the ranges to draw from.
        generator: where the randomness comes from; the same state gives the same pictures.

    Returns:
        A tensor of the same shape in steps of 1/255.
    """
    n = len(target)

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand((n, *(shape or (1, 1, 1))), generator=generator)

    gain = torch.exp2(draw(*settings.ev) + draw(-settings.cast, settings.cast, 3, 1, 1))
    linear = to_linear(target) * gain
    linear = _shake(linear, settings, generator)
    shot = torch.exp(draw(math.log(settings.shot[0]), math.log(settings.shot[1])))
    read = torch.exp(draw(math.log(settings.read[0]), math.log(settings.read[1])))
    sigma = (shot * linear + read.square()).sqrt()
    noisy = linear + sigma * torch.randn(target.shape, generator=generator)
    return (to_srgb(noisy.clamp(0, 1)) * 255).round() / 255


def _shake(linear: Tensor, settings: Degradation, generator: torch.Generator) -> Tensor:
    """Convolves some of the pictures with the path of a moving camera."""
    shaken = (torch.rand(len(linear), generator=generator) < settings.blur_chance).nonzero().flatten().tolist()
    if not shaken:
        return linear
    longest = settings.blur * max(linear.shape[-2:])
    out = linear.clone()
    for i in shaken:
        kernel = _path_kernel(longest * torch.rand((), generator=generator).item(), generator)
        reach = kernel.shape[-1] // 2
        padded = F.pad(linear[i : i + 1], (reach,) * 4, mode="replicate")
        out[i] = F.conv2d(padded, kernel.expand(3, 1, -1, -1), groups=3)[0]
    return out


def _path_kernel(length: float, generator: torch.Generator) -> Tensor:
    """The trace of a camera that drifts along a smooth random path, as a ``(1, 1, K, K)`` kernel of sum 1."""
    steps = 64
    turn = torch.randn(steps, generator=generator).cumsum(0) * 0.12
    angle = 2 * math.pi * torch.rand((), generator=generator) + turn
    path = torch.stack((angle.sin(), angle.cos())).cumsum(1) * (length / steps)
    path = path - path.mean(1, keepdim=True)
    reach = int(path.abs().max().ceil().item()) + 1
    grid = torch.arange(-reach, reach + 1, dtype=path.dtype)
    hats = (1 - (grid[None, :, None] - path[:, None, :]).abs()).clamp_min(0)
    kernel = hats[0] @ hats[1].T
    return (kernel / kernel.sum())[None, None]
