"""The two networks of light, then detail; zero-initialised layers are randomised where they would hide the rest."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lightwell.data.degrade import to_srgb
from lightwell.models.darkir import DarkIRConfig, DecoderBlock, EncoderBlock, FreMLP, LocalBlock
from lightwell.models.light_and_detail import Detail, DetailConfig, Light, bent, normalise

TINY = DarkIRConfig(width=4, enc_blk_nums=(1, 1, 1), dec_blk_nums=(1, 1, 1), dilations=(1, 4))
PLAIN = DetailConfig(**vars(TINY))
PATCHES = DetailConfig(width=4, enc_blk_nums=(1, 1), dec_blk_nums=(1, 1), dilations=(1, 4), patch=2)
LOCAL = DetailConfig(**{**vars(PATCHES), "local": True, "window": 16})


def randomised(net: nn.Module, seed: int = 0, size: float = 0.2) -> nn.Module:
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, EncoderBlock | DecoderBlock | LocalBlock):
            nn.init.normal_(module.beta, 0, size)
            nn.init.normal_(module.gamma, 0, size)
    nn.init.normal_(net.ending.weight, 0, size)  # type: ignore[union-attr, arg-type]
    return net.eval()


def encoded(linear: float) -> float:
    """sRGB's curve, by hand."""
    return 1.055 * linear ** (1 / 2.4) - 0.055 if linear > 0.0031308 else 12.92 * linear


def test_the_same_scene_at_any_exposure_looks_alike() -> None:
    scene = 0.02 + 0.98 * torch.rand(1, 3, 16, 24)
    bright, stops = normalise(to_srgb(scene * 0.8))
    dark, more = normalise(to_srgb(scene * 0.0125))
    # Six stops apart; the floor of 0.002 under the mean level moves the dark one by 0.06 stops less.
    torch.testing.assert_close(dark, bright, rtol=0.05, atol=0.01)
    assert float((more - stops).mean() * 8) == pytest.approx(6, abs=0.1)


def test_normalised_values_by_hand() -> None:
    # A level whose light's power is 0.208: with the floor 0.21, half of what it is to be, so 2 ^ 2.2 times the light.
    dark = encoded(0.208**2.2)
    normalised, stops = normalise(torch.full((1, 3, 1, 2), dark))
    torch.testing.assert_close(normalised, torch.full((1, 3, 1, 2), encoded((2 * 0.208) ** 2.2)))
    torch.testing.assert_close(stops, torch.full((1, 1, 1, 2), 2.2 / 8))
    # One light among black: power 0.872, mean 0.218 and floor give the gain of 0.42 / 0.22; above white it bends.
    normalised, _ = normalise(torch.tensor([0.0, 0.0, 0.0, encoded(0.872**2.2)]).reshape(1, 1, 1, 4))
    assert float(normalised[0, 0, 0, 3]) == pytest.approx(
        2 - 1 / encoded((0.872 * 0.42 / 0.22) ** 2.2), abs=5e-3
    )  # black counts as 0.0019
    torch.testing.assert_close(normalised[0, 0, 0, :3], torch.zeros(3))


def test_fresh_networks_change_nothing() -> None:
    thumbnail = torch.rand(2, 3, 13, 21)
    normalised, _ = normalise(thumbnail)
    keep = torch.tensor(-4.0).sigmoid()
    torch.testing.assert_close(Light()(thumbnail), normalised + keep * (thumbnail - normalised))
    lit = torch.rand(2, 4, 13, 21)
    torch.testing.assert_close(Detail()(lit), lit[:, :3], rtol=0, atol=0)


def test_what_the_light_keeps_stays_as_it_was() -> None:
    net = randomised(Light(TINY))
    with torch.no_grad():
        net.ending.weight[-1] = 0  # type: ignore[union-attr, index]
        net.ending.bias[-1] = 30.0  # type: ignore[union-attr, index]
    thumbnail = torch.rand(1, 3, 16, 24)
    torch.testing.assert_close(net(thumbnail), thumbnail, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("net", "planes"), [(Light(TINY), 3), (Detail(PLAIN), 4), (Detail(PATCHES), 4), (Detail(LOCAL), 4)]
)
@pytest.mark.parametrize("size", [(1, 1), (1, 48), (7, 5), (32, 48), (33, 17)])
def test_any_size_comes_back_and_every_parameter_learns(net: nn.Module, planes: int, size: tuple[int, int]) -> None:
    randomised(net)
    x = torch.rand(2, planes, *size)
    net.zero_grad()
    out = net(x)
    out.square().mean().backward()
    assert out.shape == (2, 3, *size)
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
    if min(size) > 16:
        silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
        assert silent == []


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_give_numbers(value: float) -> None:
    assert torch.isfinite(randomised(Light(TINY))(torch.full((1, 3, 32, 48), value))).all()


def test_a_fresh_enlargement_draws_no_grid() -> None:
    """The four phases of each enlargement start equal, so an even surface stays even in 2 x 2 cells."""
    net = Detail(PATCHES)
    for up in net.ups:
        features = torch.rand(1, up[0].in_channels, 1, 1).expand(1, -1, 4, 4)  # type: ignore[index]
        grown = up(features)
        torch.testing.assert_close(grown, grown[..., :1, :1].expand_as(grown))


def test_patches_are_taken_for_pixels() -> None:
    """On squares of 2x2 pixels the first convolution is one of 3x3 over the picture dealt into its phases."""
    net = randomised(Detail(PATCHES))
    lit = torch.rand(1, 4, 12, 20)
    kernel = net.intro.weight  # type: ignore[union-attr]
    dealt = kernel.reshape(-1, 4, 3, 2, 3, 2).permute(0, 1, 3, 5, 2, 4).reshape(-1, 16, 3, 3)  # type: ignore[operator]
    expected = F.conv2d(F.pixel_unshuffle(lit, 2), dealt, net.intro.bias, padding=1)  # type: ignore[union-attr, arg-type]
    torch.testing.assert_close(net.intro(lit), expected)  # type: ignore[operator]
    assert net.multiple == 8


def test_patches_are_of_one_pixel_at_least() -> None:
    with pytest.raises(ValueError, match="patch must be positive: 0"):
        DetailConfig(patch=0)


def test_local_blocks_leave_the_spectrum_out() -> None:
    assert not any(isinstance(module, FreMLP) for module in Detail(LOCAL).modules())
    assert any(isinstance(module, FreMLP) for module in Detail(PATCHES).modules())


@pytest.mark.parametrize(("lit", "expected"), [(-0.1, -0.1), (0.7, 0.7), (1.0, 1.0), (2.0, 1.5), (8.0, 1.875)])
def test_light_above_white_is_bent_by_hand(lit: float, expected: float) -> None:
    assert float(bent(torch.tensor(lit))) == pytest.approx(expected)
    shown = torch.tensor([lit, lit, lit, 0.3]).reshape(1, 4, 1, 1).expand(1, 4, 8, 8)
    torch.testing.assert_close(Detail(PATCHES)(shown), torch.full((1, 3, 8, 8), expected))


def test_far_things_do_not_reach_the_attention_of_windows() -> None:
    """What only the attention carries far, as here, stays within a window and the cell beside it."""
    config = DetailConfig(
        width=4, enc_blk_nums=(1, 1), dec_blk_nums=(1, 1), middle_blk_num_enc=0, dilations=(1,), patch=2
    )
    changes = {}
    for window in (0, 32):
        net = randomised(Detail(DetailConfig(**{**vars(config), "local": True, "window": window})))
        lit = torch.rand(1, 4, 128, 128, generator=torch.Generator().manual_seed(1))
        other = lit.clone()
        other[..., 96:] = 0.5
        with torch.inference_mode():
            changes[window] = (net(other) - net(lit))[..., :32].abs().max()
    assert changes[0] > 1e-5
    assert changes[32] < 1e-6


def test_pictures_within_a_window_have_the_means_of_the_whole() -> None:
    whole = randomised(Detail(DetailConfig(**{**vars(PATCHES), "local": True})))
    windowed = Detail(DetailConfig(**{**vars(PATCHES), "local": True, "window": 48})).eval()
    windowed.load_state_dict(whole.state_dict())
    lit = torch.rand(1, 4, 40, 48)
    torch.testing.assert_close(windowed(lit), whole(lit), rtol=0, atol=0)
    with pytest.raises(ValueError, match="window is 0 or at least 8: 4"):
        DetailConfig(**{**vars(PATCHES), "window": 4})
