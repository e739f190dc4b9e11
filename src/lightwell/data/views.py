"""What a training step sees of a picture: whole frames at reduced size, or crops at full size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["DRAWS", "PictureStore", "View"]

DRAWS = 8
"""Random numbers that one picture's cut takes."""


@dataclass(frozen=True)
class View:
    """One way to cut a batch out of pictures.

    Args:
        size: height and width of the result in pixels.
        batch: pictures per step, over all processes.
        zoom: bounds of the fraction of the picture's height and width that is cut out before it is resized to
            ``size``; None cuts ``size`` pixels out as they are, and enlarges what smaller pictures have of that shape.
        sampling: how a cut is reduced. ``area`` averages, which also averages the noise away; ``nearest`` picks
            pixels, which keeps the noise of the full size at the cost of aliasing.
        weight: how often this view is drawn, relative to the stage's others.
        upright: False also stands pictures on their heads and turns square ones to their sides; all are mirrored.
        shaped: with ``zoom``, cut parts of the shape of ``size``, as large as fit times the fraction, so that nothing
            is squeezed; pictures of another shape lose some of their sides.
    """

    size: tuple[int, int]
    batch: int
    zoom: tuple[float, float] | None = None
    sampling: Literal["area", "nearest"] = "area"
    weight: float = 1.0
    upright: bool = True
    shaped: bool = False


class PictureStore:
    """Pictures of any sizes as one tensor on one device, so that a batch is cut out of them in one operation.

    Args:
        pictures: ``(H, W, C)`` tensors, all of one C and type: uint8, or floats that are given out as they are.
        device: where they are kept.
    """

    def __init__(self, pictures: Sequence[Tensor], device: torch.device | str = "cpu") -> None:
        self.pixels = torch.cat([picture.flatten(0, 1) for picture in pictures]).to(device)
        self.white = 1 if self.pixels.is_floating_point() else 255
        self.sizes = torch.tensor([picture.shape[:2] for picture in pictures])
        self.starts = self.sizes.prod(1).cumsum(0) - self.sizes.prod(1)

    def cut(self, index: Tensor, view: View, draws: Tensor) -> Tensor:
        """A random part of each of some pictures.

        Args:
            index: ``(N,)`` which pictures, on the CPU.
            view: what to cut.
            draws: ``(N, DRAWS)`` in [0, 1): the randomness, on the CPU.

        Returns:
            Float tensor ``(N, C, *view.size)``, of uint8 pictures in [0, 1], on the store's device.
        """
        size = torch.tensor(view.size)
        pictures = self.sizes[index]
        if view.zoom is None:
            # Of a smaller picture the largest part of that shape, enlarged.
            fits = (pictures / size).amin(1, keepdim=True).clamp(max=1)
            boxes = (size * fits).round().long().clamp_min(1).minimum(pictures)
        else:
            zoom = view.zoom[0] + (view.zoom[1] - view.zoom[0]) * draws[:, :1]
            whole = size * (pictures / size).amin(1, keepdim=True) if view.shaped else pictures
            boxes = (whole * zoom).round().long().clamp_min(8).minimum(pictures)
        corners = (draws[:, 1:3] * (pictures - boxes + 1)).long().minimum(pictures - boxes)
        if view.sampling == "nearest" or (boxes == size).all():
            rows, columns = (
                corners[:, axis, None] + _nearest(boxes[:, axis, None], view.size[axis], draws[:, 3 + axis, None])
                for axis in (0, 1)
            )
            places = self.starts[index, None, None] + rows[:, :, None] * pictures[:, 1, None, None] + columns[:, None]
            parts = self.pixels[places.to(self.pixels.device)].permute(0, 3, 1, 2).float() / self.white
        else:
            cuts = zip(index.tolist(), corners.tolist(), boxes.tolist(), strict=True)
            parts = torch.cat([self._reduced(*cut, view.size) for cut in cuts])

        mirrored, inverted, turned = (draws[:, 5:] < 0.5).to(parts.device).T[:, :, None, None, None]
        parts = torch.where(mirrored, parts.flip(3), parts)
        if not view.upright:
            parts = torch.where(inverted, parts.flip(2), parts)
            if view.size[0] == view.size[1]:
                parts = torch.where(turned, parts.mT, parts)
        return parts

    def _reduced(self, picture: int, corner: list[int], box: list[int], size: tuple[int, int]) -> Tensor:
        start, (height, width) = int(self.starts[picture]), self.sizes[picture].tolist()
        part = self.pixels[start : start + height * width].view(height, width, -1)
        part = part[corner[0] : corner[0] + box[0], corner[1] : corner[1] + box[1]]
        return F.interpolate(part.permute(2, 0, 1)[None].float() / self.white, size, mode="area")


def _nearest(box: Tensor, size: int, phase: Tensor) -> Tensor:
    return ((torch.arange(size) + phase) * box / size).long().minimum(box - 1)
