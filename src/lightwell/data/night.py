"""One good photograph, as a camera would take it in the dark: by a model of the camera, or by a learnt degradation."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lightwell.data.degrade import Degradation, Shots, by_lamps, degrade
from lightwell.errors import WeightsError
from lightwell.models import create_model, load_weights
from lightwell.models.drgn import Generator, TwoSteps, transfer
from lightwell.pictures import Picture, read_named

__all__ = ["by_night", "darken", "draws_of", "learned_night_of", "load_degradation", "night_of"]

_LONGEST = 1024


def night_of(picture: Picture, seed: int, name: str, settings: Degradation | None = None) -> Picture:
    """The picture in the dark, at 8 bits and in colour, with all else it says of itself.

    Args:
        picture: a good photograph.
        seed: together with ``name`` decides what befalls the picture; the others in a set do not matter.
        name: the picture's file name.
        settings: ranges to draw from.
    """
    return darken(picture, (settings or Degradation()).sample(1, draws_of(seed, name)))


def darken(picture: Picture, shots: Shots) -> Picture:
    """The picture under the circumstances of one shot, otherwise as :func:`night_of`."""
    return _with_pixels(picture, degrade(_pixels(picture), shots))


def by_night(picture: Picture, draws: torch.Generator) -> Picture:
    """The scene of a photograph lit by lamps, well exposed (:func:`lightwell.data.degrade.by_lamps`)."""
    return _with_pixels(picture, by_lamps(_pixels(picture), draws))


@torch.no_grad()
def learned_night_of(picture: Picture, seed: int, name: str, generator: Generator, like: Sequence[Path]) -> Picture:
    """The picture under the degradation that a DRGN finds in a dark photograph, otherwise as :func:`night_of`.

    A part in the picture's proportions is cut out of one of the dark photographs; its degradation is enlarged to the
    picture's size if need be, and added (Jiang et al., AAAI 2022, section 2.3).

    Args:
        picture: a good photograph.
        seed: together with ``name`` decides which dark photograph and which part of it.
        name: the picture's file name.
        generator: what :func:`load_degradation` gives.
        like: dark photographs.

    Raises:
        PictureError: when the dark photograph cannot be read.
    """
    good, draws = _pixels(picture), draws_of(seed, name)
    size = good.shape[-2:]
    dark = _pixels(read_named(like[int(torch.randint(len(like), (), generator=draws))]))
    # Time and memory grow with the part, which need not show more than a camera's noise and light.
    scale = min(1.0, _LONGEST / max(size), *(d / s for d, s in zip(dark.shape[-2:], size, strict=True)))
    rows, columns = (max(round(side * scale), 1) for side in size)
    top, left = (
        int(torch.randint(whole - part + 1, (), generator=draws))
        for whole, part in zip(dark.shape[-2:], (rows, columns), strict=True)
    )
    found = generator(dark[..., top : top + rows, left : left + columns])
    if found.shape != good.shape:
        found = F.interpolate(found, size, mode="bilinear")
    return _with_pixels(picture, transfer(found, good))


def load_degradation(model: str) -> Generator:
    """The degradation generator of a trained DRGN.

    Args:
        model: a shipped model's name, or a weights file whose name ends in .safetensors.

    Raises:
        WeightsError: when there is no such model, or it has no such generator.
    """
    net = load_weights(Path(model)) if model.endswith(".safetensors") else create_model(model, pretrained=True)
    if not isinstance(net, TwoSteps) or net.degrade is None:
        raise WeightsError(f"{model} has learnt no degradation: take a drgn or drgn-lw")
    generator: Generator = net.degrade.eval()
    return generator


def draws_of(seed: int, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))


def _pixels(picture: Picture) -> Tensor:
    """``(1, 3, H, W)`` in [0, 1]."""
    scale = 2**picture.bits - 1
    return torch.tensor(picture.pixels.astype(np.float32) / scale).permute(2, 0, 1).expand(1, 3, *picture.size)


def _with_pixels(picture: Picture, low: Tensor) -> Picture:
    pixels = (low[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    scale = 2**picture.bits - 1
    alpha = None if picture.alpha is None else (picture.alpha // (scale // 255)).astype(np.uint8)
    return replace(picture, pixels=pixels, alpha=alpha)
