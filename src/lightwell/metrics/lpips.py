"""Learned perceptual image patch similarity. Needs torch, which is loaded when a model is."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lightwell.downloads import Download
from lightwell.errors import WeightsError
from lightwell.metrics.batches import picture_by_picture
from lightwell.metrics.levels import Array, check_pair, levels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PUBLISHED", "Lpips", "load_lpips", "lpips"]

_SMALLEST = 32
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


class _Slice(NamedTuple):
    """Layers up to one comparison: a maximum pooling (window, step) or none, then convolutions with ReLU.

    Convolutions are (number in torchvision's ``features``, outputs, window, step, padding).
    """

    pool: tuple[int, int] | None
    convolutions: tuple[tuple[int, int, int, int, int], ...]


_NETS: dict[str, tuple[_Slice, ...]] = {
    "alex": (
        _Slice(None, ((0, 64, 11, 4, 2),)),
        _Slice((3, 2), ((3, 192, 5, 1, 2),)),
        _Slice((3, 2), ((6, 384, 3, 1, 1),)),
        _Slice(None, ((8, 256, 3, 1, 1),)),
        _Slice(None, ((10, 256, 3, 1, 1),)),
    ),
    "vgg": (
        _Slice(None, ((0, 64, 3, 1, 1), (2, 64, 3, 1, 1))),
        _Slice((2, 2), ((5, 128, 3, 1, 1), (7, 128, 3, 1, 1))),
        _Slice((2, 2), ((10, 256, 3, 1, 1), (12, 256, 3, 1, 1), (14, 256, 3, 1, 1))),
        _Slice((2, 2), ((17, 512, 3, 1, 1), (19, 512, 3, 1, 1), (21, 512, 3, 1, 1))),
        _Slice((2, 2), ((24, 512, 3, 1, 1), (26, 512, 3, 1, 1), (28, 512, 3, 1, 1))),
    ),
}

_LINEAR_URL = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"
PUBLISHED = MappingProxyType(
    {
        "alex": Download(
            name="alexnet-owt-7be5be79.pth",
            what="AlexNet's weights for LPIPS",
            url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            most=250_000_000,
        ),
        "alex-linear": Download(
            name="lpips-v0.1-alex.pth",
            what="LPIPS's weights on AlexNet",
            url=f"{_LINEAR_URL}/alex.pth",
            sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
            most=1_000_000,
        ),
        "vgg": Download(
            name="vgg16-397923af.pth",
            what="VGG-16's weights for LPIPS",
            url="https://download.pytorch.org/models/vgg16-397923af.pth",
            sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            most=560_000_000,
        ),
        "vgg-linear": Download(
            name="lpips-v0.1-vgg.pth",
            what="LPIPS's weights on VGG-16",
            url=f"{_LINEAR_URL}/vgg.pth",
            sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
            most=1_000_000,
        ),
    }
)


@dataclass(frozen=True, eq=False)
class Lpips:
    """LPIPS with its weights, from `load_lpips`.

    Attributes:
        net: ``"alex"`` or ``"vgg"``; scores of the two are not comparable.
        kernels: per convolution its weight and bias.
        linear: per comparison the weight of each channel ``(1, C, 1, 1)``.
    """

    net: str
    kernels: dict[int, tuple[Tensor, Tensor]]
    linear: tuple[Tensor, ...]

    def distance(self, restored: Tensor, target: Tensor) -> Tensor:
        """Distances ``(N,)`` of two batches ``(N, 3, H, W)`` in [0, 1] on the weights' device; differentiable."""
        import torch.nn.functional as F

        shift, scale = (restored.new_tensor(values).view(3, 1, 1) for values in (_SHIFT, _SCALE))
        x, y = ((2 * picture - 1 - shift) / scale for picture in (restored, target))
        total = restored.new_zeros(len(restored))
        for part, weight in zip(_NETS[self.net], self.linear, strict=True):
            if part.pool:
                x, y = F.max_pool2d(x, *part.pool), F.max_pool2d(y, *part.pool)
            for number, _, _, step, padding in part.convolutions:
                kernel, bias = self.kernels[number]
                x = F.relu(F.conv2d(x, kernel, bias, step, padding))
                y = F.relu(F.conv2d(y, kernel, bias, step, padding))
            difference = (_unit(x) - _unit(y)).square()
            total = total + F.conv2d(difference, weight).mean((1, 2, 3))
        return total


def _unit(features: Tensor) -> Tensor:
    # The root has no gradient where a pixel has no features at all; a loss needs one.
    return features / (features.square().sum(1, keepdim=True).clamp_min(1e-20).sqrt() + 1e-10)


def load_lpips(
    net: str = "alex",
    backbone: str | PathLike[str] | None = None,
    linear: str | PathLike[str] | None = None,
    device: str = "cpu",
) -> Lpips:
    """LPIPS version 0.1 with the published weights, which do not come with lightwell.

    Args:
        net: ``"alex"``, which papers report most, or ``"vgg"``.
        backbone: AlexNet or VGG-16 as torchvision has them (.pth or .safetensors); None for the one in the cache, into
            which ``python -m lightwell.metrics download`` puts it.
        linear: the weights of the comparisons as the authors' program has them; None as above.
        device: a torch device.

    Raises:
        ValueError: no such net.
        WeightsError: a file is missing or does not fit, or torch is not installed.
    """
    if net not in _NETS:
        raise ValueError(f"no LPIPS net {net!r}; there are {', '.join(_NETS)}")
    features = _load(Path(backbone) if backbone else PUBLISHED[net].find())
    weights = _load(Path(linear) if linear else PUBLISHED[f"{net}-linear"].find())
    channels = 3
    kernels, linears = {}, []
    for position, part in enumerate(_NETS[net]):
        for number, outputs, window, _, _ in part.convolutions:
            name = f"features.{number}"
            kernels[number] = (
                _take(features, f"{name}.weight", (outputs, channels, window, window), device),
                _take(features, f"{name}.bias", (outputs,), device),
            )
            channels = outputs
        linears.append(_take(weights, f"lin{position}.model.1.weight", (1, channels, 1, 1), device))
    return Lpips(net, kernels, tuple(linears))


def _load(path: Path) -> dict[str, Tensor]:
    try:
        import torch
        from safetensors.torch import load_file
    except ImportError as error:
        raise WeightsError('LPIPS needs torch: pip install "lightwell[train]"') from error
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's readers raise nearly everything
        raise WeightsError(f"{path} cannot be read as weights: {error}") from error
    return dict(loaded) if isinstance(loaded, dict) else {}


def _take(weights: dict[str, Tensor], name: str, shape: tuple[int, ...], device: str) -> Tensor:
    found = weights.get(name)
    if found is None or tuple(found.shape) != shape:
        came = "is missing" if found is None else f"has shape {tuple(found.shape)}"
        raise WeightsError(f"these are not LPIPS's weights: {name} of shape {shape} {came}")
    return found.float().to(device)


@picture_by_picture
def lpips(restored: Array, target: Array, model: Lpips) -> float:
    """LPIPS, lower is better.

    Zhang, Isola, Efros, Shechtman, Wang: "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
    2018, eq. 1, version 0.1, pictures at the size they have. Memory grows with the picture: with ``"vgg"`` about 1 GB
    for every megapixel.

    Args:
        restored: uint8, uint16 or float in [0, 1].
        target: the truth, of the same shape; its type may differ.
        model: from `load_lpips`.

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, at least 32x32; gray counts as three equal channels.

    Returns:
        From 0, which equal pictures reach, constant ones too.

    Raises:
        ValueError: smaller than 32x32, shapes differ, NaN or infinity, a type or range that is not taken.
    """
    import torch

    pictures = check_pair(restored, target)
    height, width, channels = pictures[0].shape
    if min(height, width) < _SMALLEST:
        raise ValueError(f"LPIPS needs at least {_SMALLEST}x{_SMALLEST} pixels; these have {height}x{width}")
    device = model.linear[0].device
    with torch.inference_mode():
        first, second = (
            torch.from_numpy(levels(picture, np.float32) / np.float32(255))
            .to(device)
            .permute(2, 0, 1)[None]
            .expand(1, 3 if channels == 1 else channels, height, width)
            for picture in pictures
        )
        return float(model.distance(first, second))
