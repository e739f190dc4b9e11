"""Layers that more than one network uses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "DepthwiseConv2d",
    "LayerNorm2d",
    "PairConv2d",
    "SimpleGate",
    "Windows",
    "conv_part",
    "exporting",
    "safe_magnitude",
    "scaled_conv",
]

# Below this squared magnitude a spectrum's bin counts as zero: its square root has no usable gradient in float32.
_NULL_POWER = 1e-30
_FEW = 2  # pixels along the side of a phase


def exporting() -> bool:
    """Whether the network is being made into a graph, where what is quick in torch may have no operator."""
    return torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export()


def conv_part(conv: nn.Conv2d, x: Tensor, part: slice) -> Tensor:
    """Some of the channels that a convolution gives.

    Args:
        conv: plain, or depthwise.
        x: what goes in; of a depthwise one only the channels ``part``.
        part: the channels, from where to where.
    """
    bias = None if conv.bias is None else conv.bias[part]
    groups = 1 if conv.groups == 1 else part.stop - part.start
    return F.conv2d(x, conv.weight[part], bias, conv.stride, conv.padding, conv.dilation, groups)


def scaled_conv(conv: nn.Conv2d, x: Tensor, scale: Tensor) -> Tensor:
    """``conv(x) * scale`` for a scale of each channel: in a graph the product is made once, with the kernel."""
    bias = None if conv.bias is None else conv.bias * scale.flatten()
    return F.conv2d(x, conv.weight * scale.reshape(-1, 1, 1, 1), bias, conv.stride, conv.padding)


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of every pixel.

    In a graph it is spelt out: the operator wants the channels last, and turning features there and back takes longer
    than what it does.

    Args:
        channels: channels of the input.
        eps: added to the (biased) variance inside the root.

    Shape:
        ``(N, C, H, W)`` to the same.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        if exporting():
            return self._spelt_out(x)
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)

    def _spelt_out(self, x: Tensor) -> Tensor:
        # A convolution with a constant kernel takes the mean over channels quicker than the operator for means,
        # and sums in float32 where its result is bfloat16.
        channels = len(self.weight)
        mean = torch.full((1, channels, 1, 1), 1 / channels, dtype=x.dtype, device=x.device)
        centred = x - F.conv2d(x, mean)
        spread = (F.conv2d(centred.square(), mean) + self.eps).sqrt()
        return centred / spread * self.weight.reshape(-1, 1, 1) + self.bias.reshape(-1, 1, 1)


class SimpleGate(nn.Module):
    """The first half of the channels times the second half (NAFNet, ECCV 2022, eq. 4).

    Shape:
        ``(N, 2C, H, W)`` to ``(N, C, H, W)``.
    """

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=1)
        return first * second


class Windows:
    """Means of windows of a picture's features, around each cell of a grid, and the way back to every pixel.

    Windows keep their size at the picture's borders (Chu et al., "Improving Image Restoration by Revisiting Global
    Information Aggregation", ECCV 2022); cells are a quarter of a window wide, and what is made of the means is
    interpolated between them. By products with matrices, which every runtime has, channels last, as OpenVINO has them.

    Args:
        like: ``(N, C, H, W)``, of the size and the type of the features.
        window: side of a window in pixels; of a picture that is no larger all means are the whole's.
    """

    def __init__(self, like: Tensor, window: int) -> None:
        self._height, self._width = like.shape[-2:]
        (self._down, self._up), (self._across, self._back) = (_windows(side, window, like) for side in like.shape[-2:])

    def means(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the means ``(N, C, n, m)`` of the windows."""
        channels = int(x.shape[1])  # fixed in a graph
        rows = self._down @ x.permute(0, 2, 3, 1).reshape(-1, self._height, self._width * channels)
        cells = self._across @ rows.reshape(-1, self._down.shape[0], self._width, channels)
        return cells.permute(0, 3, 1, 2)

    def carried(self, cells: Tensor) -> Tensor:
        """``(N, C, n, m)`` to ``(N, C, H, W)``."""
        channels = int(cells.shape[1])
        rows = self._back @ cells.permute(0, 2, 3, 1)
        x = self._up @ rows.reshape(-1, self._down.shape[0], self._width * channels)
        return x.reshape(-1, self._height, self._width, channels).permute(0, 3, 1, 2)


def _windows(length: int, window: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """``(n, length)``, which takes means of n windows along a side, and ``(length, n)``, which carries them back."""
    cell = max(1, window // 4)
    number = torch.arange((length + cell - 1) // cell, device=like.device)
    at = torch.arange(length, device=like.device)
    first = (number * cell + (cell - window) // 2).clamp_min(0)
    first = torch.minimum(first, (at[-1:] + 1 - window).clamp_min(0))[:, None]
    inside = ((at >= first) & (at < first + window)).to(like.dtype)
    between = torch.minimum(((at + 0.5) / cell - 0.5).clamp_min(0), number[-1:])
    hats = (1 - (between[:, None] - number).abs()).clamp_min(0).to(like.dtype)
    return inside / inside.sum(1, keepdim=True), hats


def safe_magnitude(real: Tensor, imag: Tensor) -> tuple[Tensor, Tensor]:
    """Magnitude of a complex tensor, and which of its elements count as zero.

    The gradient of ``|F|`` divides by ``|F|``, and squaring underflows long before ``|F|`` does, which turns gradients
    into NaN. Elements that count as zero get magnitude 1, so that dividing by it is harmless; the caller masks them.

    Returns:
        ``(magnitude, null)``: float and bool tensors of the input's shape.
    """
    power = real.square() + imag.square()
    null = power < _NULL_POWER
    return power.masked_fill(null, 1.0).sqrt(), null


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise 3x3 convolution that stays fast on a CPU when it is dilated.

    Torch's CPU kernels fall back to a slow path for dilated depthwise kernels (25 times slower in a training step at
    dilation 4 and 9). A dilation of d is d x d interleaved undilated convolutions, so the picture is dealt into its
    phases, convolved as one batch, and dealt back: the same sums. Where phases would be one or two pixels wide, taps
    are summed one by one (a ninth of the time at 16x16 and dilation 9).

    Args:
        channels: channels of input and output.
        dilation: distance between the kernel's taps; the zero padding is equal to it.

    Shape:
        ``(N, C, H, W)`` to the same.
    """

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        d = self.dilation[0]
        if d == 1 or x.device.type != "cpu" or exporting():
            return super().forward(x)
        n, c, height, width = x.shape
        if min(height, width) <= _FEW * d:
            summed: Tensor = _Taps.apply(x, self.weight, self.bias, d)  # type: ignore[no-untyped-call]
            return summed
        x = F.pad(x, (0, -width % d, 0, -height % d))
        rows, columns = x.shape[2] // d, x.shape[3] // d
        phases = x.permute(0, 2, 3, 1).reshape(n, rows, d, columns, d, c).permute(0, 2, 4, 1, 3, 5)
        phases = phases.reshape(n * d * d, rows, columns, c).permute(0, 3, 1, 2)
        out = F.conv2d(phases, self.weight, self.bias, padding=1, groups=c)
        out = out.permute(0, 2, 3, 1).reshape(n, d, d, rows, columns, c).permute(0, 3, 1, 4, 2, 5)
        return out.reshape(n, rows * d, columns * d, c).permute(0, 3, 1, 2)[:, :, :height, :width]


class _Taps(torch.autograd.Function):
    """A dilated depthwise 3x3 convolution as a sum over its taps of what lies within the picture."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return _tapped(x, weight, dilation) + bias.reshape(-1, 1, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (grad,), (x, weight) = grads, ctx.saved_tensors
        of_weight = torch.zeros_like(weight)
        for row, column, given, taken in _regions(x.shape, ctx.dilation):
            of_weight[:, 0, row, column] = (grad[given] * x[taken]).sum((0, 2, 3))
        return _tapped(grad, weight.flip(2, 3), ctx.dilation), of_weight, grad.sum((0, 2, 3)), None


def _tapped(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    out = x * weight[:, 0, 1, 1].reshape(-1, 1, 1)
    for row, column, given, taken in _regions(x.shape, dilation):
        if (row, column) != (1, 1):
            out[given] += x[taken] * weight[:, 0, row, column].reshape(-1, 1, 1)
    return out


def _regions(shape: torch.Size, dilation: int) -> Iterator[tuple[int, int, tuple[Any, ...], tuple[Any, ...]]]:
    """Row and column of each tap, which pixels it gives to, and which it takes for them."""

    def along(tap: int, length: int) -> tuple[slice, slice]:
        ahead, behind = max((tap - 1) * dilation, 0), max((1 - tap) * dilation, 0)
        return slice(behind, max(length - ahead, 0)), slice(ahead, max(length - behind, 0))

    for row, column in product(range(3), range(3)):
        (given, taken), (gives, takes) = along(row, shape[2]), along(column, shape[3])
        yield row, column, (..., given, gives), (..., taken, takes)


class PairConv2d(nn.Conv2d):
    """A 3x3 convolution in groups of two channels, as two depthwise ones on a CPU (a third of the time there).

    Args:
        channels: channels of input and output; even.

    Shape:
        ``(N, C, H, W)`` to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, padding=1, groups=channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or exporting():
            return super().forward(x)
        c = x.shape[1]
        own, other = self._kernels(self.weight)
        swapped = (
            x.permute(0, 2, 3, 1)
            .reshape(*x.shape[:1], *x.shape[2:], c // 2, 2)
            .flip(-1)
            .flatten(-2)
            .permute(0, 3, 1, 2)
        )
        out = F.conv2d(x, own, self.bias, padding=1, groups=c)
        return out + F.conv2d(swapped, other, padding=1, groups=c)

    def part_after(self, pointwise: nn.Conv2d, x: Tensor, part: slice) -> Tensor:
        """Some of the channels of ``self(pointwise(x))``, for a graph.

        The neighbours' features come from the pointwise convolution with its kernels in another order, which is far
        quicker in every runtime than a convolution in groups, or than moving features.

        Args:
            pointwise: 1x1, with a bias.
            x: what goes into it.
            part: the channels; whole pairs.
        """
        assert self.bias is not None
        assert pointwise.bias is not None
        count = part.stop - part.start
        if count % 2:
            return F.conv2d(pointwise(x), self.weight, self.bias, padding=1, groups=self.groups)[:, part]
        own, other = self._kernels(self.weight[part])
        kernels, bias = pointwise.weight[part], pointwise.bias[part]
        swapped = kernels.reshape(count // 2, 2, -1).flip(1).reshape(count, -1, 1, 1)
        swapped_bias = bias.reshape(count // 2, 2).flip(1).reshape(count)
        out = F.conv2d(F.conv2d(x, kernels, bias), own, self.bias[part], padding=1, groups=count)
        return out + F.conv2d(F.conv2d(x, swapped, swapped_bias), other, padding=1, groups=count)

    @staticmethod
    def _kernels(weight: Tensor) -> tuple[Tensor, Tensor]:
        """Depthwise kernels ``(C, 1, 3, 3)``: for a channel itself, and for the other of its pair."""
        kernels = weight.reshape(-1, 2, 2, 3, 3)
        own = torch.stack((kernels[:, 0, 0], kernels[:, 1, 1]), dim=1).reshape(-1, 1, 3, 3)
        other = torch.stack((kernels[:, 0, 1], kernels[:, 1, 0]), dim=1).reshape(-1, 1, 3, 3)
        return own, other
