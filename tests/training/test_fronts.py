"""Training behind a front, with the shipped recipes' stages on tiny networks."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from lightwell import Restorer
from lightwell.data.paired import load_pair
from lightwell.data.public import find_set
from lightwell.data.views import View
from lightwell.errors import RecipeError, WeightsError
from lightwell.export import cached_graph
from lightwell.models import bare, load_weights, with_front
from lightwell.models.drgn import LWDRGN, Critics, LWDRGNConfig
from lightwell.models.frlie import FRLIE, FRLIEConfig
from lightwell.models.light_and_detail import normalise
from lightwell.models.registry import register_model
from lightwell.recipes import load_recipe
from lightwell.training.batches import Batches
from lightwell.training.loop import Run, train
from lightwell.training.recipe import Recipe, check, override

FRONTS = ("normalised", "lit")
CPU = torch.device("cpu")


@register_model
def fronted_frlie() -> FRLIE:
    return FRLIE(FRLIEConfig(width=4, blocks=1))


@register_model
def fronted_drgn() -> LWDRGN:
    return LWDRGN(LWDRGNConfig(width=4, groups=1, blocks=1))


def tiny(recipe: Recipe, shipped: str, model: str) -> Recipe:
    stages = tuple(
        replace(stage, steps=2, warmup=0, views=(View((16, 16), batch=2),)) for stage in load_recipe(shipped).stages
    )
    stages = tuple(replace(stage, synthetic=0) for stage in stages)  # cut before they are dark
    critics = (lambda: Critics(2)) if "drgn" in shipped else None
    return replace(recipe, model=model, stages=stages, critics=critics)


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize(
    ("shipped", "model"),
    [("frlie", "fronted-frlie"), ("drgn-lw", "fronted-drgn"), ("drgn", "fronted-drgn"), ("darkir-m", "tiny")],
)
def test_a_run_behind_a_front_is_a_model_with_that_front(
    recipe: Recipe, shipped: str, model: str, front: str, tmp_path: Path
) -> None:
    fronted = override(tiny(recipe, shipped, model), [f"front={front}"])
    run = tmp_path / "run"
    train(fronted, run)
    net = load_weights(run / "best.safetensors")
    assert type(net) is type(with_front(bare(net), front))
    picture = load_pair(find_set(recipe.data, "held")[0])[..., :3].numpy()
    restored = Restorer(cached_graph(run), device="cpu", tile="off")(picture)
    with torch.inference_mode():
        low = torch.tensor(picture.astype(np.float32) / 255).permute(2, 0, 1)[None]
        expected = net.eval()(low)[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    assert np.abs(restored - expected).max() < 1


def test_a_run_behind_a_front_starts_another_one(recipe: Recipe, tmp_path: Path) -> None:
    lit = override(tiny(recipe, "frlie", "fronted-frlie"), ["front=lit"])
    train(lit, tmp_path / "run")
    start = bare(load_weights(tmp_path / "run" / "best.safetensors")).state_dict()
    begun = Run(replace(lit, front="normalised", start=tmp_path / "run"), CPU)
    assert all(torch.equal(begun.net.state_dict()[key], value) for key, value in start.items())


def test_crops_are_shown_as_the_whole_picture_is(recipe: Recipe) -> None:
    stages = (replace(recipe.stages[1], exposure=1.0),)
    one = replace(recipe, front="normalised", pairs={"held": 1.0}, held_out=(), stages=stages)
    batch = Batches(one, CPU)[0]
    wholes = [load_pair(pair).permute(2, 0, 1)[None].float() / 255 for pair in find_set(recipe.data, "held")]
    shown = torch.cat([normalise(whole[:, :3])[0] for whole in wholes])
    targets = torch.cat([whole[:, 3:] for whole in wholes])

    def places(part: torch.Tensor, pictures: torch.Tensor) -> list[tuple[int, int, int]]:
        return [
            (number, top, left)
            for number, top, left in product(range(len(pictures)), range(9), range(9))
            if torch.allclose(pictures[number, :, top : top + 16, left : left + 16], part, atol=2e-3)
        ]

    for low, target in zip(batch.low, batch.target, strict=True):
        turned = [(low, target), (low.flip(2), target.flip(2))]
        assert any(set(places(a, shown)) & set(places(b, targets)) for a, b in turned)


def test_what_does_not_go_together_is_refused(recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match="front=bright: not like its value now"):
        override(recipe, ["front=bright"])
    with pytest.raises(RecipeError, match=r"stages\.0\.synthetic: a front looks at whole pictures.*set it to 0"):
        check(override(recipe, ["front=normalised"]))
    check(override(recipe, ["front=normalised", "stages.synthetic=0"]))
    other = replace(override(recipe, ["stages.synthetic=0"]), model="light-s", task="light", front="lit")
    with pytest.raises(RecipeError, match="lit goes with the task restoration, not with light"):
        check(other)


def test_a_network_that_no_front_fits_is_refused_before_data_are_read(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="the front lit does not fit Detail"):
        train(override(replace(recipe, model="detail-s"), ["stages.synthetic=0", "front=lit"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()
