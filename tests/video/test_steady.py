"""A film does not flicker, though its noise makes the network's light jump."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import Array, frames, make, scene

from lightwell import Restorer
from lightwell.restoring.strategies import GuidedTiles, LightThenDetail
from lightwell.video import restore_video

RATE = 24
TARGET = scene(96, 128)


def jumpy(picture: Array) -> Array:
    """Exposes for its upper left corner, whose mean goes with the noise."""
    gain = TARGET[:16, :16].mean() / picture[: len(picture) // 6, : picture.shape[1] // 8].mean()
    return np.asarray(picture * gain, np.float32)


def keeps(lit: Array) -> Array:
    return lit[..., :3]


def restorer(identity: Path, strategy: str) -> Restorer:
    """A model of either kind whose networks are known functions."""
    made = Restorer(identity)
    made.strategy = GuidedTiles(jumpy) if strategy == "tiles" else LightThenDetail(jumpy, keeps)
    return made


def noisy(light: Array | float, frame: int) -> Array:
    """Four stops darker, with noise of each frame's own."""
    noise = np.random.default_rng(frame).normal(0, 0.008, TARGET.shape)
    return np.clip(light * 2.0**-4 + noise, 0, 1)


def means(path: Path) -> Array:
    return np.array([frame.to_ndarray(format="rgb48le").mean() / 257 for frame in frames(path)])


def film(path: Path, shows: list[Array]) -> Path:
    """Without loss, so that its noise is known."""
    ticks = 600 // RATE
    times = range(0, len(shows) * ticks, ticks)
    return make(path, lambda k: shows[k], times=times, last=ticks, codec="ffv1", pixels="yuv444p10le", sound=False).path


def one_by_one(model: Restorer, path: Path) -> Array:
    every = [frame.to_ndarray(format="rgb48le") for frame in frames(path)]
    return np.array([model(pixels).mean() / 257 for pixels in every])


@pytest.mark.parametrize("strategy", ["tiles", "light-then-detail"])
def test_no_flicker(tmp_path: Path, identity: Path, strategy: str) -> None:
    model = restorer(identity, strategy)
    old = film(tmp_path / "old.mkv", [noisy(TARGET, frame) for frame in range(2 * RATE)])
    restore_video(old, tmp_path / "new.mkv", model=model)
    assert one_by_one(model, old).std() > 1
    assert means(tmp_path / "new.mkv").std() < 0.3


@pytest.mark.parametrize("strategy", ["tiles", "light-then-detail"])
def test_after_a_cut_nothing_of_the_old_light(tmp_path: Path, identity: Path, strategy: str) -> None:
    model = restorer(identity, strategy)
    other = scene(96, 128, seed=7) * 0.3
    after = [noisy(other, frame) for frame in range(12, 18)]
    both = film(tmp_path / "both.mkv", [noisy(TARGET, frame) for frame in range(12)] + after)
    alone = film(tmp_path / "alone.mkv", after)
    restore_video(both, tmp_path / "new_both.mkv", model=model)
    restore_video(alone, tmp_path / "new_alone.mkv", model=model)
    np.testing.assert_allclose(means(tmp_path / "new_both.mkv")[12:], means(tmp_path / "new_alone.mkv"), atol=0.01)


@pytest.mark.parametrize("strategy", ["tiles", "light-then-detail"])
def test_a_lamp_is_followed_within_half_a_second(tmp_path: Path, identity: Path, strategy: str) -> None:
    model = restorer(identity, strategy)
    lamp = np.linspace(6, 3, 128)[:, None]
    lit = [noisy(TARGET * (lamp if frame >= RATE // 2 else 1), frame) for frame in range(2 * RATE)]
    old = film(tmp_path / "old.mkv", lit)
    restore_video(old, tmp_path / "new.mkv", model=model)
    new, truth = means(tmp_path / "new.mkv"), one_by_one(model, old)
    assert abs(new[RATE : RATE + 4].mean() - truth[RATE:].mean()) < 4
    assert abs(new[RATE // 2] - truth[RATE:].mean()) < 40


def test_what_moves_leaves_no_trail(tmp_path: Path, identity: Path) -> None:
    """Where a bright ball was, the wall looks as if it had never been there."""
    model = Restorer(identity)
    model.strategy = LightThenDetail(lambda thumbnail: np.clip(thumbnail * 4, 0, 1), keeps)
    wall = np.full((96, 128, 3), 0.12)

    def ball(frame: int) -> Array:
        picture = wall.copy()
        picture[40:56, 4 * frame : 4 * frame + 16] = 0.24
        return picture

    old = film(tmp_path / "old.mkv", [ball(frame) for frame in range(24)])
    restore_video(old, tmp_path / "new.mkv", model=model)
    last = frames(tmp_path / "new.mkv")[-1].to_ndarray(format="rgb48le") / 65535
    np.testing.assert_allclose(last[44:52, 8:80], 0.48, atol=0.03)
