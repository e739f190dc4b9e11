"""Dark, noisy, shaken versions of good photographs.

The model of a camera in the dark, on batches and in this order: sRGB to linear light, clipped lights at their true
strength, blur by motion and by lack of focus, exposure, uneven light and its colour, a veil of stray light, shot and
read noise, the sensor's clipping, an error of the white balance, back to sRGB, 8 bits, JPEG.

What is drawn is drawn on the CPU and noise from a seed of its own for every picture, so a seed gives the same picture
on every machine, alone or in a batch. Noise on a GPU is another than on a CPU, and the same on every GPU.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

__all__ = ["Degradation", "Shots", "by_lamps", "degrade", "expose", "harden", "to_linear", "to_srgb"]

_PATH_STEPS = 64
_FLAT = 0.01
_LIT_QUANTILE = 0.75
_DEEPEST = 2e-3
_BAND = 8.0  # pixels, standard deviation of the window along a band


def to_linear(x: Tensor) -> Tensor:
    """sRGB-encoded values in [0, 1] to linear light (IEC 61966-2-1)."""
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def to_srgb(x: Tensor) -> Tensor:
    """Linear light in [0, 1] to sRGB-encoded values (IEC 61966-2-1)."""
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


@dataclass(frozen=True)
class Shots:
    """The circumstances of N shots in the dark, as :meth:`Degradation.sample` draws them; all on the CPU.

    Args:
        ev: ``(N,)`` exposure in stops.
        shade: ``(N, 5, 7)`` stops by which parts of the scene lie in shade, none above zero.
        cast: ``(N, 3)`` gain of the light's colour, in stops a channel.
        warmth: ``(N,)`` white-balance error: stops between red and blue.
        lights: ``(N,)`` true light of white, clipped pixels, as a multiple of white.
        path: ``(N, 2, 64)`` way of the camera down and across, as a fraction of the picture's longer side.
        defocus: ``(N,)`` radius of the disc of confusion, as the same fraction.
        shot: ``(N,)`` variance of the shot noise per unit of linear light.
        read: ``(N,)`` standard deviation of the read noise in linear light.
        quality: ``(N,)`` JPEG quality, 0 for none.
        seed: ``(N,)`` seed of the noise.
        hard: ``(N,)`` hardness of the light: what lies in shadow is darkened by this power of its smoothed luminance.
        grain: ``(N,)`` standard deviation in pixels of the window over the noise, 0 for noise that no pixel shares.
        gray: ``(N,)`` share of the coarse noise's variance that is the same in all channels.
        blotches: ``(N,)`` how many times as wide the window is over the rest of it.
        bands: ``(N,)`` share of what is the same in all channels that runs along rows; below zero, along columns.
        veil: ``(N, 3)`` linear light that is added everywhere.
    """

    ev: Tensor
    shade: Tensor
    cast: Tensor
    warmth: Tensor
    lights: Tensor
    path: Tensor
    defocus: Tensor
    shot: Tensor
    read: Tensor
    quality: Tensor
    seed: Tensor
    hard: Tensor
    grain: Tensor
    gray: Tensor
    blotches: Tensor
    bands: Tensor
    veil: Tensor

    def take(self, index: Tensor) -> Shots:
        """Some of the shots."""
        return Shots(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


@dataclass(frozen=True)
class Degradation:
    """Ranges that the degradation's parameters are drawn from, one draw per picture.

    Args:
        ev: exposure in stops, uniform.
        shade: how many stops below the rest parts of a scene may lie, as against the light or beside a lamp.
        shade_chance: share of pictures whose light is uneven.
        shot: variance of the shot noise per unit of linear light, log-uniform.
        read: standard deviation of the read noise in linear light, log-uniform.
        cast: largest change of a channel's gain, in stops.
        warmth: largest white-balance error, in stops between red and blue; unlike a cast it is applied to the noisy
            picture.
        lights: how much brighter than white a white, clipped pixel really is, log-uniform; what makes lights streak.
        blur: longest path of a shaken camera, as a fraction of the picture's longer side.
        blur_chance: share of pictures that are shaken.
        straight: share of shaken pictures whose path is a straight line; the others' wander.
        defocus: largest radius of the disc of confusion, as a fraction of the picture's longer side.
        defocus_chance: share of pictures out of focus.
        quality: JPEG quality, uniform.
        jpeg_chance: share of pictures that went through JPEG.
        hard: hardness of the light, uniform, as against the light or beside a window: shadows deepen, lights stay.
        hard_chance: share of pictures in hard light.
        grain: standard deviation in pixels of the window over the noise, uniform: developing a picture and changing its
            size leave noise that neighbours share.
        grain_chance: share of pictures whose noise is coarse.
        gray: share of coarse noise's variance that is the same in all channels, uniform: cameras take colour out of it.
        blotches: how many times as wide the window is over the colour that is left in it, uniform.
        bands: most of what channels share of coarse noise that runs along rows, in upright pictures along columns, as
            sensors leave it that are read row by row; half of the pictures have none.
        veil: most linear light that stray light in the lens and a sensor's level of black add everywhere, each channel
            up to twice or half of it; half of the pictures have none.
    """

    ev: tuple[float, float] = (-6.0, 0.0)
    shade: float = 4.0
    shade_chance: float = 0.4
    shot: tuple[float, float] = (1e-5, 1e-3)
    read: tuple[float, float] = (5e-5, 1e-3)
    cast: float = 0.3
    warmth: float = 0.4
    lights: tuple[float, float] = (1.0, 8.0)
    blur: float = 0.025
    blur_chance: float = 0.3
    straight: float = 0.3
    defocus: float = 0.004
    defocus_chance: float = 0.1
    quality: tuple[int, int] = (60, 98)
    jpeg_chance: float = 0.3
    hard: tuple[float, float] = (0.0, 1.3)
    hard_chance: float = 0.0
    grain: tuple[float, float] = (0.3, 1.5)
    grain_chance: float = 0.0
    gray: tuple[float, float] = (0.3, 1.0)
    blotches: tuple[float, float] = (1.0, 3.0)
    bands: float = 0.6
    veil: float = 0.0

    def louder(self, factor: float) -> Degradation:
        """The same with the strongest noise so many times as strong, in standard deviations; the weakest stays."""
        shot, read = self.shot[1] * factor**2, self.read[1] * factor
        return replace(self, shot=(min(self.shot[0], shot), shot), read=(min(self.read[0], read), read))

    def sample(self, n: int, generator: torch.Generator) -> Shots:
        """The circumstances of ``n`` shots, from a CPU generator."""

        def uniform(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * torch.rand((n, *shape), generator=generator)

        def log_uniform(low: float, high: float) -> Tensor:
            return torch.exp(uniform(math.log(low), math.log(high)))

        def happens(chance: float) -> Tensor:
            return torch.rand(n, generator=generator) < chance

        turn = torch.randn((n, _PATH_STEPS), generator=generator).cumsum(1) * 0.12
        turn = turn * ~happens(self.straight)[:, None]
        angle = uniform(0, 2 * math.pi, 1) + turn
        path = torch.stack((angle.sin(), angle.cos()), 1).cumsum(2) / _PATH_STEPS
        length = uniform(0, self.blur) * happens(self.blur_chance)
        return Shots(
            ev=uniform(*self.ev),
            shade=uniform(-self.shade, 0, 5, 7) * uniform(0, 1, 1, 1) * happens(self.shade_chance)[:, None, None],
            cast=uniform(-self.cast, self.cast, 3),
            warmth=uniform(-self.warmth, self.warmth),
            lights=log_uniform(*self.lights),
            path=(path - path.mean(2, keepdim=True)) * length[:, None, None],
            defocus=uniform(0, self.defocus) * happens(self.defocus_chance),
            shot=log_uniform(*self.shot),
            read=log_uniform(*self.read),
            quality=uniform(self.quality[0], self.quality[1] + 1).int() * happens(self.jpeg_chance),
            seed=torch.randint(2**62, (n,), generator=generator),
            hard=uniform(*self.hard) * happens(self.hard_chance),
            # Drawn only where it is asked for, so that older seeds give the pictures that they gave.
            grain=uniform(*self.grain) * happens(self.grain_chance) if self.grain_chance else torch.zeros(n),
            gray=uniform(*self.gray) if self.grain_chance else torch.zeros(n),
            blotches=uniform(*self.blotches) if self.grain_chance else torch.ones(n),
            veil=uniform(-self.veil, self.veil, 1).clamp_min(0) * torch.exp2(uniform(-1, 1, 3))
            if self.veil
            else torch.zeros(n, 3),
            bands=(uniform(-2, 2).abs() - 1).clamp_min(0) * self.bands * torch.where(happens(0.7), 1.0, -1.0)
            if self.grain_chance
            else torch.zeros(n),
        )


def expose(low: Tensor, stops: Tensor) -> Tensor:
    """A picture at another exposure, in 8-bit steps as a camera writes them.

    Args:
        low: ``(N, 3, H, W)`` in [0, 1].
        stops: ``(N,)`` exposure in EV.
    """
    return _to_8_bits(to_linear(low) * _per_picture(torch.exp2(stops), low))


def by_lamps(target: Tensor, generator: torch.Generator) -> Tensor:
    """Scenes lit by one to four lamps at night, well exposed: bright near the lamps and black beyond.

    A restorer that has only seen day's light opens every shadow, and makes gray of a night sky.

    Args:
        target: good pictures by day, ``(N, 3, H, W)`` in [0, 1].
        generator: what decides, on the CPU.
    """
    height, width = target.shape[-2:]
    longer = max(height, width)
    rows, columns = torch.arange(height)[:, None] / longer, torch.arange(width) / longer
    nights = []
    for picture in to_linear(target)[:, None]:
        down, across, reach = torch.rand(3, int(torch.randint(1, 5, (), generator=generator)), generator=generator)
        warm, faint = torch.rand(2, generator=generator).tolist()
        field = torch.full((height, width), 10 ** -(2.5 + 1.5 * faint))
        for y, x, r in zip(down * height / longer, across * width / longer, 0.06 + 0.22 * reach, strict=True):
            field = torch.maximum(field, torch.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * r**2)))
        tint = torch.exp2(0.4 * warm * torch.tensor([1.0, 0.0, -1.0]))
        night = picture * field.to(picture) * tint.to(picture)[:, None, None]
        nights.append(night / night.quantile(0.99).clamp_min(0.1))
    return to_srgb(torch.cat(nights).clamp(0, 1))


def degrade(target: Tensor, shots: Shots) -> Tensor:
    """Dark copies of good pictures.

    Args:
        target: ``(N, 3, H, W)`` in [0, 1].
        shots: what befalls each of them.

    Returns:
        A tensor of the same shape in steps of 1/255.
    """
    white = ((target.amin(1, keepdim=True) - 0.9) / 0.1).clamp(0, 1)
    linear = to_linear(target) * (1 + (_per_picture(shots.lights, target) - 1) * white)
    linear = harden(_blur(linear, shots), shots.hard)
    shade = F.interpolate(shots.shade[:, None].to(target), target.shape[-2:], mode="bicubic").clamp_max(0)
    linear = linear * torch.exp2(shade) * _per_picture(torch.exp2(shots.ev[:, None] + shots.cast), target)
    linear = linear + _per_picture(shots.veil, target)
    sigma = (_per_picture(shots.shot, target) * linear + _per_picture(shots.read.square(), target)).sqrt()
    sensor = (linear + sigma * _noise(target, shots)).clamp(0, 1)
    balance = shots.warmth[:, None] * torch.tensor([0.5, 0.0, -0.5])
    return _jpeg(_to_8_bits(sensor * _per_picture(torch.exp2(balance), target)), shots.quality)


def _per_picture(values: Tensor, like: Tensor) -> Tensor:
    """``(N,)`` or ``(N, 3)`` values, to multiply an ``(N, 3, H, W)`` tensor with."""
    return values.to(like.device, like.dtype).reshape(len(values), -1, 1, 1)


def _to_8_bits(linear: Tensor) -> Tensor:
    return (to_srgb(linear.clamp(0, 1)) * 255).round() / 255


def _noise(like: Tensor, shots: Shots) -> Tensor:
    """Of variance 1 whatever its grain."""
    noise = torch.empty_like(like)
    drawn = zip(
        *(field.tolist() for field in (shots.seed, shots.grain, shots.gray, shots.blotches, shots.bands)), strict=True
    )
    for picture, (seed, grain, gray, blotches, bands) in zip(noise, drawn, strict=True):
        generator = torch.Generator(like.device).manual_seed(seed)
        picture.normal_(generator=generator)
        if grain:
            shared, streaks = torch.empty(2, *picture[:1].shape, device=like.device).normal_(generator=generator)
            along = (grain, _BAND) if bands > 0 else (_BAND, grain)
            even = math.sqrt(1 - abs(bands)) * _coarse(shared, grain, grain)
            streaked = math.sqrt(abs(bands)) * _coarse(streaks, *along)
            own = _coarse(picture, grain * blotches, grain * blotches)
            picture.copy_(math.sqrt(1 - gray) * own + math.sqrt(gray) * (even + streaked))
    return noise


def _coarse(noise: Tensor, down: float, across: float) -> Tensor:
    """White noise ``(C, H, W)`` as its neighbours share it, of the same variance.

    Args:
        noise: of variance 1.
        down: standard deviation of the window over rows, in pixels.
        across: of that over columns.
    """
    for dim, grain in ((1, down), (2, across)):
        steps = torch.arange(-math.ceil(4 * grain), math.ceil(4 * grain) + 1)
        window = torch.exp(-0.5 * (steps / grain) ** 2)
        shares = zip(steps.tolist(), (window / window.norm()).tolist(), strict=True)
        # Over opposite borders, where there is always room for the window.
        noise = sum((share * noise.roll(step, dim) for step, share in shares), torch.zeros_like(noise))
    return noise


def harden(linear: Tensor, hard: Tensor) -> Tensor:
    """Darkens what lies in shadow: light multiplied by a power of the luminance around it.

    A quarter of the picture is as bright as its light allows and stays as it is, such as a sky. The luminance around is
    a guided filter's (He, Sun and Tang, 2010), which stops at strong edges: no halo along a roof gives it away.
    """
    if not hard.any():
        return linear
    luma = torch.tensor([0.2126, 0.7152, 0.0722]).to(linear)[None, :, None, None]
    luminance = to_srgb((linear.clamp(0, 1) * luma).sum(1, keepdim=True))
    reach = max(1, max(linear.shape[-2:]) // 24)

    def mean(x: Tensor) -> Tensor:
        x = F.avg_pool2d(F.pad(x, (reach,) * 4, mode="replicate"), (2 * reach + 1, 1), 1)
        return F.avg_pool2d(x, (1, 2 * reach + 1), 1)

    level = mean(luminance)
    variance = (mean(luminance.square()) - level.square()).clamp_min(0)
    slope = variance / (variance + _FLAT)
    around = to_linear((mean(slope) * luminance + mean(level - slope * level)).clamp(0, 1))
    bright = around.flatten(1).quantile(_LIT_QUANTILE, 1).reshape(-1, 1, 1, 1).clamp_min(1e-6)
    return linear * (around / bright).clamp(_DEEPEST, 1) ** _per_picture(hard, linear)


def _blur(linear: Tensor, shots: Shots) -> Tensor:
    """Convolves the pictures that are shaken or out of focus, in Fourier space, where large kernels cost no more."""
    blurred = (shots.path.abs().amax((1, 2)) + shots.defocus).nonzero().flatten()
    if not len(blurred):
        return linear
    height, width = linear.shape[-2:]
    path = shots.path[blurred] * max(height, width)
    radius = shots.defocus[blurred] * max(height, width)
    reach = int(path.abs().max().ceil() + radius.max().ceil()) + 1
    grid = torch.arange(-reach, reach + 1.0)
    hats = (1 - (grid[:, None] - path[:, :, None]).abs()).clamp_min(0)
    trace = hats[:, 0] @ hats[:, 1].mT
    disc = (radius[:, None, None] + 0.5 - torch.hypot(grid[:, None], grid)).clamp(0, 1)

    size = (height + 2 * reach, width + 2 * reach)
    spectrum = torch.fft.rfft2(F.pad(linear[blurred.to(linear.device)], (reach,) * 4, mode="replicate"))
    for kernel in (trace, disc):
        kernel = (kernel / kernel.sum((1, 2), keepdim=True)).to(linear.device, linear.dtype)
        framed = F.pad(kernel, (0, width - 1, 0, height - 1)).roll((-reach, -reach), (1, 2))
        spectrum = spectrum * torch.fft.rfft2(framed)[:, None]
    result = torch.fft.irfft2(spectrum, size)[..., reach : reach + height, reach : reach + width]
    return linear.index_copy(0, blurred.to(linear.device), result.clamp_min(0))


def _jpeg(pictures: Tensor, quality: Tensor) -> Tensor:
    """What JPEG (ITU-T T.81) with halved colour leaves of pictures in [0, 1]; quality 0 leaves all of it."""
    coded = quality.nonzero().flatten()
    if not len(coded):
        return pictures
    index = coded.to(pictures.device)
    height, width = pictures.shape[-2:]
    tables = torch.stack([_quantization(int(q)) for q in quality[coded]]).to(pictures.device, pictures.dtype)
    to_ycc = pictures.new_tensor(_RGB_TO_YCC)
    padded = F.pad(pictures[index] * 255, (0, -width % 16, 0, -height % 16), mode="replicate")
    ycc = torch.einsum("ij,njhw->nihw", to_ycc, padded)
    luma = _quantize(ycc[:, :1] - 128, tables[:, 0]) + 128
    colour = _quantize(F.avg_pool2d(ycc[:, 1:], 2), tables[:, 1])
    ycc = torch.cat((luma, F.interpolate(colour, scale_factor=2, mode="bilinear")), 1)
    rgb = torch.einsum("ij,njhw->nihw", torch.linalg.inv(to_ycc), ycc)[..., :height, :width]
    return pictures.index_copy(0, index, rgb.round().clamp(0, 255) / 255)


_RGB_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def _quantize(planes: Tensor, tables: Tensor) -> Tensor:
    """Rounds the cosine transform of 8 x 8 blocks: ``(n, C, H, W)`` planes, ``(n, 8, 8)`` step sizes."""
    n, channels, height, width = planes.shape
    k = torch.arange(8, dtype=planes.dtype, device=planes.device)
    cosines = torch.cos(math.pi / 8 * k[:, None] * (k + 0.5)) / 2
    cosines[0] /= math.sqrt(2)
    blocks = planes.reshape(n, channels, height // 8, 8, width // 8, 8)
    steps = tables.reshape(n, 1, 1, 8, 1, 8)
    rounded = (torch.einsum("ij,ncajbk,lk->ncaibl", cosines, blocks, cosines) / steps).round() * steps
    return torch.einsum("ij,ncaibl,lk->ncajbk", cosines, rounded, cosines).reshape(planes.shape)


@lru_cache(maxsize=100)
def _quantization(quality: int) -> Tensor:
    """The step sizes of luma and colour ``(2, 8, 8)`` that libjpeg uses at a quality, by asking it."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    tables = Image.open(file).quantization  # type: ignore[attr-defined]
    return torch.tensor([tables[0], tables[1]], dtype=torch.float32).reshape(2, 8, 8)
