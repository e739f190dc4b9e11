"""The stages of DRGN's recipes on tiny networks and synthetic pairs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lightwell.data.views import View
from lightwell.models import create_model
from lightwell.models.drgn import DRGN, LWDRGN, Critics, DRGNConfig, LWDRGNConfig
from lightwell.models.registry import register_model
from lightwell.recipes import load_recipe
from lightwell.training.batches import Batches
from lightwell.training.loop import Run, train
from lightwell.training.objectives import criticise_degradation, degradation, refinement
from lightwell.training.recipe import Batch, Nets, Recipe

CPU = torch.device("cpu")


@register_model
def drgn_tiny() -> DRGN:
    return DRGN(DRGNConfig(width=6, blocks=(1, 1, 1), reduction=1))


@register_model
def drgn_lw_tiny() -> LWDRGN:
    return LWDRGN(LWDRGNConfig(width=6, groups=2, blocks=1, reduction=1))


def shrunk(recipe: Recipe, shipped: str) -> Recipe:
    """A shipped recipe's stages on a tiny network and tiny pictures."""
    whole = load_recipe(shipped)
    stages = tuple(
        replace(stage, steps=30, lr=3e-3, lr_end=None, decay=None, warmup=0, views=(View((16, 16), batch=4),))
        for stage in whole.stages
    )
    return replace(
        recipe,
        model=f"{whole.model}-tiny",
        critics=partial(Critics, 4),
        stages=stages,
        betas=whole.betas,
        weight_decay=0.0,
    )


@pytest.fixture(params=["drgn", "drgn-lw"])
def small(recipe: Recipe, request: pytest.FixtureRequest) -> Recipe:
    return shrunk(recipe, request.param)


def at_stage(recipe: Recipe, number: int) -> Run:
    run = Run(recipe, CPU)
    run.step = sum(stage.steps for stage in recipe.stages[:number])
    return run


def state(run: Run) -> dict[str, torch.Tensor]:
    assert run.critics is not None
    critics = {f"critics.{key}": value for key, value in run.critics.state_dict().items()}
    return {key: value.clone() for key, value in (run.net.state_dict() | critics).items()}


def test_each_stage_teaches_its_parts_and_no_other(small: Recipe) -> None:
    for number in range(len(small.stages)):
        run = at_stage(small, number)
        for name, parameter in run.net.named_parameters():  # an attention's few hidden units may be dead at first
            if name.endswith("squeeze.bias"):
                torch.nn.init.ones_(parameter)
        batches = Batches(small, CPU)
        parts = ("degrade.", "critics.") if number == 0 else ("refine.",)
        before = state(run)
        for _ in range(2):
            run.update(batches[run.step])
        after = state(run)
        for key, value in before.items():
            assert torch.equal(value, after[key]) != key.startswith(parts), (number, key)


def test_the_refinement_stages_lower_their_losses(small: Recipe) -> None:
    for number in range(1, len(small.stages)):
        run = at_stage(small, number)
        batch = Batches(small, CPU)[run.step]
        assert (batch.reference is not None) == small.stages[number].references
        losses = [run.update(batch)["charbonnier"] for _ in range(25)]
        assert losses[-1] < 0.8 * losses[0]


def test_the_degradation_stage_brings_the_degradations_of_dark_and_made_pictures_together(recipe: Recipe) -> None:
    small = shrunk(recipe, "drgn")
    run = at_stage(small, 0)
    batch = Batches(small, CPU)[0]
    losses = [run.update(batch)["kl"] for _ in range(25)]
    assert losses[-1] < 0.2 * losses[0]


def test_the_added_term_brightens_the_base(recipe: Recipe) -> None:
    small = shrunk(recipe, "drgn-lw")
    run = at_stage(small, 0)
    batch = Batches(small, CPU)[0]
    losses = [run.update(batch)["base"] for _ in range(30)]
    assert losses[-1] < 0.6 * losses[0]
    assert isinstance(run.net, LWDRGN)
    assert run.net.degrade is not None
    with torch.no_grad():
        assert run.net.degrade(batch.low).mean() < -0.1


def test_discriminators_learn_to_tell_dark_pictures_from_made_ones(recipe: Recipe) -> None:
    torch.manual_seed(0)
    net, critics = drgn_lw_tiny(), Critics(8)
    batch = Batches(shrunk(recipe, "drgn-lw"), CPU)[0]
    assert batch.reference is not None
    assert net.degrade is not None
    optimizer = torch.optim.Adam(critics.parameters(), 2e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        value = criticise_degradation(Nets(net, critics), batch, {"critics": 1.0})["critics"]
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[0] == pytest.approx(4 * 0.6931, abs=0.05)  # undecided: four times ln 2
    assert losses[-1] < 0.7 * losses[0]
    assert all(parameter.grad is None for parameter in net.parameters())
    with torch.no_grad():
        # References under the untrained generator's degradation are as bright as before.
        assert critics.low(batch.low).min() > critics.low((batch.reference + net.degrade(batch.low)).clamp(0, 1)).max()


def test_losses_of_both_kinds_of_pairs_are_added() -> None:
    torch.manual_seed(0)
    net = drgn_lw_tiny().eval()
    low, target, reference = (torch.rand(2, 3, 12, 16) for _ in range(3))
    weights = {"charbonnier": 1.0, "ssim": 0.2}
    assert net.degrade is not None
    with torch.no_grad():
        found = net.degrade(low)
        own = refinement(Nets(net), Batch(low, target), weights)
        # The second kind of pair by itself: its dark picture is the reference plus the first kind's degradation.
        made = (reference + found).clamp(0, 1)
        other = refinement(Nets(net), Batch(made, reference), weights)
        both = refinement(Nets(net), Batch(low, target, reference), weights)
    assert both.keys() == weights.keys()
    for name in weights:
        torch.testing.assert_close(both[name], own[name] + other[name])


def test_the_first_stages_losses_are_what_they_say() -> None:
    torch.manual_seed(0)
    net, critics = drgn_lw_tiny().eval(), Critics(4)
    batch = Batch(*(torch.rand(2, 3, 12, 16) for _ in range(3)))
    names = ("adversarial", "kl", "kl_elements", "base")
    values = degradation(Nets(net, critics), batch, dict.fromkeys(names, 1.0))
    assert set(values) == set(names)
    assert net.degrade is not None
    assert batch.reference is not None
    found = net.degrade(batch.low)
    made = (batch.reference + found).clamp(0, 1)
    chances = torch.sigmoid(critics.low(made)), torch.sigmoid(critics.degradation(net.degrade(made)))
    torch.testing.assert_close(values["adversarial"], -sum(chance.log().mean() for chance in chances))
    error = batch.low - found - batch.target
    torch.testing.assert_close(values["base"], (error**2 + 1e-6).sqrt().mean())
    assert set(degradation(Nets(net, critics), batch, {"kl": 1.0})) == {"kl"}
    # Every term reaches the generator, through the clip and the frozen discriminators.
    for name in names:
        gradient = torch.autograd.grad(values[name], net.degrade.reconstruct.bias, retain_graph=True)[0]
        assert gradient.abs().max() > 0, name


@pytest.mark.parametrize("shipped", ["drgn", "drgn-lw"])
def test_resuming_in_the_middle_of_the_second_stage_equals_a_run_that_never_stopped(
    recipe: Recipe, shipped: str, tmp_path: Path
) -> None:
    small = shrunk(recipe, shipped)
    small = replace(small, stages=tuple(replace(stage, steps=3) for stage in small.stages[:2]), held_out=())
    train(small, tmp_path / "whole")
    for resume in (False, True, True, True, True, True):  # a step each
        train(small, tmp_path / "parts", minutes=0, resume=resume)
    first, second = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert first.keys() == create_model(f"{shipped}-tiny").state_dict().keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_the_ablation_without_degradation_learns_from_the_dark_pictures_alone(recipe: Recipe) -> None:
    whole = load_recipe("drgn-one-step")
    assert whole.critics is None
    (stage,) = whole.stages
    assert not stage.references
    net = DRGN(DRGNConfig(width=4, blocks=(1, 1), reduction=1, degradation=False))
    batch = Batches(shrunk(recipe, "drgn"), CPU)[0]
    losses = stage.turns[0].objective(Nets(net), batch, stage.losses)
    torch.stack(list(losses.values())).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_the_schedule_is_the_papers() -> None:
    paper = load_recipe("drgn")
    # 480 pictures of 4 x 6 patches, in batches of 16: 720 steps an epoch.
    assert [stage.steps for stage in paper.stages] == [20 * 720, 40 * 720]
    assert [stage.lr for stage in paper.stages] == [5e-4, 5e-4]
    assert all(stage.decay == (0.9, 6000) for stage in paper.stages)
    assert {view.batch for stage in paper.stages for view in stage.views} == {16}
    assert paper.stages[0].losses["adversarial"] / paper.stages[0].losses["kl"] == 1e-5
