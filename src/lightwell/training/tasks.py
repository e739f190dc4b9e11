"""What a recipe's network is given and is to give: how pairs of pictures become its inputs and targets.

A recipe names its task. ``restoration`` is a dark picture to its target. The two halves of a model that works by
light, then detail (``lightwell.models.light_and_detail``) have tasks of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lightwell.data.degrade import expose, to_linear, to_srgb
from lightwell.data.folders import Pair
from lightwell.data.paired import load_pair
from lightwell.models.front import lit_strategy
from lightwell.models.light_and_detail import normalise
from lightwell.restoring.controls import Controls
from lightwell.restoring.grids import Box, Floats, reduce_area
from lightwell.restoring.lighting import light_up
from lightwell.restoring.strategies import LightThenDetail

__all__ = ["FRONTED", "TASKS", "Task", "reduced"]


class Task(Protocol):
    """How pairs become what a network takes and gives."""

    @property
    def planes(self) -> int:
        """Planes of the network's input."""

    def load(self, pair: Pair) -> Tensor:
        """Input and target of a whole pair as one ``(H, W, planes + 3)`` tensor, uint8 or float16.

        Raises:
            DataError: when a picture cannot be read or the sizes differ.
        """

    def move(self, low: Tensor, target: Tensor, stops: Tensor, tints: Tensor) -> tuple[Tensor, Tensor]:
        """A batch at other exposures.

        Args:
            low: ``(N, planes, H, W)``.
            target: ``(N, 3, H, W)``.
            stops: ``(N,)`` exposure in EV.
            tints: ``(N, 3)`` the same for single channels, on top.
        """

    def judged(self, pair: Pair) -> Tensor:
        """Input and target of a held-out pair, ``(H, W, planes + 3)``, at the size at which the network is judged."""


@dataclass(frozen=True)
class Restoration:
    """A dark picture to its target, in 8 bits as cameras write them."""

    planes: int = 3

    def load(self, pair: Pair) -> Tensor:
        return load_pair(pair)

    def move(self, low: Tensor, target: Tensor, stops: Tensor, tints: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        return expose(low, stops), target

    def judged(self, pair: Pair) -> Tensor:
        return load_pair(pair)


@dataclass(frozen=True)
class Light:
    """A picture's thumbnail to its target's.

    Args:
        side: longest side of what thumbnails are cut out of.
        thumbnail: longest side of a thumbnail.
    """

    side: int = 150
    thumbnail: int = 48
    planes: int = 3

    def load(self, pair: Pair) -> Tensor:
        return reduced(load_pair(pair), self.side).half()

    def move(self, low: Tensor, target: Tensor, stops: Tensor, tints: Tensor) -> tuple[Tensor, Tensor]:
        gain = torch.exp2(stops[:, None] + tints)[:, :, None, None].to(low.device)
        return to_srgb((to_linear(low) * gain).clamp(0, 1)), target

    def judged(self, pair: Pair) -> Tensor:
        return reduced(load_pair(pair), self.thumbnail)


@dataclass(frozen=True)
class Detail:
    """A picture lit by its target's own thumbnail, with the stops it was lit by, to its target.

    The network has no say about light, so lit picture and target are moved together.

    Args:
        thumbnail: longest side of the thumbnail that lights.
        sigma: window of the lighting, in cells.
    """

    thumbnail: int = 60
    sigma: float = 1.7
    planes: int = 4

    def load(self, pair: Pair) -> Tensor:
        low, target = (part.numpy() for part in (load_pair(pair).float() / 255).chunk(2, 2))
        height, width = low.shape[:2]
        size = (height, width)
        cells = _fit(size, self.thumbnail)
        lighting = light_up(_cells(low, cells), _cells(target, cells), self.sigma)
        lit, stops = lighting.apply(low, Box(0, height, 0, width), size)
        return torch.from_numpy(np.concatenate((lit, stops, target), 2)).half()

    def move(self, low: Tensor, target: Tensor, stops: Tensor, tints: Tensor) -> tuple[Tensor, Tensor]:
        gain = torch.exp2(stops[:, None] + tints)[:, :, None, None].to(low.device)
        return torch.cat((low[:, :3] * gain, low[:, 3:]), 1), target * gain

    def judged(self, pair: Pair) -> Tensor:
        return self.load(pair)


@dataclass(frozen=True)
class Fronted:
    """A dark picture as a front shows it to the network, to its target.

    Whole pictures are prepared, once. Their exposure is not moved: a front undoes that, up to what 8 bits lose.

    Args:
        show: the front, ``(H, W, 3)`` in [0, 1] to what the network sees, the same shape.
    """

    show: Callable[[Floats], Floats]
    planes: int = 3

    def load(self, pair: Pair) -> Tensor:
        low, target = (part.numpy() for part in (load_pair(pair).float() / 255).chunk(2, 2))
        return torch.from_numpy(np.concatenate((self.show(low), target), 2)).half()

    def move(self, low: Tensor, target: Tensor, stops: Tensor, tints: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        return low, target

    def judged(self, pair: Pair) -> Tensor:
        return self.load(pair)


def _normalised(low: Floats) -> Floats:
    bent, _ = normalise(torch.from_numpy(low).permute(2, 0, 1)[None])
    return bent[0].permute(1, 2, 0).numpy()


def _lit(low: Floats) -> Floats:
    size = low.shape[0], low.shape[1]
    lights = _lights()
    guide = lights.guide(lambda rows, columns: low[rows, columns], size)
    lit = lights.piecewise(guide, size, Controls(preview=True))(low, Box(0, size[0], 0, size[1]))
    return np.clip(lit, 0, 1)


@cache
def _lights() -> LightThenDetail:
    return lit_strategy(lambda lit: lit)


TASKS: Mapping[str, Task] = {"restoration": Restoration(), "light": Light(), "detail": Detail()}

FRONTED: Mapping[str, Task] = {"normalised": Fronted(_normalised), "lit": Fronted(_lit)}
"""The task ``restoration`` behind a front."""


def reduced(pictures: Tensor, side: int) -> Tensor:
    """Pictures reduced to the means of cells so that the longer side fits.

    Args:
        pictures: ``(H, W, C)`` uint8.
        side: longest side of the result.

    Returns:
        ``(h, w, C)`` float32 in [0, 1].
    """
    size = _fit((pictures.shape[0], pictures.shape[1]), side)
    x = pictures.permute(2, 0, 1)[None].float() / 255
    return F.interpolate(x, size, mode="area")[0].permute(1, 2, 0)


def _fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _cells(picture: NDArray[np.float32], cells: tuple[int, int]) -> Floats:
    return reduce_area(lambda rows, columns: picture[rows, columns], (picture.shape[0], picture.shape[1]), cells)
