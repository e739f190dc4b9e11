"""Losses between the features that a network sees in two pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from lightwell.downloads import Download, cache
from lightwell.errors import WeightsError
from lightwell.metrics.lpips import Lpips, load_lpips

__all__ = ["VGG19", "feature_matching", "lpips", "perceptual", "vgg19_features"]

VGG19 = Download(
    name="vgg19-dcbb9e9d.pth",
    what="VGG19's weights",
    url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
    most=580_000_000,
)
_VGG19_WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)  # 0: halve the size
_FIRST_RELUS = (1, 6, 11, 20, 29)
_PERCEPTUAL_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


def feature_matching(
    features: Sequence[Tensor], target_features: Sequence[Tensor], weights: Sequence[float] | None = None
) -> Tensor:
    """Weighted sum of the L1 distances between features; no gradient reaches the target's.

    With one entry it is ``L_FM`` of FRLIE (Yang et al., ICASSP 2022), whose target is the bright picture's features.

    Args:
        features: tensors of any shapes.
        target_features: tensors of the same shapes.
        weights: one per entry; all one by default.
    """
    pairs = zip(features, target_features, weights or [1.0] * len(features), strict=True)
    return torch.stack([weight * (a - b.detach()).abs().mean() for a, b, weight in pairs]).sum()


class _VGG19(nn.Module):
    """VGG19 up to relu5_1; returns the features after the first ReLU of each of its five stages."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in _VGG19_WIDTHS:
            if width:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _FIRST_RELUS:
                found.append(x)
        return found


@lru_cache(maxsize=1)
def vgg19_features(device: torch.device) -> nn.Module:
    """VGG19 trained on ImageNet, as far as :func:`perceptual` needs it; downloaded once if it is not in the cache.

    Raises:
        WeightsError: when the weights are not there and cannot be fetched, or are not the published ones.
    """
    try:
        path = VGG19.download()
    except WeightsError as error:
        raise WeightsError(
            f"the perceptual loss: {error}; put the file at {cache() / VGG19.name}, or leave the loss 'perceptual' out"
        ) from error
    state = torch.load(path, map_location=device, weights_only=True)
    net = _VGG19().to(device).requires_grad_(False).eval()
    net.load_state_dict({key: value for key, value in state.items() if key in net.state_dict()})
    return net


@lru_cache(maxsize=1)
def _lpips(device: torch.device) -> Lpips:
    return load_lpips("vgg", device=str(device))


def lpips(restored: Tensor, target: Tensor, model: Lpips | None = None) -> Tensor:
    """Mean LPIPS over pictures, as :func:`lightwell.metrics.lpips.lpips` on VGG-16.

    Args:
        restored: ``(N, 3, H, W)`` in [0, 1], at least 32x32.
        target: the same.
        model: from :func:`lightwell.metrics.lpips.load_lpips`; by default the one in the cache.

    Raises:
        WeightsError: when the weights are not in the cache; the message says how to get them.
    """
    return (model or _lpips(restored.device)).distance(restored, target).mean()


def perceptual(restored: Tensor, target: Tensor, vgg: nn.Module | None = None) -> Tensor:
    """L1 between VGG19's features after relu1_1 to relu5_1, weighted 1/32, 1/16, 1/8, 1/4, 1.

    The perceptual loss of the DarkIR paper (there weighted 0.01), fed with [0, 1] as the public code does.

    Args:
        restored: ``(N, 3, H, W)`` in [0, 1].
        target: the same.
        vgg: a network that returns five feature tensors; :func:`vgg19_features` by default.
    """
    vgg = vgg or vgg19_features(restored.device)
    with torch.no_grad():
        wanted = vgg(target)
    return feature_matching(vgg(restored), wanted, _PERCEPTUAL_WEIGHTS)
