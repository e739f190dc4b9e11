"""The light of a film over time, with guides whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from lightwell.pictures.space import linear_to_srgb, srgb_to_linear
from lightwell.restoring.sequence import relit, steady
from lightwell.restoring.strategies import Guide

Array = np.ndarray
RATE = 30
SIZE = (540, 960)


def scene(seed: int, rows: int = 27, columns: int = 48) -> Array:
    """Patches of light and dark, in [0.2, 0.8]."""
    patches = np.random.default_rng(seed).uniform(0.2, 0.8, (rows // 3, columns // 3, 3))
    return patches.repeat(3, 0).repeat(3, 1).astype(np.float32)


def lit(befores: list[Array], afters: list[Array], times: list[float] | None = None) -> list[Array]:
    """What the guides of a film's frames become."""
    pairs = zip(befores, afters, strict=True)
    guides = [Guide(SIZE, before.astype(np.float32), after.astype(np.float32)) for before, after in pairs]
    at = times or [frame / RATE for frame in range(len(guides))]
    changes = list(steady(zip(at, guides, strict=True)))
    return [relit(guide, change).after for guide, change in zip(guides, changes, strict=True)]


def levels(frames: list[Array]) -> Array:
    return np.array([255 * frame.mean() for frame in frames])


@pytest.mark.parametrize("rate", [12, 30, 60])
def test_light_that_jumps_from_frame_to_frame_is_steady(rate: int) -> None:
    rng = np.random.default_rng(1)
    target = scene(0)
    dark = [target / 10 + rng.normal(0, 0.001, target.shape) for _ in range(3 * rate)]
    jumping = [target * 2 ** rng.normal(0, 0.025) for _ in dark]
    assert levels(jumping).std() > 1.5
    smooth = levels(lit(dark, jumping, [frame / rate for frame in range(3 * rate)]))
    assert smooth.std() < 0.3
    assert np.diff(smooth).std() < 0.2
    assert smooth.mean() == pytest.approx(levels(jumping).mean(), abs=1)


def test_a_camera_that_moves_leaves_the_exposure_as_it_is() -> None:
    """Over a scene that gets brighter, under light that a network finds by the mean of what it sees."""
    wide = scene(2, 27, 144) * np.linspace(0.6, 1.1, 144)[:, None]
    views = [wide[:, frame : frame + 48] for frame in range(90)]
    dark = [linear_to_srgb(srgb_to_linear(view) / 16) for view in views]
    by_mean = [view * 0.45 / view.mean() for view in views]
    wrong = levels(by_mean) - levels(views)
    assert wrong.std() > 5
    assert (levels(lit(dark, by_mean)) - levels(views)).std() < wrong.std() / 5


def test_a_film_whose_light_is_found_the_same_each_time_stays() -> None:
    target = scene(0)
    for after in lit([target / 8] * 5, [target] * 5):
        np.testing.assert_allclose(after, target, atol=1e-5)


def test_nothing_is_left_of_the_old_light_at_a_cut() -> None:
    old, new = scene(0), scene(5) / 2
    afters = lit([old / 16] * 20 + [new / 2] * 5, [old] * 20 + [new] * 5)
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
    afters = lit(frames, [target] * 60)
    assert np.abs(levels([after - target for after in afters[45:]])).max() < 4
    assert np.abs(np.log2(afters[45] / target)).mean() < 0.1


def test_light_does_not_come_before_its_lamp() -> None:
    """The room is darker before, and stays as dark as the network finds it to the last frame."""
    target = scene(0)
    afters = lit([target / 40] * 30 + [target / 10] * 30, [target / 2] * 30 + [target] * 30)
    np.testing.assert_allclose(levels(afters[:30]), levels([target / 2])[0], atol=0.5)
    np.testing.assert_allclose(levels(afters[30:]), levels([target])[0], atol=0.5)


def test_a_film_that_fades_is_followed() -> None:
    """By two stops in three seconds, which the network makes up for."""
    target = scene(0) * 0.6
    dark = [linear_to_srgb(srgb_to_linear(target) / 16 * 2 ** (-2 * frame / 90)) for frame in range(90)]
    assert np.abs(levels(lit(dark, [target] * 90)) - levels([target])[0]).max() < 12


def test_noise_alone_is_no_cut() -> None:
    """In a frame as good as black every cell is noise, another each time."""
    rng = np.random.default_rng(4)
    dark = [np.abs(rng.normal(0.004, 0.002, (27, 48, 3))) for _ in range(60)]
    jumping = [np.full((27, 48, 3), 0.3) * 2 ** rng.normal(0, 0.1) for _ in dark]
    smooth = levels(lit(dark, jumping))
    assert smooth[15:].std() < levels(jumping)[15:].std() / 3


def test_what_moves_is_not_smeared() -> None:
    """A guide finer than the cells keeps its own detail: only the light of cells is carried on."""
    rng = np.random.default_rng(6)
    fine = rng.uniform(0.2, 0.4, (96, 192, 3))
    frames = [np.roll(fine, 3 * k, 1) for k in range(20)]
    for after, frame in zip(lit([f / 10 for f in frames], frames), frames, strict=True):
        np.testing.assert_allclose(after, frame, rtol=0.1)
        np.testing.assert_allclose(after[:, 1:] / after[:, :-1], frame[:, 1:] / frame[:, :-1], rtol=0.05)


def test_a_guide_of_another_shape_starts_anew() -> None:
    wide, tall = scene(0), scene(0, 48, 27)
    after = lit([wide / 9, tall / 9], [wide, tall / 2])[-1]
    np.testing.assert_allclose(after, tall / 2, atol=1e-5)


def test_times_that_stand_still_or_go_back_do_no_harm() -> None:
    target = scene(0)
    for after in lit([target / 9] * 5, [target] * 5, [0.0, 0.0, -5.0, 3.0, 3.0]):
        np.testing.assert_allclose(after, target, atol=1e-5)


def test_no_more_than_some_seconds_are_looked_ahead() -> None:
    target = scene(0)
    taken = 0

    def film(step: float) -> Iterator[tuple[float, Guide]]:
        nonlocal taken
        for frame in range(2000):
            taken += 1
            yield frame * step, Guide(SIZE, target / 9, target)

    next(steady(film(1 / RATE)))
    assert taken <= 5 * RATE
    taken = 0
    next(steady(film(0.0)))
    assert taken <= 600
