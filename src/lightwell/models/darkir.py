"""DarkIR: low light, noise and blur undone in one small network.

Feijoo, Benito, Garcia, Conde: "DarkIR: Robust Low-Light Image Restoration", CVPR 2025, arXiv 2412.13443.

An encoder of :class:`EncoderBlock` (spatial attention, then an MLP on the magnitude of the spectrum) finds the light; a
decoder of :class:`DecoderBlock` (spatial attention with dilated branches, then a gated feed-forward) finds the detail.
Parameter names are those of the public checkpoints, so their files load without a table of names.

Differences from the paper
--------------------------
- The spectrum's phase is kept by scaling real and imaginary part with ``mlp(|F|) / |F|`` instead of going through
  angle, cosine and sine: the same values, real arithmetic, and finite gradients where ``|F|`` vanishes.
- ``forward`` returns the restored picture alone unless ``side=True`` asks for the pair ``(restored, side)``.
- ``encoder_dilations`` gives the encoder's blocks dilated branches too; published networks use one branch, ``(1,)``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightwell.models.layers import (
    DepthwiseConv2d,
    LayerNorm2d,
    PairConv2d,
    SimpleGate,
    Windows,
    conv_part,
    exporting,
    safe_magnitude,
    scaled_conv,
)
from lightwell.models.registry import register_model, register_network
from lightwell.models.spectrum import Transform

__all__ = ["DarkIR", "DarkIRConfig", "DarkIRTrunk", "DecoderBlock", "EncoderBlock", "FreMLP"]

# Added to the real parts of an exported graph's spectrum: a bin that is exactly zero has phase 0, and no other changes.
_NULL_BIN = 1e-15
_BETA, _GAMMA = 0.1, 0.02  # the gates' values that training begins with


@dataclass(frozen=True)
class DarkIRConfig:
    """The structure of a :class:`DarkIR`; the defaults are DarkIR-m.

    Args:
        img_channels: channels of the picture.
        width: channels of the first level; every level below has twice as many.
        enc_blk_nums: encoder blocks per level, from the picture down.
        dec_blk_nums: decoder blocks per level, from the deepest up; as many levels as the encoder.
        middle_blk_num_enc: encoder blocks at the bottom.
        middle_blk_num_dec: decoder blocks at the bottom.
        dilations: dilations of the decoder blocks' branches.
        encoder_dilations: the same for the encoder blocks.
        extra_depth_wise: an extra 3x3 convolution in every block.
    """

    img_channels: int = 3
    width: int = 32
    enc_blk_nums: tuple[int, ...] = (1, 2, 3)
    dec_blk_nums: tuple[int, ...] = (3, 1, 1)
    middle_blk_num_enc: int = 2
    middle_blk_num_dec: int = 2
    dilations: tuple[int, ...] = (1, 4, 9)
    encoder_dilations: tuple[int, ...] = (1,)
    extra_depth_wise: bool = True

    def __post_init__(self) -> None:
        for name in ("enc_blk_nums", "dec_blk_nums", "dilations", "encoder_dilations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.enc_blk_nums) != len(self.dec_blk_nums):
            raise ValueError(
                "enc_blk_nums and dec_blk_nums need one entry per level each: "
                f"{list(self.enc_blk_nums)} and {list(self.dec_blk_nums)}"
            )
        if self.width < 1 or self.img_channels < 1:
            raise ValueError(f"width and img_channels must be positive: {self.width} and {self.img_channels}")
        if not self.dilations or not self.encoder_dilations or min(self.dilations + self.encoder_dilations) < 1:
            raise ValueError("dilations and encoder_dilations need at least one positive entry each")

    @property
    def multiple(self) -> int:
        """Heights and widths are padded to a multiple of this."""
        return int(2 ** len(self.enc_blk_nums))


class FreMLP(nn.Module):
    """An MLP on the magnitude of the spectrum; the phase stays (paper, "Frequency Domain MLP").

    Runs in float32 whatever the surrounding precision: the un-normalised spectrum overflows float16.

    Args:
        channels: channels of the input.
        expand: the MLP's hidden channels per channel.

    Shape:
        ``(N, C, H, W)`` to the same.
    """

    def __init__(self, channels: int, expand: int = 2) -> None:
        super().__init__()
        self.process1 = nn.Sequential(
            nn.Conv2d(channels, expand * channels, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(expand * channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            wide = x if x.dtype == torch.float64 else x.float()
            spectrum = torch.fft.rfft2(wide)
            real, imag = spectrum.real, spectrum.imag
            magnitude, null = safe_magnitude(real, imag)
            mapped = self.process1(magnitude.masked_fill(null, 0.0))
            gain = mapped / magnitude
            # A bin that is exactly zero has phase 0, so its new magnitude is its new real part.
            new = torch.complex(torch.where(null, mapped, real * gain), imag * gain)
            out: Tensor = torch.fft.irfft2(new, s=x.shape[-2:])
        return out.to(x.dtype)

    def exported(self, x: Tensor, scale: Tensor, transform: Transform) -> Tensor:
        """``scale`` times :meth:`forward`, in operators that every runtime has."""
        first, bend, last = self.process1
        spectrum = transform.forward(x) + torch.tensor([[[_NULL_BIN]], [[0.0]]], dtype=x.dtype)
        magnitude = spectrum.square().sum(2).sqrt()
        mapped = scaled_conv(last, bend(first(magnitude.permute(0, 3, 1, 2))), scale)  # type: ignore[arg-type]
        gain = mapped.permute(0, 2, 3, 1) / magnitude
        return transform.inverse(spectrum * gain.unsqueeze(2))


class _SpatialAttention(nn.Module):
    """What both kinds of block share: the gated sum of depthwise branches, scaled by the picture's pooled statistics.

    Subclasses say where the extra convolution goes. The parameters live in the block itself because the public
    checkpoints name them so.
    """

    def __init__(self, channels: int, dilations: Sequence[int], extra: nn.Module | None) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.extra_conv = extra if extra is not None else nn.Identity()
        self.conv1 = nn.Conv2d(channels, 2 * channels, 1)
        self.branches = nn.ModuleList(_depthwise_branch(2 * channels, dilation) for dilation in dilations)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.norm1 = LayerNorm2d(channels)
        self.norm2 = LayerNorm2d(channels)
        self.gate = SimpleGate()

    def expand(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def expand_part(self, x: Tensor, part: slice) -> Tensor:
        """The channels ``part`` of :meth:`expand`."""
        raise NotImplementedError

    def attend(self, x: Tensor, windows: Windows | None = None) -> Tensor:
        """The features with attention, whose means are the whole picture's or those of windows."""
        if exporting():
            return self._attend_exported(x, windows)
        expanded = self.expand(self.norm1(x))
        total = self.branches[0](expanded)
        for branch in self.branches[1:]:
            total = total + branch(expanded)
        gated = self.gate(total)
        attended: Tensor = x + self.beta * self.conv3(gated * self._scale(gated, windows))
        return attended

    def _scale(self, gated: Tensor, windows: Windows | None) -> Tensor:
        scale: Tensor = self.sca(gated) if windows is None else windows.carried(self.sca[1](windows.means(gated)))
        return scale

    def _attend_exported(self, x: Tensor, windows: Windows | None) -> Tensor:
        """The same with the gate's halves computed apart, which spares a graph from cutting its features in two."""
        normed, channels = self.norm1(x), self.conv3.in_channels
        halves = []
        for part in (slice(0, channels), slice(channels, 2 * channels)):
            expanded = self.expand_part(normed, part)
            branches = [conv_part(branch.branch[0], expanded, part) for branch in self.branches]  # type: ignore[index, arg-type]
            halves.append(sum(branches[1:], branches[0]))
        gated = halves[0] * halves[1]
        return x + scaled_conv(self.conv3, gated * self._scale(gated, windows), self.beta)


class _EncoderAttention(_SpatialAttention):
    """The spatial attention of an encoder, whose extra convolution comes first."""

    def __init__(self, channels: int, dilations: Sequence[int], extra_depth_wise: bool) -> None:
        super().__init__(channels, dilations, DepthwiseConv2d(channels) if extra_depth_wise else None)

    def expand(self, x: Tensor) -> Tensor:
        expanded: Tensor = self.conv1(self.extra_conv(x))
        return expanded

    def expand_part(self, x: Tensor, part: slice) -> Tensor:
        return conv_part(self.conv1, self.extra_conv(x), part)


class EncoderBlock(_EncoderAttention):
    """Spatial attention, then a product with the :class:`FreMLP` of the normalised features ("EBlock").

    Shape:
        ``(N, C, H, W)`` to the same.
    """

    def __init__(
        self,
        channels: int,
        dilations: Sequence[int] = (1,),
        extra_depth_wise: bool = False,
    ) -> None:
        super().__init__(channels, dilations, extra_depth_wise)
        self.freq = FreMLP(channels)

    def forward(self, x: Tensor, windows: Windows | None = None, transform: Transform | None = None) -> Tensor:
        """Restores features.

        Args:
            x: the features.
            windows: whose means the attention looks at; by default the whole's.
            transform: for a graph, one that the blocks of a level share; by default one of its own.
        """
        y = self.attend(x, windows)
        if exporting():
            return y + y * self.freq.exported(self.norm2(y), self.gamma, transform or Transform(y))
        out: Tensor = y + self.gamma * (y * self.freq(self.norm2(y)))
        return out


class LocalBlock(_EncoderAttention):
    """An encoder's block that leaves the spectrum out: spatial attention, then a gated feed-forward.

    Shape:
        ``(N, C, H, W)`` to the same.
    """

    def __init__(self, channels: int, dilations: Sequence[int] = (1,), extra_depth_wise: bool = False) -> None:
        super().__init__(channels, dilations, extra_depth_wise)
        self.conv4 = nn.Conv2d(channels, 2 * channels, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, windows: Windows | None = None) -> Tensor:
        return _feed_forward(self, self.attend(x, windows))


class DecoderBlock(_SpatialAttention):
    """Spatial attention with dilated branches, then a gated feed-forward ("DBlock").

    Shape:
        ``(N, C, H, W)`` to the same.
    """

    def __init__(self, channels: int, dilations: Sequence[int] = (1,), extra_depth_wise: bool = False) -> None:
        # Groups of two, not depthwise: the public network's own choice, and the checkpoints carry its shape.
        extra = PairConv2d(2 * channels) if extra_depth_wise else None
        super().__init__(channels, dilations, extra)
        self.conv4 = nn.Conv2d(channels, 2 * channels, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)

    def expand(self, x: Tensor) -> Tensor:
        expanded: Tensor = self.extra_conv(self.conv1(x))
        return expanded

    def expand_part(self, x: Tensor, part: slice) -> Tensor:
        if isinstance(self.extra_conv, PairConv2d):
            return self.extra_conv.part_after(self.conv1, x, part)
        return conv_part(self.conv1, x, part)

    def forward(self, x: Tensor, windows: Windows | None = None) -> Tensor:
        return _feed_forward(self, self.attend(x, windows))


def _feed_forward(block: LocalBlock | DecoderBlock, y: Tensor) -> Tensor:
    if exporting():
        normed, channels = block.norm2(y), block.conv5.in_channels
        first, second = (conv_part(block.conv4, normed, slice(k, k + channels)) for k in (0, channels))
        return y + scaled_conv(block.conv5, first * second, block.gamma)
    out: Tensor = y + block.gamma * block.conv5(block.gate(block.conv4(block.norm2(y))))
    return out


class DarkIRTrunk(nn.Module):
    """All of DarkIR but what goes in and what is done with what comes out, which its subclasses say.

    Args:
        config: the structure.
        in_planes: channels that go in; by default those of the picture.
        out_planes: channels that come out; by default those of the picture.
        patch: side of the squares of pixels that the first level takes for one; 1 as in the paper.
        local: a :class:`LocalBlock` for every :class:`EncoderBlock`.
        window: side in pixels of the windows whose means the attention looks at; 0 for the whole, as in the paper.
    """

    def __init__(
        self,
        config: DarkIRConfig,
        in_planes: int | None = None,
        out_planes: int | None = None,
        patch: int = 1,
        local: bool = False,
        window: int = 0,
    ) -> None:
        super().__init__()
        self.config, self.patch, self.window = config, patch, window
        levels = len(config.enc_blk_nums)
        widths = [config.width * 2**level for level in range(levels + 1)]

        def encoder(count: int, level: int) -> nn.Module:
            block = LocalBlock if local else EncoderBlock
            return _blocks(
                block(widths[level], config.encoder_dilations, config.extra_depth_wise) for _ in range(count)
            )

        def decoder(count: int, level: int) -> nn.Module:
            return _blocks(DecoderBlock(widths[level], config.dilations, config.extra_depth_wise) for _ in range(count))

        self.intro = nn.Conv2d(in_planes or config.img_channels, config.width, 3 * patch, stride=patch, padding=patch)
        self.ending = nn.Conv2d(config.width, (out_planes or config.img_channels) * patch**2, 3, padding=1)
        self.encoders = nn.ModuleList(encoder(count, level) for level, count in enumerate(config.enc_blk_nums))
        self.downs = nn.ModuleList(nn.Conv2d(c, 2 * c, 2, stride=2) for c in widths[:-1])
        self.middle_blks_enc = encoder(config.middle_blk_num_enc, levels)
        self.middle_blks_dec = decoder(config.middle_blk_num_dec, levels)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, 2 * c, 1, bias=False), nn.PixelShuffle(2)) for c in reversed(widths[1:])
        )
        self.decoders = nn.ModuleList(
            decoder(count, levels - 1 - step) for step, count in enumerate(config.dec_blk_nums)
        )

    @property
    def channels(self) -> int:
        """Channels that go in."""
        return self.intro.in_channels

    @property
    def multiple(self) -> int:
        """Heights and widths are padded to a multiple of this."""
        return self.config.multiple * self.patch

    def prepare_training(self) -> None:
        """Opens the gates a little: at zero, as a fresh network has them, nothing inside a block learns at first."""
        for module in self.modules():
            if isinstance(module, _SpatialAttention):
                nn.init.constant_(module.beta, _BETA)
                nn.init.constant_(module.gamma, _GAMMA)

    def change(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the last convolution gives, and the features at the bottom.

        Args:
            x: ``(N, in_planes, H, W)``, H and W multiples of :attr:`multiple`.

        Returns:
            ``(N, out_planes, H, W)`` and ``(N, width * config.multiple, H / multiple, W / multiple)``.
        """
        features = self.intro(x)
        skips = []
        for level, (blocks, down) in enumerate(zip(self.encoders, self.downs, strict=True)):
            features = self._through(blocks, features, level)
            skips.append(features)
            features = down(features)
        deepest = len(self.downs)
        bottom = self._through(self.middle_blks_enc, features, deepest)
        features = bottom + self._through(self.middle_blks_dec, bottom, deepest)
        for step, (blocks, up, skip) in enumerate(zip(self.decoders, self.ups, reversed(skips), strict=True)):
            features = self._through(blocks, up(features) + skip, deepest - 1 - step)
        change = self.ending(features)
        return (F.pixel_shuffle(change, self.patch) if self.patch > 1 else change), bottom

    def _through(self, blocks: nn.Module, features: Tensor, level: int) -> Tensor:
        """What some blocks of a level make of its features; they share what hangs on the size alone."""
        of_level: list[nn.Module] = list(blocks.modules_list)  # type: ignore[arg-type]
        window = self.window // (self.patch * 2**level)
        windowed = window and (exporting() or max(features.shape[-2:]) > window)
        shared: dict[str, Windows | Transform | None] = {"windows": Windows(features, window) if windowed else None}
        if exporting() and any(isinstance(block, EncoderBlock) for block in of_level):
            # What is left of the multiple divides every height at this level.
            shared["transform"] = Transform(features, 2 ** (len(self.downs) - level))
        for block in of_level:
            features = block(features, **shared)
        return features


@register_network(DarkIRConfig)
class DarkIR(DarkIRTrunk):
    """The DarkIR network.

    Args:
        config: the structure.

    Shape:
        ``(N, C, H, W)`` in [0, 1], any height and width, to the same, not clamped. With ``side=True`` the pair
        ``(restored, side)``; the side output is a guess at the picture at ``1 / config.multiple`` of the padded size,
        ``(N, C, ceil(H / multiple), ceil(W / multiple))``, used only by the guide loss ``L_lol``.
    """

    def __init__(self, config: DarkIRConfig | None = None) -> None:
        super().__init__(config or DarkIRConfig())
        self.side_out = nn.Conv2d(self.config.width * self.config.multiple, self.config.img_channels, 3, padding=1)

    def forward(self, x: Tensor, side: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        height, width = x.shape[-2:]
        multiple = self.config.multiple
        padded = F.pad(x, (0, -width % multiple, 0, -height % multiple))
        change, bottom = self.change(padded)
        restored = (change + padded)[..., :height, :width]
        return (restored, self.side_out(bottom)) if side else restored


@register_model
def darkir_s() -> DarkIR:
    """Width 16, 0.87 M parameters: phones, CPUs, previews."""
    return DarkIR(DarkIRConfig(width=16))


@register_model
def darkir_m() -> DarkIR:
    """Width 32, 3.31 M parameters: the paper's DarkIR-m."""
    return DarkIR(DarkIRConfig(width=32))


@register_model
def darkir_l() -> DarkIR:
    """Width 64, 12.94 M parameters: the paper's DarkIR-l."""
    return DarkIR(DarkIRConfig(width=64))


def _depthwise_branch(channels: int, dilation: int) -> nn.Module:
    return nn.Sequential(OrderedDict(branch=nn.Sequential(DepthwiseConv2d(channels, dilation))))


def _blocks(blocks: Iterable[nn.Module]) -> nn.Module:
    return nn.Sequential(OrderedDict(modules_list=nn.Sequential(*blocks)))
