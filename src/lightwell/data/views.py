"""What a training step sees of a picture: whole frames at reduced size, or crops at full size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["View", "cut"]


@dataclass(frozen=True)
class View:
    """One way to cut a batch out of pictures.

    Args:
        size: height and width of the result in pixels.
        batch: pictures per step.
        zoom: bounds of the fraction of the picture's height and width that is cut out before it is resized to
            ``size``; None cuts ``size`` pixels out as they are.
        sampling: how a cut is reduced. ``area`` averages, which also averages the noise away; ``nearest`` picks
            pixels, which keeps the noise of the full size at the cost of aliasing.
        weight: how often this view is drawn, relative to the stage's others.
    """

    size: tuple[int, int]
    batch: int
    zoom: tuple[float, float] | None = None
    sampling: Literal["area", "nearest"] = "area"
    weight: float = 1.0


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def cut(pictures: Sequence[Tensor], view: View, generator: torch.Generator) -> list[Tensor]:
    """The same random part of each of several aligned pictures, mirrored half of the time.

    Args:
        pictures: ``(3, H, W)`` uint8 tensors of one size.
        view: what to cut.
        generator: where the randomness comes from.

    Returns:
        Float tensors ``(3, *view.size)`` in [0, 1].
    """
    _, height, width = pictures[0].shape
    rows, columns = view.size
    if view.zoom is None:
        box = min(rows, height), min(columns, width)
    else:
        zoom = _uniform(*view.zoom, generator)
        box = max(round(height * zoom), 8), max(round(width * zoom), 8)
    top = int(_uniform(0, height - box[0] + 1, generator))
    left = int(_uniform(0, width - box[1] + 1, generator))
    mirrored = bool(torch.rand((), generator=generator) < 0.5)
    phases = torch.rand(2, generator=generator).tolist()

    parts = []
    for picture in pictures:
        part = picture[:, top : top + box[0], left : left + box[1]]
        if view.sampling == "nearest" or box == view.size:
            y = ((torch.arange(rows) + phases[0]) * box[0] / rows).long()
            x = ((torch.arange(columns) + phases[1]) * box[1] / columns).long()
            part = part[:, y][:, :, x].float() / 255
        else:
            part = F.interpolate(part[None].float() / 255, view.size, mode="area")[0]
        parts.append(part.flip(2) if mirrored else part)
    return parts
