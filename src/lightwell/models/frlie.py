"""FRLIE: the features of a dark picture are mapped to those of a bright one, between a frozen encoder and decoder.

Yang, Zhang, Guo: "Low-light Image Enhancement via Feature Restoration", ICASSP 2022.

Encoder and decoder learn to reproduce bright pictures (eq. 1) and are frozen; then the feature network learns to turn
features of dark pictures into those of bright ones (eq. 2 to 7). Parameter names are those of the public checkpoints.

Differences from the paper
--------------------------
- The decoder enlarges by bilinear interpolation and a convolution, as the public code and its weights do; the paper
  says pixel shuffle.
- Feature matching (eq. 4) aims at the features of the bright picture, as the paper says; the public code encodes the
  dark picture there.
- The hue loss is :func:`lightwell.losses.hue`: eq. 6 as printed is largest for equal hues. Its scale is the public
  code's, 1 / 360.
- Pictures whose sides are no multiple of 4 are padded by repeating their edge, and the result is cropped. The public
  code pads with black, which darkens the border.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightwell.models.registry import register_model, register_network

__all__ = ["FRLIE", "FRLIEConfig"]

_STRIDE = 4


@dataclass(frozen=True)
class FRLIEConfig:
    """The structure of a :class:`FRLIE`.

    Args:
        width: channels of the first convolution; features have four times as many.
        blocks: blocks of the feature network.
    """

    width: int = 32
    blocks: int = 4

    def __post_init__(self) -> None:
        if self.width < 1 or self.blocks < 1:
            raise ValueError(f"width and blocks must be positive: {self.width} and {self.blocks}")


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride)
    nn.init.kaiming_normal_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return [nn.ReflectionPad2d(kernel // 2), conv]


def _normed(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    norm = nn.BatchNorm2d(outputs)
    nn.init.normal_(norm.weight, 1.0, 0.02)
    return [*_conv(inputs, outputs, stride=stride), norm, nn.ReLU()]


class Encoder(nn.Module):
    """Features of a picture.

    Shape:
        ``(N, 3, H, W)`` to ``(N, 4 * width, ceil(H / 4), ceil(W / 4))``, not negative.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(*_conv(3, width, 5))
        self.conv2 = nn.Sequential(*_normed(width, 2 * width, stride=2))
        self.conv3 = nn.Sequential(*_normed(2 * width, 2 * width))
        self.conv4 = nn.Sequential(*_normed(2 * width, 4 * width, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.conv4(self.conv3(self.conv2(self.conv1(x))))
        return features


class Decoder(nn.Module):
    """A picture from features.

    Shape:
        ``(N, 4 * width, H, W)`` to ``(N, 3, 4 * H, 4 * W)`` in (0, 1).
    """

    def __init__(self, width: int) -> None:
        super().__init__()

        def twice() -> nn.Module:
            return nn.UpsamplingBilinear2d(scale_factor=2)  # corners stay corners

        self.up1 = nn.Sequential(twice(), *_normed(4 * width, 2 * width))
        self.conv1 = nn.Sequential(*_normed(2 * width, 2 * width))
        self.up2 = nn.Sequential(twice(), *_normed(2 * width, width))
        self.conv2 = nn.Sequential(*_conv(width, 3))

    def forward(self, features: Tensor) -> Tensor:
        picture: Tensor = self.conv2(self.up2(self.conv1(self.up1(features))))
        return (torch.tanh(picture) + 1) / 2


class Context(nn.Module):
    """Four dilated convolutions side by side, fused and added to their input.

    Shape:
        ``(N, C, H, W)`` to the same; C a multiple of 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        quarter = channels // 4
        self.conv0 = nn.Conv2d(channels, quarter, 1)
        self.conv1, self.conv2, self.conv3, self.conv4 = (
            nn.Conv2d(quarter, quarter, 3, padding=dilation, dilation=dilation) for dilation in (1, 2, 3, 4)
        )
        self.fusion = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.conv0(x)
        branches = [F.leaky_relu(conv(narrow), 0.2) for conv in (self.conv1, self.conv2, self.conv3, self.conv4)]
        fused: Tensor = self.fusion(torch.cat(branches, 1))
        return fused + x


class Residual(nn.Module):
    """Two convolutions, added to their input.

    Shape:
        ``(N, C, H, W)`` to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.res = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.res(x)
        return out


class FeatureNet(nn.Module):
    """Features of a bright picture from those of a dark one ("FRNet", eq. 2).

    Shape:
        ``(N, C, H, W)`` to the same; C a multiple of 4.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.main_blocks = nn.ModuleList(
            nn.Sequential(Context(channels), Residual(channels), Residual(channels)) for _ in range(blocks)
        )

    def forward(self, features: Tensor) -> Tensor:
        restored = features
        for block in self.main_blocks:
            restored = block(restored)
        return features + restored


@register_network(FRLIEConfig)
class FRLIE(nn.Module):
    """The FRLIE network.

    Args:
        config: the structure.

    Shape:
        ``(N, 3, H, W)`` in [0, 1], any height and width, to the same, in (0, 1).

    Attributes:
        multiple: heights and widths are padded to a multiple of this.
    """

    multiple = _STRIDE

    def __init__(self, config: FRLIEConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or FRLIEConfig()
        self.encoder = Encoder(config.width)
        self.decoder = Decoder(config.width)
        self.feature_processor = FeatureNet(4 * config.width, config.blocks)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, -width % _STRIDE, 0, -height % _STRIDE), mode="replicate")
        picture: Tensor = self.decoder(self.feature_processor(self.encoder(padded)))
        return picture[..., :height, :width]


@register_model
def frlie() -> FRLIE:
    """Width 32, 2.85 M parameters: features restored between a frozen encoder and decoder."""
    return FRLIE()
