from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lightwell.data.views import View
from lightwell.models.frlie import FRLIE, FRLIEConfig
from lightwell.models.registry import register_model
from lightwell.recipes.frlie import recipe as shipped
from lightwell.recipes.frlie_whole import recipe as whole
from lightwell.training.batches import Batches
from lightwell.training.loop import Run, train
from lightwell.training.recipe import Recipe

CPU = torch.device("cpu")


@register_model
def frlie_tiny() -> FRLIE:
    return FRLIE(FRLIEConfig(width=4, blocks=1))


@pytest.fixture
def small(recipe: Recipe) -> Recipe:
    """The shipped recipe's stages on a tiny network and tiny pictures."""
    stages = tuple(
        replace(stage, steps=30, lr=2e-3, lr_end=2e-3, warmup=0, views=(View((16, 16), batch=4),))
        for stage in shipped.stages
    )
    return replace(recipe, model="frlie-tiny", stages=stages, betas=shipped.betas, weight_decay=0.0)


def at_stage(recipe: Recipe, number: int) -> Run:
    run = Run(recipe, CPU)
    run.step = sum(stage.steps for stage in recipe.stages[:number])
    return run


@pytest.mark.parametrize("number", range(len(shipped.stages)))
def test_each_stage_learns_its_parts_and_no_other(small: Recipe, number: int) -> None:
    run = at_stage(small, number)
    before = {key: value.clone() for key, value in run.net.state_dict().items()}
    run.update(Batches(small, CPU)[run.step])
    learnt = {key for key, value in run.net.state_dict().items() if not torch.equal(value, before[key])}
    parts = ("encoder.", "decoder.") if number == 0 else ("feature_processor.",)
    for key in before:
        # In the first stage running statistics move too; in the others, encoder and decoder keep theirs.
        assert (key in learnt) == key.startswith(parts), key
    for name, parameter in run.net.named_parameters():
        assert (parameter.grad is not None) == name.startswith(parts), name


@pytest.mark.parametrize("number", range(len(shipped.stages)))
def test_each_stage_lowers_its_loss(small: Recipe, number: int) -> None:
    run = at_stage(small, number)
    batch = Batches(small, CPU)[run.step]
    losses = [run.update(batch)["loss"] for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]


def test_resuming_in_the_second_stage_equals_a_run_that_never_stopped(small: Recipe, tmp_path: Path) -> None:
    small = replace(small, stages=tuple(replace(stage, steps=3) for stage in small.stages[:2]), held_out=())
    train(small, tmp_path / "whole")
    for resume in (False, True, True, True, True, True):
        train(small, tmp_path / "parts", minutes=0, resume=resume)
    first, second = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_the_ablation_trains_the_whole_network_at_once(small: Recipe) -> None:
    stages = tuple(replace(stage, views=(View((16, 16), batch=4),)) for stage in whole.stages)
    ablation = replace(small, stages=stages)
    run = Run(ablation, CPU)
    numbers = run.update(Batches(ablation, CPU)[0])
    assert "features" not in numbers
    assert all(parameter.grad is not None for parameter in run.net.parameters())
