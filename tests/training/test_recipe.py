from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lightwell.errors import RecipeError
from lightwell.models import list_models
from lightwell.recipes import list_recipes, load_recipe
from lightwell.training.recipe import Recipe, override


def test_settings_reach_everything(recipe: Recipe) -> None:
    changed = override(
        recipe,
        [
            "seed=7",
            "data=elsewhere",
            "start=weights.safetensors",
            "clip=2",
            "compile=true",
            "stages.1.lr_end=1e-6",
            "stages.views.batch=8",
            "stages.0.views.0.zoom=(0.5, 0.75)",
            "stages.0.losses.edge=10",
            "degradation.blur_chance=0.5",
            "precision=bfloat16",
        ],
    )
    assert (changed.seed, changed.data, changed.start) == (7, Path("elsewhere"), Path("weights.safetensors"))
    assert (changed.clip, changed.compile, changed.precision) == (2.0, True, "bfloat16")
    assert [view.batch for stage in changed.stages for view in stage.views] == [8, 8, 8]
    assert changed.stages[0].views[0].zoom == (0.5, 0.75)
    assert changed.stages[0].losses == {"l1": 1.0, "edge": 10.0, "guide": 0.2}
    assert (changed.stages[1].lr_end, changed.stages[0].lr_end) == (1e-6, None)
    assert changed.degradation.blur_chance == 0.5
    assert override(changed, []) == changed


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("sede=7", "did you mean 'seed'"),
        ("stages.lrr=1", "setting of a Stage 'lrr': did you mean 'lr'"),
        ("stages.0.view.batch=1", "did you mean 'views'"),
        ("stages.5.lr=1", "choose from 0, 1"),
        ("seed", "key=value"),
        ("seed=much", "seed=much: not like its value now, 3"),
        ("seed=1.5", "not like"),
        ("stages.0.views=3", "not like"),
        ("stages=()", "not like"),
        ("clip=high", "not like"),
        ("stages.losses.edge=high", "not like"),
        ("stages.0.losses.edgy=1", "did you mean 'edge'"),
        ("seed.deep=1", "3 has no settings in it"),
        ("precision=float16", "float32 or bfloat16"),
    ],
)
def test_wrong_settings_are_answered(recipe: Recipe, assignment: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        override(recipe, [assignment])
    assert words in str(caught.value)


def test_stages_are_checked_where_they_are_made() -> None:
    stage = load_recipe("darkir-s").stages[0]
    with pytest.raises(RecipeError, match="did you mean 'frequency'"):
        replace(stage, losses={"freqency": 1.0})
    with pytest.raises(RecipeError, match="one step"):
        replace(stage, steps=0)
    with pytest.raises(RecipeError, match="one stage"):
        Recipe("empty", "darkir-s", ())


def test_steps_fall_into_stages(recipe: Recipe) -> None:
    first, second = recipe.stages
    assert recipe.steps == 10
    assert [recipe.at(step) for step in (0, 5, 6, 9)] == [(first, 0), (first, 5), (second, 0), (second, 3)]


@pytest.mark.parametrize("name", list_recipes())
def test_shipped_recipes_name_models_that_exist(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.model in list_models()


def test_a_recipe_file_is_run(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from lightwell.recipes.darkir_s import recipe as base\nfrom dataclasses import replace\n")
    with pytest.raises(RecipeError, match="variable `recipe`"):
        load_recipe(str(file))
    file.write_text(file.read_text() + "recipe = replace(base, name='mine')\n")
    assert load_recipe(str(file)).name == "mine"


def test_a_wrong_recipe_file_is_named_with_its_fault(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from lightwell.training.recipe import Recipe\nrecipe = Recipe('a', 'b', (), sede=1)\n")
    with pytest.raises(RecipeError, match=r"mine\.py: .*'sede'"):
        load_recipe(str(file))
    with pytest.raises(RecipeError, match="there is no recipe 'darkir-x': did you mean"):
        load_recipe("darkir-x")
    with pytest.raises(RecipeError, match=r"gone\.py"):
        load_recipe(str(tmp_path / "gone.py"))
