"""Light, then detail: two small networks of the DarkIR family in a row.

:class:`Light` sees the whole picture as a thumbnail and says what the thumbnail should look like, the *guide*.
``lightwell.restoring.light.light_up`` carries the guide's light to the picture at full size, and :class:`Detail` takes
noise and shake out of what is lit, piece by piece; it has no say about light.

Differences from the paper (DarkIR, ``lightwell.models.darkir``)
----------------------------------------------------------------
- Two networks instead of one. The first looks at the picture at an exposure of its own (:func:`normalise`), so that the
  same scene looks alike at any exposure, and may keep parts of the picture as they are (the *keep* plane).
- Sides that are no multiple of 8 are padded by their edge; the paper's network pads with black.
- The detail network leaves the spectrum out (``local``): of what it did there a gated feed-forward copies 94 % of the
  variance and more. Its attention looks at the means of windows instead of the whole (``window``).
- Light above white is bent below 2 (:func:`bent`).
- No side output. The light network's blocks have one branch, undilated.
- The last convolutions start at zero, and the four phases that an enlargement deals out start equal, so that the fresh
  network is the identity on what it is given and draws no grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightwell.data.degrade import to_linear, to_srgb
from lightwell.models.darkir import DarkIRConfig, DarkIRTrunk
from lightwell.models.registry import register_model, register_network

__all__ = ["Detail", "DetailConfig", "Light", "bent", "mean_level", "normalise"]

_MEAN_LEVEL = 0.42
_DARKEST = 0.002
_GAMMA = 2.2
_KEEP_AT_FIRST = -4.0


def mean_level(picture: Tensor) -> Tensor:
    """A picture's mean level under a pure power of light, whose mean changes with the exposure by a factor alone.

    Args:
        picture: ``(N, C, H, W)`` in [0, 1], sRGB-encoded.

    Returns:
        ``(N, 1, 1, 1)`` in (0, 1].
    """
    # The power's slope at zero is infinite.
    return to_linear(picture.clamp(0, 1)).clamp_min(1e-6).pow(1 / _GAMMA).mean((1, 2, 3), keepdim=True)


def normalise(thumbnail: Tensor, level: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A picture at the exposure at which its mean level is about 0.42, lights softly bent, and how far it was moved.

    The gain is one of light, not of encoded levels: sRGB's curve is straight near black, where dark pictures lie, and a
    gain of levels shows the same scene with another contrast at every exposure.

    Args:
        thumbnail: ``(N, C, H, W)`` in [0, 1], sRGB-encoded.
        level: ``(N, 1, 1, 1)``, the :func:`mean_level` that is moved to 0.42: that of the whole picture where this is a
            part of one; by default its own.

    Returns:
        The picture ``(N, C, H, W)`` in [0, 2), sRGB-encoded, and ``(N, 1, H, W)``: an eighth of the exposure's change
        in stops.
    """
    gain = (_MEAN_LEVEL / ((mean_level(thumbnail) if level is None else level) + _DARKEST)).pow(_GAMMA)
    scaled = to_srgb(to_linear(thumbnail.clamp(0, 1)) * gain)
    return bent(scaled), (torch.log2(gain) / 8).expand(-1, 1, *thumbnail.shape[-2:])


def bent(lit: Tensor) -> Tensor:
    """Values above white brought below 2, the higher the more; all others as they are.

    Lamps and windows are lit to many times white, of which a network would take away what is too much, and one part in
    256 of that, what bfloat16 rounds to, is some levels.
    """
    return torch.minimum(lit, 2 - 1 / lit.clamp_min(1))


@register_network(DarkIRConfig)
class Light(DarkIRTrunk):
    """What a picture should look like, at the size of a thumbnail.

    The last plane that comes out is a logit: how far every part is to be kept as it is.

    Args:
        config: the structure.

    Shape:
        ``(N, C, H, W)`` in [0, 1], any height and width, to the same, not clamped.
    """

    strategy = "light-then-detail"

    def __init__(self, config: DarkIRConfig | None = None) -> None:
        config = config or DarkIRConfig(width=16, dilations=(1,))
        super().__init__(config, config.img_channels + 1, config.img_channels + 1)
        _start_even(self)
        with torch.no_grad():
            assert self.ending.bias is not None
            self.ending.bias[-1] = _KEEP_AT_FIRST

    @property
    def channels(self) -> int:
        return self.config.img_channels

    def forward(self, thumbnail: Tensor) -> Tensor:
        normalised, stops = normalise(thumbnail)
        height, width = thumbnail.shape[-2:]
        change, _ = self.change(_padded(torch.cat((normalised, stops), 1), self.config.multiple))
        change = change[..., :height, :width]
        keep = change[:, -1:].sigmoid()
        lit = normalised + change[:, :-1]
        return lit + keep * (thumbnail - lit)


@dataclass(frozen=True)
class DetailConfig(DarkIRConfig):
    """The structure of a :class:`Detail`.

    Args:
        patch: side of the squares of pixels that the first level takes for one.
        local: whether encoder blocks leave the spectrum out (:class:`~lightwell.models.darkir.LocalBlock`).
        window: side in pixels of the windows whose means the attention looks at; 0 for the whole. With the whole, what
            is noise and what is texture is decided once for all of a tile, and neighbouring tiles may differ.
    """

    patch: int = 1
    local: bool = False
    window: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patch < 1:
            raise ValueError(f"patch must be positive: {self.patch}")
        if self.window and self.window < (least := self.patch * self.multiple):
            raise ValueError(f"window is 0 or at least {least}: {self.window}")


@register_network(DetailConfig)
class Detail(DarkIRTrunk):
    """A lit picture without its noise and shake.

    Args:
        config: the structure.

    Shape:
        ``(N, C + 1, H, W)``, a picture in [0, 1] with its light right, lamps above that, and by how much it was lit: a
        quarter of the gain in stops. Gives ``(N, C, H, W)``, not clamped.
    """

    strategy = "light-then-detail"

    def __init__(self, config: DetailConfig | None = None) -> None:
        config = config or DetailConfig(width=16)
        super().__init__(
            config,
            config.img_channels + 1,
            patch=config.patch,
            local=config.local,
            window=config.window,
        )
        _start_even(self)

    def forward(self, lit: Tensor) -> Tensor:
        height, width = lit.shape[-2:]
        pixels = bent(lit[:, :-1])
        change, _ = self.change(_padded(torch.cat((pixels, lit[:, -1:]), 1), self.multiple))
        return pixels + change[..., :height, :width]


@register_model
def light_s() -> Light:
    """Width 16, 0.85 M parameters: the light of ``lightwell-s``."""
    return Light()


@register_model
def detail_s() -> Detail:
    """Width 32 on squares of 2x2 pixels, 0.82 M parameters: the detail of ``lightwell-s``."""
    return Detail(DetailConfig(width=32, enc_blk_nums=(2, 3), dec_blk_nums=(3, 1), patch=2, local=True, window=192))


def _padded(x: Tensor, multiple: int) -> Tensor:
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def _start_even(net: DarkIRTrunk) -> None:
    nn.init.zeros_(net.ending.weight)
    assert net.ending.bias is not None
    nn.init.zeros_(net.ending.bias)
    for up in net.ups:
        kernel: Tensor = up[0].weight  # type: ignore[index]
        with torch.no_grad():
            kernel.copy_(kernel[::4].repeat_interleave(4, 0))
