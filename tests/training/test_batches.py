from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from lightwell.data.views import View
from lightwell.errors import RecipeError
from lightwell.training.batches import Batches
from lightwell.training.recipe import Recipe

CPU = torch.device("cpu")


def test_a_batch_depends_on_seed_and_step_alone(recipe: Recipe) -> None:
    batches, again = Batches(recipe, CPU), Batches(recipe, CPU)
    for step in (5, 0, 9):
        low, target, _ = batches[step]
        assert low.shape == target.shape
        assert torch.equal(again[step][0], low)
        assert torch.equal(again[step][1], target)
        assert (low.mean((1, 2, 3)) < target.mean((1, 2, 3)) + 0.05).all()
        assert torch.equal((low * 255).round() / 255, low)
    assert not torch.equal(Batches(replace(recipe, seed=4), CPU)[9][0], batches[9][0])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_set_that_does_not_fit_streams_the_same_batches(recipe: Recipe, workers: int) -> None:
    held = Batches(recipe, CPU)
    streamed = Batches(replace(recipe, memory=5e-6, workers=workers), CPU)
    assert streamed.streams
    assert not held.streams
    for step, (low, target, _) in enumerate(streamed.loader(7), start=7):
        assert torch.equal(low, held[step][0])
        assert torch.equal(target, held[step][1])
    assert step == recipe.steps - 1


def test_processes_share_a_batch(recipe: Recipe) -> None:
    whole = Batches(recipe, CPU)
    shares = [Batches(recipe, CPU, rank, 2) for rank in (0, 1)]
    for step in range(recipe.steps):
        parts = [share[step] for share in shares]
        assert len(parts[0][0]) == len(parts[1][0]) == len(whole[step][0]) // 2
        for side in (0, 1):
            together = torch.cat([part[side] for part in parts])
            # The order differs: real pairs come before synthetic ones in every share.
            keys = {tuple(picture.flatten().tolist()) for picture in whole[step][side]}
            assert {tuple(picture.flatten().tolist()) for picture in together} == keys
    with pytest.raises(RecipeError, match="3 processes cannot share a batch of 4"):
        Batches(recipe, CPU, 0, 3)


def test_sets_are_drawn_by_their_shares(recipe: Recipe, data: Path) -> None:
    for name, value in (("dim", 50), ("bright", 200)):
        for half in ("low", "high"):
            (data / name / half).mkdir(parents=True)
            Image.new("RGB", (8, 8), (value,) * 3).save(data / name / half / "1.png")
    stage = replace(recipe.stages[1], views=(View((8, 8), batch=400),))
    batches = Batches(replace(recipe, stages=(stage,), pairs={"dim": 1.0, "bright": 3.0}), CPU)
    bright = batches[0][1].mean((1, 2, 3)) > 0.5
    assert bright.float().mean().item() == pytest.approx(0.75, abs=0.08)
