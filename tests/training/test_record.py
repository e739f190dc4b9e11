"""A resumed run is the experiment that it began as."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightwell.errors import DataError, PlanError, TrainingError, WeightsError
from lightwell.models import load_weights
from lightwell.recipes import load_recipe
from lightwell.training.loop import Run, pinned_weights, train
from lightwell.training.recipe import Recipe, override
from lightwell.training.runs import differing, list_runs


def record(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "run.json").read_text())
    return content


def test_a_run_says_what_it_is(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path, minutes=0, told={"command": "lightwell train tiny", "settings": ["seed=3"]})
    content = record(tmp_path)
    assert content["command"] == "lightwell train tiny"
    assert content["recipe"]["seed"] == 3  # type: ignore[index]
    assert content["recipe"]["stages"][0]["turns"][0]["objective"] == (  # type: ignore[index]
        "lightwell.training.recipe:restoration"
    )
    assert {name: entry["files"] for name, entry in content["data"].items()} == {  # type: ignore[attr-defined]
        "pairs": 12,
        "held": 4,
        "photographs": 3,
    }
    assert content["versions"]["torch"] == torch.__version__  # type: ignore[index]


def test_another_experiment_is_refused_with_what_differs(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path, minutes=0)
    kept = (tmp_path / "state.pt").read_bytes()
    other = override(recipe, ["seed=9", "stages.0.lr=1e-2", "save_every=7"])
    with pytest.raises(PlanError) as caught:
        train(other, tmp_path, minutes=0, resume=True)
    assert "stages.0.lr: 0.003 then, 0.01 now; seed: 3 then, 9 now." in str(caught.value)
    assert "save_every" not in str(caught.value)
    assert (tmp_path / "state.pt").read_bytes() == kept
    train(other, tmp_path, minutes=0, resume=True, force=True)
    (going_on,) = record(tmp_path)["resumed"]  # type: ignore[misc]
    assert going_on["step"] == 1
    assert going_on["differs"] == ["stages.0.lr: 0.003 then, 0.01 now", "seed: 3 then, 9 now"]
    train(override(other, ["save_every=2"]), tmp_path, minutes=0, resume=True)


def test_other_pictures_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path, minutes=0)
    picture = recipe.data / "pairs/low/3.png"
    status = picture.stat()
    os.utime(picture, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    with pytest.raises(PlanError, match="data pairs: names, sizes or times differ"):
        train(recipe, tmp_path, minutes=0, resume=True)


def test_a_damaged_record_is_named(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path, minutes=0)
    (tmp_path / "run.json").write_text('{"recipe": 3}')
    with pytest.raises(TrainingError, match=r"run\.json: not the record"):
        train(recipe, tmp_path, minutes=0, resume=True)
    assert "run.json" in list_runs(tmp_path)[0].fault


def test_a_minute_leaves_weights_pictures_and_curves(recipe: Recipe, tmp_path: Path) -> None:
    train(replace(recipe, validate_every=1000, log_every=1000), tmp_path, minutes=0)
    for name in ("best.safetensors", "last.safetensors"):
        load_weights(tmp_path / name)
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["0000001.png"]
    page = (tmp_path / "index.html").read_text()
    assert 'src="pictures/0000001.png"' in page
    assert "held (PSNR in dB, strict)" in page
    assert "<polyline" in page


def test_tensorboard_has_groups_and_hyperparameters(recipe: Recipe, tmp_path: Path) -> None:
    train(replace(recipe, stages=recipe.stages[1:]), tmp_path)
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {"train/loss", "train/l1", "train/lr", "val/held", "speed/waiting"} <= set(board.Tags()["scalars"])
    assert "_hparams_/session_start_info" in board.summary_metadata


def test_runs_are_listed_and_compared(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list_runs(tmp_path / "gone")
    with pytest.raises(DataError, match="no runs in it"):
        list_runs(tmp_path)
    train(recipe, tmp_path / "a")
    train(replace(recipe, seed=4), tmp_path / "deep" / "b", minutes=0)
    runs = list_runs(tmp_path)
    assert [(run.folder.name, run.step, run.steps) for run in runs] == [("a", 10, 10), ("b", 1, 10)]
    assert runs[0].scores is not None
    assert runs[0].scores["held"][1] in (5, 10)
    assert differing(runs) == [("seed", ["3", "4"])]


def test_what_a_recipe_starts_from_is_pinned(recipe: Recipe, tmp_path: Path) -> None:
    start = load_recipe("darkir-s-lol").start
    assert start is not None
    assert pinned_weights(start).name == "darkir-s.safetensors"
    train(recipe, tmp_path, minutes=0)
    good = f"{tmp_path}/last.safetensors@{'0' * 64}"
    with pytest.raises(WeightsError, match="not the weights that the recipe starts from"):
        Run(replace(recipe, start=good), torch.device("cpu"))
    Run(replace(recipe, start=tmp_path), torch.device("cpu"))
