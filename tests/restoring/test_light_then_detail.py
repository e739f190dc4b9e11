"""Light, then detail, with networks whose effect is known, and with random ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.transform import resize

from lightwell.models.darkir import DarkIRConfig, DecoderBlock, EncoderBlock, LocalBlock
from lightwell.models.light_and_detail import Detail, DetailConfig, Light
from lightwell.pictures.space import srgb_to_linear
from lightwell.restoring.controls import Controls
from lightwell.restoring.grids import Box, reduce_area
from lightwell.restoring.lighting import light_up
from lightwell.restoring.strategies import Guide, LightThenDetail
from lightwell.restoring.tiles import in_tiles

Array = np.ndarray


def photo() -> Array:
    return resize(data.coffee(), (300, 450), anti_aliasing=True).astype(np.float32)


def psnr(a: Array, b: Array) -> float:
    return float(-10 * np.log10(max(np.mean((np.clip(a, 0, 1) - np.clip(b, 0, 1)) ** 2), 1e-12)))


def run(
    strategy: LightThenDetail,
    picture: Array,
    tile: int | None = None,
    controls: Controls | None = None,
    guide: Guide | None = None,
) -> Array:
    result = np.full_like(picture, np.nan)

    def store(box: Box, part: Array) -> None:
        result[box.top : box.bottom, box.left : box.right] = part

    size = picture.shape[:2]

    def load(rows: slice, columns: slice) -> Array:
        return picture[rows, columns]

    guide = guide or strategy.guide(load, size)
    piecewise = strategy.piecewise(guide, size, controls or Controls())
    in_tiles(load, store, size, piecewise, tile=tile, overlap=strategy.overlap(tile) if tile else 1)
    return result


def brighter(factor: float) -> Callable[[Array], Array]:
    return lambda thumbnail: np.clip(thumbnail * np.float32(factor), 0, 1)


def keeps(lit: Array) -> Array:
    return lit[..., :3]


@settings(deadline=None, max_examples=25)
@given(gain=st.floats(0.5, 8))
def test_a_guide_that_is_so_many_times_the_thumbnail_multiplies_the_picture(gain: float) -> None:
    picture = photo() * np.float32(0.1)
    cells = reduce_area(lambda r, c: picture[r, c], (300, 450), (32, 48))
    lit, _ = light_up(cells, np.float32(gain) * cells).apply(picture, Box(0, 300, 0, 450), (300, 450))
    np.testing.assert_allclose(lit, gain * picture, atol=0.006 * max(gain, 1))


def test_a_picture_whose_guide_is_its_thumbnail_stays() -> None:
    picture = photo()
    restored = run(LightThenDetail(lambda thumbnail: thumbnail, keeps), picture)
    assert psnr(restored, picture) > 60


def test_stops_tell_how_far_a_part_was_lit() -> None:
    cells = np.full((8, 8, 3), 30 / 255, np.float32)
    after = cells.copy()
    after[:, 4:] = (4 * 31 - 1) / 255  # two stops above, counted from one level below black
    stops = light_up(cells, after).stops
    np.testing.assert_allclose(stops[:, 0, 0], 0, atol=0.02)
    np.testing.assert_allclose(stops[:, 7, 0], 2 / 4, atol=0.02)


def test_stops_do_not_tell_how_noisy_the_cells_are() -> None:
    """A network would measure the picture's noise by them, which large pictures do not have in their cells."""
    after = np.full((40, 60, 3), 0.4, np.float32)
    after[:, 30:] = 0.8
    before = after / np.float32(4)
    noisy = before * np.random.default_rng(0).normal(1, 0.1, before.shape).astype(np.float32)
    clean, stops = light_up(before, after).stops, light_up(noisy, after).stops
    assert np.std(np.log2(after / noisy).mean(2)) / 4 > 0.02
    assert np.abs(stops - clean).max() < 0.008


def test_stops_follow_the_edges_of_what_is_lit() -> None:
    after = np.full((40, 60, 3), 0.2, np.float32)
    after[:, 30:] = 0.8
    before = after.copy()
    before[:, :30] /= 4
    stops = light_up(before, after).stops[20, :, 0] * 4
    np.testing.assert_allclose(stops[:29], np.log2(52 / 13.75), atol=0.15)  # (51 + 1) / (12.75 + 1) levels
    np.testing.assert_allclose(stops[31:], 0, atol=0.15)


def test_slopes_are_never_negative() -> None:
    """A guide that turns light and dark around is followed in its means, not in its contrast."""
    cells = np.random.default_rng(0).random((16, 24, 3), np.float32)
    assert light_up(cells, 1 - cells).slope.min() > 0


@pytest.mark.parametrize("tile", [None, 128, 200])
def test_the_lit_picture_does_not_depend_on_the_tiles(tile: int | None) -> None:
    picture = photo() * np.float32(0.2)
    strategy = LightThenDetail(lambda thumbnail: np.sqrt(thumbnail), keeps)
    np.testing.assert_allclose(run(strategy, picture, tile), run(strategy, picture), atol=1e-5)


def random_networks(seed: int) -> LightThenDetail:
    """Networks of the family with random weights, whose detail does as much as trained ones do."""
    torch.manual_seed(seed)
    shape: dict[str, Any] = {"width": 8, "enc_blk_nums": (1, 1), "dec_blk_nums": (1, 1)}
    light, detail = (
        Light(DarkIRConfig(**shape)).eval(),
        Detail(DetailConfig(**shape, patch=2, local=True, window=16)).eval(),
    )
    for net, size in ((light, 0.015), (detail, 0.007)):
        for module in net.modules():
            if isinstance(module, EncoderBlock | LocalBlock | DecoderBlock):
                torch.nn.init.normal_(module.beta, 0, 0.1)
                torch.nn.init.normal_(module.gamma, 0, 0.1)
        torch.nn.init.normal_(net.ending.weight, 0, size)

    def function(net: torch.nn.Module) -> Callable[[Array], Array]:
        def apply(x: Array) -> Array:
            with torch.inference_mode():
                out = net(torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)[None])))
            return out[0].numpy().transpose(1, 2, 0)

        return apply

    return LightThenDetail(function(light), function(detail))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_any_two_tile_sizes_agree_with_random_networks(seed: int) -> None:
    picture = photo() * np.float32(0.15)
    strategy = random_networks(seed)
    preview = run(strategy, picture, controls=Controls(preview=True))
    results = {tile: run(strategy, picture, tile) for tile in (128, 192, 256, None)}
    assert psnr(results[None], preview) < 45  # the detail network does something: the test would see it
    for a in results.values():
        for b in results.values():
            assert psnr(a, b) >= 45


def test_one_guide_lights_the_picture_and_a_given_one_takes_its_place() -> None:
    picture = photo() * np.float32(0.2)
    strategy = LightThenDetail(brighter(3), keeps)
    made = strategy.guide(lambda r, c: picture[r, c], (300, 450))
    np.testing.assert_array_equal(run(strategy, picture, guide=made), run(strategy, picture))
    darker = Guide(made.size, made.before, made.before)
    assert psnr(run(strategy, picture, guide=darker), picture) > 60


def test_strength_has_no_ghost_of_the_dark_picture() -> None:
    """Half strength is the middle of the light, and noise is taken out of it all the same."""
    picture = photo() * np.float32(0.2)
    strategy = LightThenDetail(brighter(4), keeps)
    half = run(strategy, picture, controls=Controls(strength=0.5))
    light = [srgb_to_linear(x).mean() for x in (picture, run(strategy, picture), half)]
    assert light[2] == pytest.approx((light[0] + light[1]) / 2, rel=0.05)
    assert psnr(run(strategy, picture, controls=Controls(strength=0)), picture) > 60


def test_brightness_moves_the_middle_and_leaves_black_and_white() -> None:
    ramp = np.repeat(np.linspace(0, 1, 256, dtype=np.float32)[None, :, None], 3, 2)
    up = Controls(brightness=1.0).tone(ramp)
    assert up[0, 0, 0] == pytest.approx(0, abs=1e-6)
    assert up[0, -1, 0] == pytest.approx(1, abs=1e-5)
    assert (np.diff(up[0, :, 0]) > 0).all()
    # Linear 0.1 at one stop: 2 * 0.1 / (1 + 0.1) = 0.1818.
    at = np.float32([[[0.349190, 0.349190, 0.349190]]])
    np.testing.assert_allclose(srgb_to_linear(Controls(brightness=1.0).tone(at)), 0.181818, atol=1e-4)


def test_warmth_parts_red_and_blue_by_a_stop() -> None:
    gray = np.full((1, 1, 3), 0.02, np.float32)  # so dark that the curve is its slope
    warm = srgb_to_linear(Controls(warmth=1.0).tone(gray))[0, 0]
    assert np.log2(warm[0] / warm[2]) == pytest.approx(1, abs=0.02)
    assert warm[1] == pytest.approx(srgb_to_linear(gray)[0, 0, 1], rel=1e-3)


def test_denoise_goes_from_the_lit_picture_to_the_network_s() -> None:
    picture = photo() * np.float32(0.2)
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 0.05, picture.shape).astype(np.float32)
    strategy = LightThenDetail(brighter(3), lambda lit: lit[..., :3] + grain)
    preview, half, full = (
        run(strategy, picture, controls=controls)
        for controls in (Controls(preview=True), Controls(denoise=0.5), Controls())
    )
    np.testing.assert_array_equal(run(strategy, picture, controls=Controls(denoise=0)), preview)
    np.testing.assert_allclose(half, (preview + full) / 2, atol=1e-6)
    assert (full - preview).std() == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("detail", [keeps, lambda lit: np.minimum(lit[..., :3], 1)], ids=["above white", "at white"])
def test_lamps_do_not_glow(detail: Callable[[Array], Array]) -> None:
    """What is lit far above white and comes back as white moves nothing around it."""
    picture = np.full((96, 96, 3), 0.2, np.float32)
    picture[44, 44] = 1
    strategy = LightThenDetail(brighter(3), detail, thumbnail=12)
    restored, preview = run(strategy, picture), run(strategy, picture, controls=Controls(preview=True))
    assert preview.max() > 1.5
    np.testing.assert_allclose(restored, np.minimum(preview, 1), atol=1e-6)


def test_the_detail_network_has_no_say_about_light() -> None:
    """A change of light that it makes is taken out again."""
    picture = photo() * np.float32(0.2)
    shifted = LightThenDetail(brighter(3), lambda lit: lit[..., :3] * np.float32(1.1) + np.float32(0.05))
    plain = LightThenDetail(brighter(3), keeps)
    a, b = run(shifted, picture, 128), run(plain, picture, 128)
    assert np.abs((a - b).mean((0, 1))).max() < 0.003


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (3, 5), (30, 40), (2, 5000)])
@pytest.mark.parametrize("kind", ["black", "white", "lamp", "noise"])
def test_odd_pictures_give_pictures(shape: tuple[int, int], kind: str) -> None:
    picture = np.zeros((*shape, 3), np.float32)
    if kind == "white":
        picture[:] = 1
    elif kind == "lamp":
        picture[shape[0] // 2, shape[1] // 2] = 1
    elif kind == "noise":
        picture = np.random.default_rng(0).random((*shape, 3), np.float32) * np.float32(0.03)
    restored = run(random_networks(0), picture, 128)
    assert restored.shape == picture.shape
    assert np.isfinite(restored).all()


@pytest.mark.parametrize(
    "wrong", [{"strength": 1.5}, {"brightness": 9}, {"warmth": -2}, {"denoise": float("nan")}, {"strength": "1"}]
)
def test_settings_out_of_range_are_named(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} is between"):
        Controls(**wrong)
