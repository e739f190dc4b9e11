from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lightwell.models.layers import (
    DepthwiseConv2d,
    LayerNorm2d,
    PairConv2d,
    SimpleGate,
    Windows,
    conv_part,
    safe_magnitude,
    scaled_conv,
)


@pytest.mark.parametrize("dilation", [1, 2, 4, 9])
@pytest.mark.parametrize("size", [(16, 24), (11, 13), (5, 7), (1, 1)])
def test_depthwise_is_the_plain_dilated_convolution(dilation: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = DepthwiseConv2d(6, dilation).double()
    x = torch.randn(2, 6, *size, dtype=torch.float64, requires_grad=True)
    wrt = x, layer.weight, layer.bias
    given = torch.randn_like(x)

    out = layer(x)
    expected = F.conv2d(x, layer.weight, layer.bias, padding=dilation, dilation=dilation, groups=6)

    torch.testing.assert_close(out, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(
        torch.autograd.grad(out, wrt, given), torch.autograd.grad(expected, wrt, given), atol=1e-12, rtol=1e-12
    )


def test_pair_convolution_is_the_grouped_one() -> None:
    torch.manual_seed(0)
    layer = PairConv2d(8).double()
    x = torch.randn(2, 8, 7, 9, dtype=torch.float64)

    expected = F.conv2d(x, layer.weight, layer.bias, padding=1, groups=4)

    torch.testing.assert_close(layer(x), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("channels", [4, 6, 5])
def test_parts_of_a_pair_convolution_after_a_pointwise_one_are_parts_of_the_whole(channels: int) -> None:
    torch.manual_seed(0)
    layer, pointwise = PairConv2d(2 * channels).double(), torch.nn.Conv2d(3, 2 * channels, 1).double()
    x = torch.randn(2, 3, 7, 9, dtype=torch.float64)

    parts = [layer.part_after(pointwise, x, slice(k, k + channels)) for k in (0, channels)]

    torch.testing.assert_close(torch.cat(parts, 1), layer(pointwise(x)), atol=1e-12, rtol=0)


@pytest.mark.parametrize("layer", [torch.nn.Conv2d(6, 8, 1, bias=False), DepthwiseConv2d(8, 3)])
def test_parts_and_scales_of_convolutions(layer: torch.nn.Conv2d) -> None:
    x = torch.randn(2, layer.in_channels, 7, 9, generator=torch.Generator().manual_seed(0))
    seen, scale = x if layer.groups == 1 else x[:, 2:5], torch.arange(8.0).view(1, 8, 1, 1)

    torch.testing.assert_close(conv_part(layer, seen, slice(2, 5)), layer(x)[:, 2:5])
    if layer.groups == 1:
        torch.testing.assert_close(scaled_conv(layer, x, scale), layer(x) * scale)


def test_layer_norm_of_two_channels_by_hand() -> None:
    norm = LayerNorm2d(2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0]))
        norm.bias.copy_(torch.tensor([0.5, 0.0]))

    # Channels 3 and 5 have mean 4 and standard deviation 1, so they become -1 and 1.
    out = norm(torch.tensor([3.0, 5.0]).view(1, 2, 1, 1))

    torch.testing.assert_close(out.flatten(), torch.tensor([-0.5, 2.0]), atol=1e-5, rtol=0)


def test_gate_multiplies_the_halves() -> None:
    x = torch.tensor([2.0, 3.0, 5.0, 7.0]).view(1, 4, 1, 1)

    torch.testing.assert_close(SimpleGate()(x).flatten(), torch.tensor([10.0, 21.0]))


@pytest.mark.parametrize("scale", [0.0, 1e-25, 1e-20, 1e-18, 1.0])
def test_magnitude_has_finite_gradients_however_small(scale: float) -> None:
    real = torch.tensor([3.0, 0.0], requires_grad=True)

    magnitude, null = safe_magnitude(real * scale, torch.tensor([4.0, 0.0]) * scale)
    magnitude.masked_fill(null, 0.0).sum().backward()

    assert real.grad is not None
    assert torch.isfinite(real.grad).all()
    assert null.tolist() == [scale < 1e-15, True]
    if scale == 1.0:
        assert magnitude[0].item() == 5.0


def test_windows_by_hand() -> None:
    # Windows of 4 of 10 pixels, cells of 1: around pixel j from j - 2 on (the half below is rounded down), kept inside.
    x = torch.arange(10.0, dtype=torch.float64)[None, None, None].expand(1, 1, 3, 10)
    windows = Windows(x, 4)
    first = [0, 0, 0, 1, 2, 3, 4, 5, 6, 6]
    means = torch.tensor([f + 1.5 for f in first], dtype=torch.float64)
    torch.testing.assert_close(windows.means(x), means.expand(1, 1, 3, 10))
    torch.testing.assert_close(windows.carried(windows.means(x)), means.expand(1, 1, 3, 10))
    # Between cells of two pixels, whose middles lie at 1, 3, 5 ..., a straight line is carried back as one.
    cells = torch.arange(5.0, dtype=torch.float64)[None, None, None].expand(1, 1, 2, 5)
    carried = Windows(torch.zeros(1, 1, 4, 10, dtype=torch.float64), 8).carried(cells)[0, 0, 0]
    torch.testing.assert_close(carried, ((torch.arange(10.0, dtype=torch.float64) + 0.5) / 2 - 0.5).clamp(0, 4))
