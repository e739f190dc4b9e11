from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from lightwell.data.degrade import Degradation, Shots, degrade, expose, to_linear, to_srgb


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shots(n: int = 1, **given: object) -> Shots:
    """Shots that do nothing but what is given."""
    still = Shots(
        ev=torch.zeros(n),
        shade=torch.zeros(n, 5, 7),
        cast=torch.zeros(n, 3),
        warmth=torch.zeros(n),
        lights=torch.ones(n),
        path=torch.zeros(n, 2, 64),
        defocus=torch.zeros(n),
        shot=torch.zeros(n),
        read=torch.zeros(n),
        quality=torch.zeros(n, dtype=torch.int32),
        seed=torch.arange(n),
        hard=torch.zeros(n),
        grain=torch.zeros(n),
        gray=torch.zeros(n),
        blotches=torch.ones(n),
        bands=torch.zeros(n),
        veil=torch.zeros(n, 3),
    )
    return replace(still, **given)  # type: ignore[arg-type]


def levels(picture: Tensor) -> Tensor:
    return (picture * 255).round()


def photograph(height: int = 48, width: int = 64) -> Tensor:
    """A smooth colourful picture in 8-bit steps."""
    y, x = torch.linspace(0, 3, height)[:, None], torch.linspace(0, 4, width)
    bands = torch.stack(((x + y).sin(), (x - y).cos(), (2 * y).sin().expand(height, width)))
    return levels(bands[None] * 0.4 + 0.5) / 255


def test_nothing_given_changes_nothing() -> None:
    assert torch.equal(levels(degrade(photograph(), shots())), levels(photograph()))


def test_srgb_at_known_points() -> None:
    encoded = torch.tensor([0.0, 0.04045, 0.5, 1.0], dtype=torch.float64)
    linear = torch.tensor([0.0, 0.0031308, 0.21404114, 1.0], dtype=torch.float64)
    torch.testing.assert_close(to_linear(encoded), linear, atol=1e-7, rtol=0)
    torch.testing.assert_close(to_srgb(linear), encoded, atol=1e-6, rtol=0)


def test_one_stop_down_halves_the_light() -> None:
    target = torch.full((1, 3, 4, 4), 188 / 255)  # 0.5029 of linear light
    assert levels(degrade(target, shots(ev=torch.tensor([-1.0])))).unique().tolist() == [137]  # sRGB of 0.2514
    assert levels(expose(target, torch.tensor([-1.0]))).unique().tolist() == [137]


def test_noise_has_the_variance_of_its_formula() -> None:
    target = torch.full((1, 3, 200, 200), 0.5)
    light = to_linear(target).mean().item()
    low = degrade(target, shots(shot=torch.tensor([1e-3]), read=torch.tensor([5e-3])))
    expected = (1e-3 * light + 5e-3**2) ** 0.5
    assert to_linear(low).std().item() == pytest.approx(expected, rel=0.03)
    assert to_linear(low).mean().item() == pytest.approx(light, rel=0.01)


@pytest.mark.parametrize("grain", [0.7, 1.2])
def test_coarse_noise_has_the_same_variance_and_neighbours_that_share_it(grain: float) -> None:
    """Neighbours of noise under a Gaussian window correlate by exp(-1 / (4 sigma ** 2)), those k away by its k * k."""
    gray = torch.full((1, 3, 300, 400), 0.5)
    read = torch.full((1,), 0.01)
    fine, coarse = (
        to_linear(degrade(gray, shots(read=read, grain=torch.full((1,), g)))) - to_linear(gray) for g in (0.0, grain)
    )
    assert float(coarse.var()) == pytest.approx(float(fine.var()), rel=0.05)
    for step in (1, 2):
        for pair in ((coarse[..., step:], coarse[..., :-step]), (coarse[..., step:, :], coarse[..., :-step, :])):
            expected = math.exp(-step * step / (4 * grain**2))
            assert float((pair[0] * pair[1]).mean() / coarse.var()) == pytest.approx(expected, abs=0.03)
    assert abs(float((fine[..., 1:] * fine[..., :-1]).mean() / fine.var())) < 0.02


def test_channels_share_coarse_noise_and_colour_lies_in_wider_blotches() -> None:
    """Of two channels with a share g of noise in common the correlation is g; a mean over both ends leaves the rest."""
    even = torch.full((1, 3, 300, 400), 0.5)
    given = {"grain": [0.6], "gray": [0.8], "blotches": [2.5], "read": [0.01]}
    low = degrade(even, shots(**{name: torch.tensor(value) for name, value in given.items()}))
    noise = (to_linear(low) - to_linear(even))[0]
    assert float(noise.std()) == pytest.approx(0.01, rel=0.05)
    assert float((noise[0] * noise[2]).mean() / noise.var()) == pytest.approx(0.8, abs=0.03)
    colour = noise[0] - noise[2]
    for step in (1, 2, 3):
        expected = math.exp(-step * step / (4 * (0.6 * 2.5) ** 2))
        assert float((colour[:, step:] * colour[:, :-step]).mean() / colour.var()) == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("bands", [0.5, -0.5])
def test_bands_run_along_rows_or_columns(bands: float) -> None:
    """Half of the variance is a band: neighbours 4 pixels along it share exp(-16 / (4 * 8 ** 2)) of that half."""
    even = torch.full((1, 3, 400, 400), 0.5)
    given = {"grain": [0.5], "gray": [1.0], "bands": [bands], "read": [0.01]}
    low = degrade(even, shots(**{name: torch.tensor(value) for name, value in given.items()}))
    noise = (to_linear(low) - to_linear(even))[0, 0]
    noise = noise if bands > 0 else noise.T
    assert float(noise.std()) == pytest.approx(0.01, rel=0.05)
    assert float((noise[:, 4:] * noise[:, :-4]).mean() / noise.var()) == pytest.approx(0.5 * 0.939, abs=0.04)
    assert abs(float((noise[4:] * noise[:-4]).mean() / noise.var())) < 0.04


def test_a_veil_lifts_black_and_half_of_the_pictures_have_none() -> None:
    target = torch.zeros(1, 3, 4, 4)
    low = degrade(target, shots(ev=torch.tensor([-5.0]), veil=torch.tensor([[0.001, 0.002, 0.0]])))
    # Near black sRGB is straight: 12.92 times the light, in levels of 255.
    assert levels(low)[0, :, 0, 0].tolist() == [3, 7, 0]
    plain, drawn = (Degradation(veil=veil).sample(4000, generator()) for veil in (0.0, 0.002))
    assert not plain.veil.any()
    assert float((drawn.veil > 0).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert float(drawn.veil.max()) <= 0.004
    assert torch.equal(plain.seed, drawn.seed)


def test_grain_is_drawn_as_often_as_asked_and_moves_no_other_draw() -> None:
    plain, drawn = (Degradation(grain_chance=chance).sample(4000, generator()) for chance in (0.0, 0.25))
    assert not plain.grain.any()
    assert float((drawn.grain > 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert torch.equal(plain.hard, drawn.hard)
    assert torch.equal(plain.seed, drawn.seed)


def test_louder_noise_reaches_further_and_starts_where_it_did() -> None:
    usual, louder = Degradation(), Degradation().louder(2)
    assert louder.shot == (usual.shot[0], pytest.approx(4 * usual.shot[1]))
    assert louder.read == (usual.read[0], pytest.approx(2 * usual.read[1]))
    # Less than the weakest: that is all there is.
    assert len(set(usual.louder(0.01).shot)) == 1


def test_a_white_balance_error_trades_red_for_blue() -> None:
    target = torch.full((1, 3, 4, 4), 0.5)
    red, green, blue = to_linear(degrade(target, shots(warmth=torch.tensor([1.0]))))[0, :, 0, 0]
    assert torch.log2(red / blue).item() == pytest.approx(1.0, abs=0.02)
    assert green.item() == pytest.approx(to_linear(target).mean().item(), abs=2e-3)


def line(length: float) -> Tensor:
    """A straight path across of a fraction of the longer side."""
    across = torch.linspace(-length / 2, length / 2, 64)
    return torch.stack((torch.zeros(64), across))[None]


def test_motion_spreads_a_dot_along_its_path_and_keeps_its_light() -> None:
    target = torch.zeros(1, 3, 41, 41)
    target[..., 20, 20] = 1
    low = to_linear(degrade(target, shots(path=line(10 / 41))))[0, 0]
    # A path of ten pixels covers about eleven, each with about a tenth of the light.
    assert low.sum().item() == pytest.approx(1.0, abs=0.02)
    assert low[20, 16:25].min() > 0.08
    assert low[:20].max() < 1e-3
    assert low[21:].max() < 1e-3
    assert low[20].sum().item() == pytest.approx(1.0, abs=0.02)
    centre = (low[20] * torch.arange(41)).sum() / low[20].sum()
    assert centre.item() == pytest.approx(20, abs=0.1)


def test_bright_lights_streak_and_grey_dots_do_not() -> None:
    lamp, paper = torch.zeros(1, 3, 41, 41), torch.zeros(1, 3, 41, 41)
    lamp[..., 20, 20], paper[..., 20, 20] = 1, 0.7
    shot = shots(path=line(10 / 41), lights=torch.tensor([8.0]))
    assert to_linear(degrade(lamp, shot))[0, 0, 20, 20].item() == pytest.approx(0.8, abs=0.1)
    assert to_linear(degrade(paper, shot))[0, 0, 20, 20].item() == pytest.approx(0.045, abs=0.01)


def test_defocus_makes_a_disc() -> None:
    target = torch.zeros(1, 3, 41, 41)
    target[..., 20, 20] = 1
    low = to_linear(degrade(target, shots(defocus=torch.tensor([4 / 41]))))[0, 0]
    lit = low > 0.01
    assert lit.sum().item() == pytest.approx(np.pi * 4**2, rel=0.15)
    assert torch.equal(lit, lit.T)
    assert torch.equal(lit, lit.flip(0))


def test_blur_leaves_a_constant_alone_and_does_not_wrap_round() -> None:
    shot = shots(path=line(0.2), defocus=torch.tensor([0.1]))
    flat = torch.full((1, 3, 32, 40), 0.5)
    assert (degrade(flat, shot) - degrade(flat, shots())).abs().max() < 1 / 254
    half = torch.zeros(1, 3, 32, 40)
    half[..., 20:] = 1
    low = degrade(half, shot)
    assert low[..., 0].max() == 0
    assert low[..., -1].min() == 1


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("size", [(48, 64), (37, 51)])
def test_jpeg_is_what_pillow_makes(quality: int, size: tuple[int, int]) -> None:
    target = photograph(*size)
    file = io.BytesIO()
    pixels = levels(target)[0].permute(1, 2, 0).byte().numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=2)
    expected = np.asarray(Image.open(file)).astype(float)
    ours = levels(degrade(target, shots(quality=torch.tensor([quality]))))[0].permute(1, 2, 0).numpy()
    coding = np.abs(expected - pixels).mean()
    assert np.abs(ours - expected).mean() < max(0.4 * coding, 0.8)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5))
def test_a_picture_is_the_same_alone_and_in_a_batch(seed: int, n: int) -> None:
    target = photograph(17, 23).expand(n, -1, -1, -1)
    drawn = Degradation(blur_chance=0.5, defocus_chance=0.5, jpeg_chance=0.5).sample(n, generator(seed))
    together = degrade(target, drawn)
    last = degrade(target[-1:], drawn.take(torch.tensor([n - 1])))
    assert torch.equal(together, degrade(target, drawn))
    # The blur's frame is as large as the batch's longest path, which moves the last digit of its transform.
    assert (levels(together[-1:]) - levels(last)).abs().max() <= 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_draws_stay_in_their_documented_ranges(seed: int) -> None:
    ranges = Degradation(blur_chance=1.0, defocus_chance=1.0, jpeg_chance=1.0)
    drawn = ranges.sample(50, generator(seed))
    for name in ("ev", "shot", "read", "lights"):
        low, high = getattr(ranges, name)
        values = getattr(drawn, name)
        assert (values >= low * (1 - 1e-6) if low > 0 else values >= low).all()
        assert (values <= high * (1 + 1e-6)).all()
    assert drawn.cast.abs().max() <= ranges.cast
    assert drawn.warmth.abs().max() <= ranges.warmth
    assert drawn.defocus.max() <= ranges.defocus
    steps = drawn.path.diff(dim=2).norm(dim=1).sum(1)
    assert steps.max() <= ranges.blur * (1 + 1e-6)
    assert set(drawn.quality.tolist()) <= set(range(ranges.quality[0], ranges.quality[1] + 1))


def test_straight_paths_are_straight_and_others_are_not() -> None:
    def bend(straight: float) -> Tensor:
        steps = Degradation(straight=straight, blur_chance=1.0).sample(20, generator()).path.diff(dim=2)
        return torch.nn.functional.cosine_similarity(steps[..., :1], steps[..., -1:], dim=1).min()

    assert bend(1.0) > 0.999
    assert bend(0.0) < 0.9


def test_the_result_is_in_8_bit_steps_and_darker() -> None:
    target = photograph().expand(6, -1, -1, -1)
    low = degrade(target, Degradation().sample(6, generator(4)))
    assert torch.equal(low, levels(low) / 255)
    assert (low.mean((1, 2, 3)) < target.mean((1, 2, 3))).all()


def test_shade_darkens_by_its_stops() -> None:
    target = torch.full((1, 3, 20, 28), 0.8)

    dark = degrade(target, shots(1, shade=torch.full((1, 5, 7), -1.0)))

    # Half the light: sRGB 0.8 is 0.6038 in linear light, and 0.3019 is sRGB 0.5860.
    torch.testing.assert_close(dark, torch.full_like(target, 0.5860), atol=1 / 255, rtol=0)


def test_shade_lies_on_parts_of_the_picture() -> None:
    shade = torch.zeros(1, 5, 7)
    shade[:, :, 4:] = -3.0

    dark = degrade(torch.full((1, 3, 20, 28), 0.8), shots(1, shade=shade))

    assert dark[..., 2].mean() == pytest.approx(0.8, abs=0.01)
    assert dark[..., -3].mean() < 0.35
