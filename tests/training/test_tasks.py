"""What networks of light, then detail are given to learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightwell.data.folders import Pair
from lightwell.data.views import PictureStore, View
from lightwell.errors import RecipeError
from lightwell.models.darkir import DarkIRConfig
from lightwell.models.light_and_detail import Detail, DetailConfig, Light
from lightwell.models.registry import load_weights, register_model
from lightwell.training.batches import Batches
from lightwell.training.loop import train
from lightwell.training.recipe import Recipe, Stage
from lightwell.training.tasks import TASKS

SMALL = DarkIRConfig(width=4, enc_blk_nums=(1,), dec_blk_nums=(1,), dilations=(1,))


@register_model
def tiny_light() -> Light:
    return Light(SMALL)


@register_model
def tiny_detail() -> Detail:
    return Detail(DetailConfig(**vars(SMALL), patch=2, local=True, window=16))


def of(recipe: Recipe, task: str, **changes: object) -> Recipe:
    stage = Stage("only", 30, (View((8, 12), batch=4, zoom=(0.7, 1.0), shaped=True),), {"l1": 1.0}, lr=3e-3, warmup=1)
    stages = (replace(stage, exposure=0.2, tint=0.05),)
    return replace(recipe, model=f"tiny-{task}", task=task, stages=stages, validate_every=15, **changes)  # type: ignore[arg-type]


def test_light_keeps_more_than_eight_bits(tmp_path: Path) -> None:
    """A mean between two levels stays between them: dark pictures consist of little else."""
    low = np.zeros((300, 450, 3), np.uint8)
    low[::2] = 1
    for name, picture in (("low", low), ("high", low * 100)):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    thumbnails = TASKS["light"].load(Pair("x", tmp_path / "low.png", tmp_path / "high.png"))
    assert thumbnails.shape == (100, 150, 6)
    assert float(thumbnails[..., :3].float().mean()) == pytest.approx(0.5 / 255, rel=1e-2)


def test_detail_is_lit_by_the_targets_own_thumbnail(tmp_path: Path) -> None:
    scene = np.random.default_rng(0).integers(40, 200, (40, 60, 3)).repeat(4, 0).repeat(4, 1)
    for name, picture in (("low", scene // 4), ("high", scene)):
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / f"{name}.png")
    item = TASKS["detail"].load(Pair("x", tmp_path / "low.png", tmp_path / "high.png")).float()
    lit, stops, target = item.split([3, 1, 3], 2)
    assert (lit - target).abs().mean() < 0.02
    assert float(stops.mean()) == pytest.approx(2 / 4, abs=0.02)  # four times as dark: two stops, a quarter of it


def test_detail_moves_picture_and_target_together() -> None:
    low, target = torch.full((1, 4, 2, 2), 0.2), torch.full((1, 3, 2, 2), 0.3)
    moved, goal = TASKS["detail"].move(low, target, torch.ones(1), torch.zeros(1, 3))
    torch.testing.assert_close(moved[:, :3], torch.full((1, 3, 2, 2), 0.4))
    torch.testing.assert_close(moved[:, 3:], low[:, 3:])
    torch.testing.assert_close(goal, torch.full((1, 3, 2, 2), 0.6))


def test_sets_that_were_made_keep_their_exposure(recipe: Recipe) -> None:
    moving = Batches(of(recipe, "light"), torch.device("cpu"))[3]
    steady = Batches(of(recipe, "light", steady=("pairs",)), torch.device("cpu"))[3]
    assert torch.equal(moving.target, steady.target)
    assert not torch.allclose(moving.low, steady.low, atol=1e-3)


def test_shaped_cuts_squeeze_nothing() -> None:
    """A portrait picture's columns are twice as bright each: their ratio survives in a landscape cut."""
    ramp = (torch.arange(60) + 1)[None, :, None].expand(120, 60, 3).to(torch.uint8)
    cut = PictureStore([ramp]).cut(
        torch.zeros(1, dtype=torch.long), View((20, 30), 1, zoom=(1.0, 1.0), shaped=True), torch.full((1, 8), 0.7)
    )
    np.testing.assert_allclose(cut[0, 0, 0] * 255, np.arange(1.5, 60, 2), atol=1e-4)


@pytest.mark.parametrize("task", ["light", "detail"])
def test_a_run_of_each_task_learns_and_resumes_exactly(recipe: Recipe, tmp_path: Path, task: str) -> None:
    whole = of(recipe, task)
    best = train(whole, tmp_path / "whole")
    assert isinstance(load_weights(best), Light if task == "light" else Detail)
    with pytest.raises(KeyboardInterrupt):
        train(whole, tmp_path / "part", report=lambda progress: stop(progress.step))
    train(whole, tmp_path / "part", resume=True)
    states = [load_weights(tmp_path / name / "last.safetensors").state_dict() for name in ("whole", "part")]
    assert all(torch.equal(a, states[1][key]) for key, a in states[0].items())
    log = (tmp_path / "whole" / "log.csv").read_text().splitlines()
    losses = [float(line.split(",")[2]) for line in log[1:]]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def stop(step: int) -> None:
    if step == 12:
        raise KeyboardInterrupt


def test_tasks_that_do_not_exist_or_fit_are_refused(recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match="there is no task 'lihgt': did you mean 'light'"):
        replace(recipe, task="lihgt")
    with pytest.raises(RecipeError, match="takes pairs only"):
        replace(recipe, task="light")  # its first stage degrades photographs on the fly
    with pytest.raises(RecipeError, match="set of pairs"):
        replace(recipe, steady=("nights",))
