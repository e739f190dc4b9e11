from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightwell import losses
from lightwell.errors import WeightsError
from lightwell.losses.color import hue_degrees
from lightwell.losses.edge import laplacian
from lightwell.metrics.lpips import _NETS, Lpips


def picture(*values: float) -> Tensor:
    """A 1 x 3 x 2 x n picture whose columns are grey."""
    return torch.tensor(values, dtype=torch.float64).expand(1, 3, 2, -1)


class TinyFeatures(nn.Module):
    """Five feature maps of random smooth layers, in place of VGG19."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Conv2d(3 if i == 0 else 2, 2, 3, padding=1) for i in range(5))

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for layer in self.layers:
            x = torch.tanh(layer(x))
            found.append(x)
        return found


def random_lpips(scale: float) -> Lpips:
    """LPIPS on AlexNet's layers with random kernels."""
    torch.manual_seed(0)
    kernels, linear, channels = {}, [], 3
    for part in _NETS["alex"]:
        for number, outputs, window, _, _ in part.convolutions:
            weight = torch.randn(outputs, channels, window, window, dtype=torch.float64) / (channels * window**2) ** 0.5
            kernels[number] = (scale * weight, torch.zeros(outputs, dtype=torch.float64))
            channels = outputs
        linear.append(torch.rand(1, channels, 1, 1, dtype=torch.float64))
    return Lpips("alex", kernels, tuple(linear))


def call(name: str, restored: Tensor, target: Tensor) -> Tensor:
    if name == "perceptual":
        return losses.perceptual(restored, target, TinyFeatures().to(restored.dtype))
    if name == "lpips":
        grown = (nn.functional.interpolate(x, (40, 44), mode="bilinear") for x in (restored, target))
        return losses.lpips(*grown, random_lpips(1.5))
    return losses.LOSSES[name](restored, target)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("l1", (0.3 + 0.1) / 2),
        ("l2", (0.09 + 0.01) / 2),
        ("charbonnier", (math.sqrt(0.09 + 1e-6) + math.sqrt(0.01 + 1e-6)) / 2),
        ("region_l1", (0.3 - 0.1) / 2),
        ("log_mse", math.log(0.05 + 1e-4)),
        # The four bins: the sum of all pixels, right against left, and two that see equal rows.
        ("frequency", ((2.8 - 2.4) ** 2 + 0.8**2 + 0 + 0) / 4),
        ("guide", (0.3 + 0.1) / 2),
        ("color_angle", 0.0),
        ("hue", 0.0),
    ],
)
def test_values_computed_by_hand(name: str, expected: float) -> None:
    value = losses.LOSSES[name](picture(0.9, 0.5), picture(0.6, 0.6))
    assert value.item() == pytest.approx(expected, abs=1e-12)


def test_ssim_of_constants_is_the_luminance_term() -> None:
    a, b = torch.full((1, 3, 16, 16), 0.3, dtype=torch.float64), torch.full((1, 3, 16, 16), 0.6, dtype=torch.float64)
    luminance = (2 * 0.3 * 0.6 + 1e-4) / (0.3**2 + 0.6**2 + 1e-4)
    assert losses.ssim(a, b).item() == pytest.approx(1 - luminance, abs=1e-9)


def test_color_angle_of_red_against_green() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    green = torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1)
    cosine = (2 * 1.02 * 0.02 + 0.02**2) / (1.02**2 + 2 * 0.02**2)
    assert losses.color_angle(red, green).item() == pytest.approx(1 - cosine, abs=1e-6)


def test_laplacian_of_one_bright_pixel() -> None:
    x = torch.zeros(1, 1, 17, 17, dtype=torch.float64)
    x[..., 8, 8] = 1
    # Of the taps .05 .25 .4 .25 .05 only the first, third and last meet kept pixels, once down and once up.
    seen_again = 4 * (0.4**2 + 2 * 0.05**2) ** 2
    assert laplacian(x)[0, 0, 8, 8].item() == pytest.approx(1 - seen_again)


def test_hue_goes_the_short_way_round() -> None:
    # 1.2 and 358.8 degrees: 2.4 apart, not 357.6.
    a = torch.tensor([1.0, 0.02, 0.0], dtype=torch.float64).view(1, 3, 1, 1)
    b = torch.tensor([1.0, 0.0, 0.02], dtype=torch.float64).view(1, 3, 1, 1)
    assert losses.hue(a, b).item() == pytest.approx(2.4 / 360, abs=1e-9)
    opposite = torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64).view(1, 3, 1, 1)
    assert losses.hue(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), opposite).item() == pytest.approx(0.5)


def test_hue_of_grey_has_a_bounded_gradient() -> None:
    grey = torch.full((1, 3, 2, 2), 0.5, requires_grad=True)
    losses.hue(grey, torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))).backward()
    assert grey.grad is not None
    assert grey.grad.abs().max() < 60 * 255


def test_feature_matching_weighs_entries_and_leaves_the_target_alone() -> None:
    a = [torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([2.0], requires_grad=True)]
    b = [torch.tensor([0.0, 0.0], requires_grad=True), torch.tensor([5.0], requires_grad=True)]
    value = losses.feature_matching(a, b, [0.5, 2.0])
    value.backward()
    assert value.item() == 0.5 * 2 + 2.0 * 3
    assert a[0].grad is not None
    assert b[0].grad is None


def test_perceptual_weighs_the_five_slices() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> list[Tensor]:
            return [x * factor for factor in (32, 16, 8, 4, 1)]

    value = losses.perceptual(picture(0.5, 0.5), picture(0.4, 0.4), Scaled())
    assert value.item() == pytest.approx(0.5)


def test_perceptual_without_weights_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A proxy that refuses connections, and an empty cache: what a machine without a network looks like.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("LIGHTWELL_CACHE", str(tmp_path))
    losses.features.vgg19_features.cache_clear()
    with pytest.raises(WeightsError, match=r"put the file at .*vgg19-dcbb9e9d\.pth.*leave the loss 'perceptual' out"):
        losses.perceptual(picture(0.5), picture(0.4))
    with pytest.raises(WeightsError, match=r"vgg16-397923af\.pth"):
        losses.lpips(picture(0.5), picture(0.4))


def test_lpips_has_a_gradient_where_the_network_sees_nothing() -> None:
    x = torch.rand(1, 3, 40, 44, dtype=torch.float64, requires_grad=True)
    losses.lpips(x, torch.rand(1, 3, 40, 44, dtype=torch.float64), random_lpips(0.0)).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_vgg19_has_the_published_layers() -> None:
    net = losses.features._VGG19()
    # The convolutions' weights and biases of VGG19 up to conv5_1, counted from its published table.
    assert sum(p.numel() for p in net.parameters()) == 12_944_960
    shapes = [tuple(found.shape) for found in net(torch.zeros(1, 3, 32, 32))]
    assert shapes == [(1, 64, 32, 32), (1, 128, 16, 16), (1, 256, 8, 8), (1, 512, 4, 4), (1, 512, 2, 2)]


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_gradients(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    restored, target = (torch.rand(1, 3, 12, 13, generator=generator, dtype=torch.float64) for _ in range(2))
    if name == "guide":
        restored = torch.rand(1, 3, 3, 4, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: call(name, x, target), restored.requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_a_perfect_match_cannot_be_improved(name: str) -> None:
    target = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    perfect = target if name != "guide" else nn.functional.avg_pool2d(target, 8)
    noise = torch.rand(perfect.shape, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    assert call(name, perfect, target) < call(name, (perfect + 0.1 * noise).clamp(0, 1), target)


@pytest.mark.parametrize("size", ["even", "odd"])
def test_values_of_the_public_darkir_losses(shared: Path, size: str) -> None:
    facts = np.load(shared / "reference/darkir/losses.npz")
    pred, target = (torch.from_numpy(facts[f"{size}/{name}"]).double() for name in ("pred", "target"))
    pred.requires_grad_()
    close = {"rel": 1e-5}
    assert losses.l1(pred, target).item() == pytest.approx(facts[f"{size}/l1"], **close)
    assert losses.l2(pred, target).item() == pytest.approx(facts[f"{size}/mse"], **close)
    charbonnier = losses.charbonnier(pred, target, epsilon=1e-6)
    assert charbonnier.item() == pytest.approx(facts[f"{size}/charbonnier_eps1e-12"], **close)
    frequency = 0.01 * losses.frequency(pred, target)
    assert frequency.item() == pytest.approx(facts[f"{size}/freq_l2_mean_w0.01"], **close)
    assert 1 - losses.ssim(pred, target).item() == pytest.approx(facts[f"{size}/ssim"], **close)
    edge = 50 * losses.edge(pred, target)
    assert edge.item() == pytest.approx(facts[f"{size}/edge_l2_w50"], **close)
    (gradient,) = torch.autograd.grad(edge, pred)
    np.testing.assert_allclose(gradient.numpy(), facts[f"{size}/edge_l2_w50_grad"], atol=1e-6)


def test_the_guide_compares_area_means(shared: Path) -> None:
    facts = np.load(shared / "reference/darkir/losses.npz")
    side, target = (torch.from_numpy(facts[f"side/{name}"]).double() for name in ("side", "target"))
    expected = facts["side/l1_side_vs_target_area_down8"]
    assert losses.guide(side, target).item() == pytest.approx(expected, rel=1e-6)


def test_values_of_the_public_frlie_losses(shared: Path) -> None:
    facts = {key: torch.from_numpy(value) for key, value in np.load(shared / "reference/frlie/losses.npz").items()}
    a, b, c, e = (facts[name].double() for name in "abce")
    assert losses.hue(a, b, floor=1e-10).item() == pytest.approx(facts["hue_loss_code"].item(), abs=1e-6)
    colors = facts["special_rgb"].double().T[None, :, None]
    torch.testing.assert_close(hue_degrees(colors, 1e-10)[0, 0], facts["special_hue"].double(), atol=1e-3, rtol=0)
    c.requires_grad_()
    (gradient,) = torch.autograd.grad(losses.hue(c, e, floor=1e-10), c)
    torch.testing.assert_close(gradient, facts["grad_hue_c_wrt_c"].double(), atol=1e-6, rtol=1e-4)
    (gradient,) = torch.autograd.grad(losses.ssim(c, e), c)
    torch.testing.assert_close(gradient, facts["grad_ssimloss_wrt_c"].double(), atol=1e-6, rtol=1e-4)
    assert 1 - losses.ssim(c, e).item() == pytest.approx(facts["ssim_c_e"].item(), abs=3e-6)


def test_every_loss_as_a_module() -> None:
    generator = torch.Generator().manual_seed(8)
    a, b = (torch.rand(1, 3, 16, 24, generator=generator) for _ in range(2))
    for name, function in losses.LOSSES.items():
        if name in ("perceptual", "lpips"):  # they need weights
            continue
        assert losses.Loss(name)(a, b) == function(a, b)
    assert losses.Loss("ssim", window=7)(a, b) == losses.ssim(a, b, window=7) != losses.ssim(a, b)
    assert repr(losses.Loss("ssim", window=7)) == "Loss('ssim', window=7)"
    with pytest.raises(ValueError, match="unknown loss 'sism'"):
        losses.Loss("sism")
