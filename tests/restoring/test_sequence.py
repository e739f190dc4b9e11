"""The light of a film over time, with guides whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from lightwell.restoring.sequence import SteadyLight
from lightwell.restoring.strategies import Guide

Array = np.ndarray
RATE = 30
SIZE = (540, 960)


def scene(seed: int, rows: int = 27, columns: int = 48) -> Array:
    """Patches of light and dark, in [0.2, 0.8]."""
    patches = np.random.default_rng(seed).uniform(0.2, 0.8, (rows // 3, columns // 3, 3))
    return patches.repeat(3, 0).repeat(3, 1).astype(np.float32)


def steady(befores: list[Array], afters: list[Array], rate: int = RATE) -> list[Array]:
    light = SteadyLight()
    return [
        light(Guide(SIZE, before.astype(np.float32), after.astype(np.float32)), frame / rate).after
        for frame, (before, after) in enumerate(zip(befores, afters, strict=True))
    ]


def levels(frames: list[Array]) -> Array:
    return np.array([255 * frame.mean() for frame in frames])


@pytest.mark.parametrize("rate", [12, 30, 60])
def test_light_that_jumps_from_frame_to_frame_is_steady(rate: int) -> None:
    rng = np.random.default_rng(1)
    target = scene(0)
    dark = [target / 10 + rng.normal(0, 0.001, target.shape) for _ in range(3 * rate)]
    jumping = [target * 2 ** rng.normal(0, 0.025) for _ in dark]
    assert levels(jumping).std() > 1.5
    # Of the first frame's light some is left for a while.
    smooth = levels(steady(dark, jumping, rate))
    assert smooth[rate:].std() < 0.3
    assert np.diff(smooth)[rate:].std() < 0.2
    assert smooth.mean() == pytest.approx(levels(jumping).mean(), abs=1)


def test_a_film_whose_light_is_found_the_same_each_time_stays() -> None:
    target = scene(0)
    for after in steady([target / 8] * 5, [target] * 5):
        np.testing.assert_allclose(after, target, atol=1e-5)


def test_nothing_is_left_of_the_old_light_at_a_cut() -> None:
    old, new = scene(0), scene(5) / 2
    afters = steady([old / 16] * 20 + [new / 2] * 5, [old] * 20 + [new] * 5)
    for after in afters[20:]:
        np.testing.assert_allclose(after, new, atol=1e-5)


@pytest.mark.parametrize("stops", [1.0, 2.0, 4.0])
def test_a_lamp_is_followed_within_half_a_second(stops: float) -> None:
    """It lights the whole room, more on one side; the network undoes that, as exposure does."""
    target = scene(0)
    lamp = 2 ** (stops * np.linspace(1, 0.5, 48)[:, None])
    dark = target / 40
    rng = np.random.default_rng(3)
    frames = [dark * (lamp if frame >= 30 else 1) + rng.normal(0, 0.0005, target.shape) for frame in range(60)]
    afters = steady(frames, [target] * 60)
    assert np.abs(levels([after - target for after in afters[45:]])).max() < 4
    assert np.abs(np.log2(afters[45] / target)).mean() < 0.1


def test_a_lamp_is_no_cut_and_a_cut_is_none_of_exposure() -> None:
    """After a lamp the light still has what was learnt of it; after a cut it is the new frame's alone."""
    target = scene(0)
    lamp = 2.0 ** np.linspace(2, 1, 48)[:, None]
    odd = [target] * 30 + [target * 1.2]
    after_lamp = steady([target / 20] * 30 + [target / 20 * lamp], odd)[-1]
    assert np.abs(after_lamp / odd[-1] - 1).mean() > 0.02
    other = scene(9)
    other *= target.mean() / other.mean()
    after_cut = steady([target / 20] * 30 + [other / 20], [target] * 30 + [other * 1.2])[-1]
    np.testing.assert_allclose(after_cut, np.minimum(other * 1.2, 1), atol=1e-5)


def test_noise_alone_is_no_cut() -> None:
    """In a frame as good as black every cell is noise, another each time."""
    rng = np.random.default_rng(4)
    dark = [np.abs(rng.normal(0.004, 0.002, (27, 48, 3))) for _ in range(60)]
    jumping = [np.full((27, 48, 3), 0.3) * 2 ** rng.normal(0, 0.1) for _ in dark]
    smooth = levels(steady(dark, jumping))
    assert smooth[15:].std() < levels(jumping)[15:].std() / 3


def test_what_moves_is_not_smeared() -> None:
    """A guide finer than the cells keeps its own detail: only the light of cells is carried on."""
    rng = np.random.default_rng(6)
    fine = rng.uniform(0.2, 0.4, (96, 192, 3))
    frames = [np.roll(fine, 3 * k, 1) for k in range(20)]
    for after, frame in zip(steady([f / 10 for f in frames], frames), frames, strict=True):
        np.testing.assert_allclose(after, frame, rtol=0.1)
        np.testing.assert_allclose(after[:, 1:] / after[:, :-1], frame[:, 1:] / frame[:, :-1], rtol=0.05)


def test_a_guide_of_another_shape_starts_anew() -> None:
    light = SteadyLight()
    wide, tall = scene(0), scene(0, 48, 27)
    light(Guide(SIZE, wide / 9, wide), 0.0)
    np.testing.assert_allclose(light(Guide(SIZE[::-1], tall / 9, tall / 2), 1 / 30).after, tall / 2, atol=1e-5)


def test_times_that_stand_still_or_go_back_do_no_harm() -> None:
    light = SteadyLight()
    target = scene(0)
    for seconds in (0.0, 0.0, -5.0, 3.0, 3.0):
        after = light(Guide(SIZE, target / 9, target), seconds).after
        np.testing.assert_allclose(after, target, atol=1e-5)
