"""Everything that is wrong with a recipe is told at once, before data are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lightwell.errors import RecipeError
from lightwell.recipes import list_recipes, load_recipe
from lightwell.training.checks import faults
from lightwell.training.loop import train
from lightwell.training.recipe import Recipe, override


@pytest.mark.parametrize("name", list_recipes())
def test_shipped_recipes_have_no_faults(name: str) -> None:
    assert faults(load_recipe(name)) == []


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("stages.lr=-1", "stages.0.lr: above 0, not -1"),
        ("stages.1.lr_end=-1.0", "stages.1.lr_end: 0 or more"),
        ("stages.views.batch=0", "stages.0.views.0.batch: from 1 to 65536"),
        ("stages.views.size=(0,0)", "stages.0.views.0.size: from 1 to 65536"),
        ("stages.0.views.0.zoom=(0.9,0.2)", "stages.0.views.0.zoom: two ends, the lower one first"),
        ("stages.views.sampling=linear", "sampling=linear: not like its value now, 'nearest'; takes area or nearest"),
        ("stages.views.weight=0", "stages.0.views.weight: all are 0"),
        ("stages.synthetic=2", "stages.0.synthetic: from 0 to 1"),
        ("stages.losses.l1=inf", "not like"),
        ("stages.decay=(0.5, 0)", "stages.0.decay: above 0"),
        ("save_every=0", "save_every: 1 or more"),
        ("clip=-1", "clip: above 0"),
        ("betas=(0.9, 1.0)", "betas: from 0 to below 1"),
        ("seed=-3", "seed: from 0"),
        ("pairs={}", "pairs: at least one set"),
        ("pairs={'a': -1.0}", "pairs: shares are positive"),
        ("degradation.quality=(10, 300)", "degradation.quality: from 1 to 100"),
        ("degradation.shot=(1e-3, 1e-5)", "degradation.shot: two ends"),
        ("degradation.blur=nan", "not like"),
        # What has no value by default is of a type all the same, and a list of its length.
        ("stages.lr_end=abc", "lr_end=abc: not like its value now, None; takes a number or None"),
        ("stages.decay=3", "takes (a number, a whole number) or None"),
        ("stages.views.zoom=(0.5,)", "takes (a number, a number) or None"),
        ("betas=(0.9, 0.9, 0.9)", "takes (a number, a number)"),
    ],
)
def test_a_wrong_setting_is_told(recipe: Recipe, setting: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        train(replace(override(recipe, [setting]), data=tmp_path / "nothing"), tmp_path / "run")
    assert words in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_all_that_is_wrong_is_told_at_once(recipe: Recipe) -> None:
    with pytest.raises(RecipeError) as caught:
        override(recipe, ["sede=1", "clip=high", "stages.lrr=2"])
    assert all(words in str(caught.value) for words in ("'sede'", "clip=high", "'lrr'"))
    wrong = replace(override(recipe, ["clip=-1", "stages.lr=0", "workers=-1"]), model="tyni")
    assert len(faults(wrong)) == 5


def test_types_are_checked_in_recipes_that_are_files(recipe: Recipe) -> None:
    wrong = replace(recipe, seed="1", clip=None, pairs={"pairs": "much"}, held_out=["held"])  # type: ignore[arg-type]
    assert {fault.partition(":")[0] for fault in faults(wrong)} == {"seed", "clip", "pairs", "held_out"}
