"""DRGN and LW-DRGN: what the dark did to a picture is estimated and taken off, then the rest is refined.

Jiang, Wang, Wang, Chen, Yi, Lu, Lin: "Degrade is Upgrade: Learning Degradation for Low-light Image Enhancement", AAAI
2022.

A first generator estimates the degradation ``I_D`` of a dark picture ``I_L``, a second one makes the good picture from
``I_B = I_L - I_D`` (eq. 4 and 8). The degradation of one picture, added to a good photograph of another scene, gives
new pairs to train on (section 2.3), see :func:`transfer`.

Differences from the paper
--------------------------
No code was published, and the paper leaves much open. What it does not say, and what is done here:

- Widths. 64 channels and an attention that is reduced 16 times are RCAN's, whose blocks the paper takes. "[2, 3, 4]"
  is read as groups per level and "[3, 3, 3]" as blocks per group: 6, 9 and 12 blocks. Both generators then have 4.773 M
  parameters, the number of Table 2. One generator costs 107.6 G multiply-accumulates at 384x384 where Table 2 says
  110.59 G, and both 215.2 G: under this reading its cost counts one generator and its parameters two.
- Connecting layers. Levels are joined by 3x3 convolutions of stride 2, a 5x5 one of stride 4 and 4x4 transposed ones of
  stride 2; the pyramid is blurred by the binomial of five taps. There is no skip around a group of blocks: the 1x1
  convolution on output and input (eq. 12) is there in its place.
- LW-DRGN is described in one sentence: a single branch, and attention-guided dense fusion in place of the skips. Here
  the branch has 32 channels and works at half the resolution; every group of blocks gets all groups' outputs so far,
  weighed by channel attention and fused by a 1x1 convolution. Both generators have 0.668 M parameters (paper: 0.660 M)
  and cost 18.1 G multiply-accumulates at 384x384 (paper: 18.15 G).
- ``psi``, the combination of a degradation and a picture, is addition; I_D is then negative where the dark took light.
  Sums beyond [0, 1] are clipped where they are pictures, with a gradient as if they were not: most of a dark picture
  lies at the clip.
- ``p`` in the KL term of eq. 6 is a smooth histogram of every channel, see :func:`lightwell.losses.histogram`. The
  direction is the printed one; gradients reach both sides, since one generator makes both.
- Discriminators are those of SRGAN, which the paper cites for its adversarial loss, without batch normalisation, which
  would mix the pictures of a batch, and with a mean over the picture at their end, so that they take any size. The
  generator minimises the non-saturating -log D(fake); eq. 5 and 6 print the discriminators' objective.
- No term of the first stage knows the good picture, and any constant I_D satisfies the KL term. The loss ``base``,
  Charbonnier between I_B and the good picture, is an addition against that: none in the recipe `drgn`, used by
  `drgn-lw`.
- In the second stage the degradation generator is frozen ("then optimize").
- Kernels are drawn so that variation neither grows nor fades on the way, and biases begin at zero. Torch's defaults
  nearly lose a dark picture's contrast: after 130 steps of LW-DRGN on ``base``, at 48x72 pixels, I_B was 0.16 off on
  average with them and 0.12 with these.
- Pictures whose sides do not fit the levels are padded by repeating their edge, and the result is cropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightwell.models.registry import register_model, register_network

__all__ = ["DRGN", "LWDRGN", "Critics", "DRGNConfig", "LWDRGNConfig", "transfer"]


@dataclass(frozen=True)
class DRGNConfig:
    """The structure of a :class:`DRGN`.

    Args:
        width: channels.
        blocks: residual blocks per level, from full resolution down; a single level is the paper's "w/o MSR".
        reduction: how many times narrower the blocks' attention is than the blocks.
        degradation: False refines the dark picture itself, the paper's "w/o DL-DA".
    """

    width: int = 64
    blocks: tuple[int, ...] = (6, 9, 12)
    reduction: int = 16
    degradation: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))  # JSON knows no tuples
        _require_positive(self.width, self.reduction, len(self.blocks), *self.blocks)


@dataclass(frozen=True)
class LWDRGNConfig:
    """The structure of an :class:`LWDRGN`.

    Args:
        width: channels.
        groups: groups of residual blocks.
        blocks: residual blocks per group.
        reduction: how many times narrower the blocks' attention is than the blocks.
    """

    width: int = 32
    groups: int = 5
    blocks: int = 2
    reduction: int = 16

    def __post_init__(self) -> None:
        _require_positive(self.width, self.groups, self.blocks, self.reduction)


def _require_positive(*numbers: int) -> None:
    if min(numbers) < 1:
        raise ValueError(f"widths and counts must be positive: {', '.join(map(str, numbers))}")


class Attention(nn.Module):
    """Weighs channels by what their means say (RCAN, ECCV 2018).

    Shape:
        ``(N, C, H, W)`` to the same.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        return x * weights


class Block(nn.Module):
    """Two convolutions and channel attention, added to their input ("RCAB").

    Shape:
        ``(N, C, H, W)`` to the same.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.attention = Attention(channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.attention(self.second(F.relu(self.first(x))))
        return out


class Generator(nn.Module):
    """Makes a picture, or a degradation, from a picture.

    Args:
        multiple: what the sides of a picture are padded to a multiple of.

    Shape:
        ``(N, 3, H, W)``, any height and width, to the same.
    """

    def __init__(self, multiple: int) -> None:
        super().__init__()
        self.multiple = multiple

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple), mode="replicate")
        return self._made(padded)[..., :height, :width]

    def _made(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    @torch.no_grad()
    def _draw(self, last: nn.Conv2d) -> None:
        """Draws kernels that hand on as much variation as they get (He et al., ICCV 2015); biases begin at zero."""
        for module in self.modules():
            match module:
                case nn.Conv2d():
                    seen = module.weight[0].numel()
                case nn.ConvTranspose2d():
                    seen = module.weight[:, 0].numel() // math.prod(module.stride)
                case _:
                    continue
            nn.init.normal_(module.weight, std=seen**-0.5)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for module in self.modules():
            match module:
                case Block():  # half of it is lost in the ReLU
                    module.first.weight.mul_(math.sqrt(2))
                case Attention():
                    module.squeeze.weight.mul_(math.sqrt(2))
                case DenseFusion():  # attention's weights begin around a half
                    module.fuse.weight.mul_(2)
        last.weight.mul_(0.3)


class FusionGenerator(Generator):
    """The multi-resolution fusion network (section 2.4, eq. 10 to 13).

    Args:
        config: the structure.
    """

    taps: Tensor

    def __init__(self, config: DRGNConfig) -> None:
        levels, width = len(config.blocks), config.width
        super().__init__(2 ** (levels - 1))

        def down(factor: int) -> nn.Module:
            return nn.Conv2d(width, width, factor + 1, stride=factor, padding=factor // 2)

        self.initial = nn.ModuleList(nn.Conv2d(3, width, 3, padding=1) for _ in range(levels))
        self.down = nn.ModuleList(
            nn.ModuleList(down(2 ** (level - above)) for above in range(level)) for level in range(levels)
        )
        self.gather = nn.ModuleList(nn.Conv2d((level + 1) * width, width, 1) for level in range(1, levels))
        self.body = nn.ModuleList(
            nn.Sequential(*(Block(width, config.reduction) for _ in range(count))) for count in config.blocks
        )
        self.long_term = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for _ in range(levels))
        self.up = nn.ModuleList(nn.ConvTranspose2d(width, width, 4, stride=2, padding=1) for _ in range(levels - 1))
        self.fuse = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for _ in range(levels - 1))
        self.reconstruct = nn.Conv2d(width, 3, 3, padding=1)
        self._draw(self.reconstruct)
        taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        self.register_buffer("taps", torch.outer(taps, taps).expand(3, 1, 5, 5).clone(), persistent=False)

    def _made(self, x: Tensor) -> Tensor:
        initial, long = [], []
        for level, first in enumerate(self.initial):
            if level:
                x = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), self.taps, stride=2, groups=3)
            initial.append(first(x))
            features = initial[level]
            if level:
                down: nn.ModuleList = self.down[level]  # type: ignore[assignment]
                above = [down[i](initial[i]) for i in range(level)]
                features = self.gather[level - 1](torch.cat([features, *above], 1))
            long.append(self.long_term[level](torch.cat([self.body[level](features), features], 1)))
        fused = long.pop()
        while long:
            level = len(long) - 1
            fused = self.fuse[level](torch.cat([long.pop(), self.up[level](fused)], 1))
        made: Tensor = self.reconstruct(fused)
        return made


class DenseFusion(nn.Module):
    """Fuses features of several origins, after attention has weighed them all together.

    Shape:
        Tensors ``(N, C, H, W)``, ``inputs * C`` channels together, to ``(N, C, H, W)``.
    """

    def __init__(self, channels: int, inputs: int) -> None:
        super().__init__()
        self.attention = Attention(inputs * channels, 2)
        self.fuse = nn.Conv2d(inputs * channels, channels, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        fused: Tensor = self.fuse(self.attention(torch.cat(list(features), 1)))
        return fused


class LightGenerator(Generator):
    """A single branch at half the resolution, whose groups are fused densely.

    Args:
        config: the structure.
    """

    def __init__(self, config: LWDRGNConfig) -> None:
        super().__init__(2)
        width = config.width
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.groups = nn.ModuleList(
            nn.Sequential(*(Block(width, config.reduction) for _ in range(config.blocks))) for _ in range(config.groups)
        )
        self.fusions = nn.ModuleList(DenseFusion(width, group + 2) for group in range(config.groups))
        self.up = nn.ConvTranspose2d(width, width, 4, stride=2, padding=1)
        self.skip = DenseFusion(width, 2)
        self.reconstruct = nn.Conv2d(width, 3, 3, padding=1)
        self._draw(self.reconstruct)

    def _made(self, x: Tensor) -> Tensor:
        head = self.head(x)
        features = self.down(head)
        known = [features]
        for group, fusion in zip(self.groups, self.fusions, strict=True):
            known.append(group(features))
            features = fusion(known)
        made: Tensor = self.reconstruct(self.skip([self.up(features), head]))
        return made


class TwoSteps(nn.Module):
    """Takes the degradation off, then refines; without ``degrade`` it only refines.

    Shape:
        ``(N, 3, H, W)`` in [0, 1], any height and width, to the same, not clamped.
    """

    def __init__(self, degrade: Generator | None, refine: Generator) -> None:
        super().__init__()
        self.degrade = degrade
        self.refine = refine

    @property
    def multiple(self) -> int:
        """Heights and widths are padded to a multiple of this."""
        return self.refine.multiple

    def forward(self, x: Tensor) -> Tensor:
        if self.degrade is not None:
            x = x - self.degrade(x)
        restored: Tensor = self.refine(x)
        return restored


@register_network(DRGNConfig)
class DRGN(TwoSteps):
    """The DRGN network: two multi-resolution fusion networks.

    Args:
        config: the structure.
    """

    def __init__(self, config: DRGNConfig | None = None) -> None:
        config = config or DRGNConfig()
        super().__init__(FusionGenerator(config) if config.degradation else None, FusionGenerator(config))
        self.config = config


@register_network(LWDRGNConfig)
class LWDRGN(TwoSteps):
    """The LW-DRGN network: two light generators.

    Args:
        config: the structure.
    """

    def __init__(self, config: LWDRGNConfig | None = None) -> None:
        config = config or LWDRGNConfig()
        super().__init__(LightGenerator(config), LightGenerator(config))
        self.config = config


def transfer(degradation: Tensor, reference: Tensor) -> Tensor:
    """A good photograph under another picture's degradation (section 2.3).

    As far as the degradation depends on its own picture, whose bright parts lost most, that picture shows through.

    Args:
        degradation: ``(N, 3, H, W)``, what ``degrade`` made of dark pictures.
        reference: ``(N, 3, H, W)`` in [0, 1], good photographs of other scenes.

    Returns:
        ``(N, 3, H, W)`` in [0, 1]; its gradient is the sum's, also where it is clipped.
    """
    dark = reference + degradation
    return dark + (dark.clamp(0, 1) - dark).detach()


class Critic(nn.Module):
    """Tells made from real by its mean over the picture (after SRGAN, CVPR 2017).

    Shape:
        ``(N, 3, H, W)`` to ``(N, 1)`` logits, large for real.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in (width, 2 * width, 4 * width):
            for stride in (1, 2):
                layers += [nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.LeakyReLU(0.2)]
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.verdict = nn.Linear(inputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        verdict: Tensor = self.verdict(self.features(x).mean((2, 3)))
        return verdict


class Critics(nn.Module):
    """The two discriminators of the first stage, of dark pictures and of degradations.

    Args:
        width: channels of the first convolution; the last has four times as many.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.low = Critic(width)
        self.degradation = Critic(width)


@register_model
def drgn() -> DRGN:
    """4.77 M parameters, 215 G multiply-accumulates at 384x384: the paper's DRGN."""
    return DRGN()


@register_model
def drgn_lw() -> LWDRGN:
    """0.67 M parameters, 18 G multiply-accumulates at 384x384: the paper's LW-DRGN."""
    return LWDRGN()


@register_model
def drgn_one_step() -> DRGN:
    """4.41 M parameters: the paper's ablation "w/o DL-DA", one refinement generator of about the size of both."""
    return DRGN(DRGNConfig(blocks=(12, 18, 24), degradation=False))


@register_model
def drgn_one_scale() -> DRGN:
    """The paper's ablation "w/o MSR", generators that work at full resolution only, at about the same cost."""
    return DRGN(DRGNConfig(blocks=(9,)))
