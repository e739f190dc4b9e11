from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lightwell.cli.app import app
from lightwell.errors import RecipeError

RECIPE = """
from pathlib import Path
from lightwell.data.views import View
from lightwell.training.recipe import Recipe, Stage
recipe = Recipe(
    "mine", "tiny", (Stage("only", 3, (View((8, 8), 2),), {"l1": 1.0}, lr=1e-3),),
    pairs={"pairs": 1.0}, held_out=("held",), log_every=1,
)
"""


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_train_runs_a_recipe_file(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(RECIPE)
    command = ["train", "mine.py", "--set", f"data={data}", "--set", "stages.lr=1e-2"]
    result = CliRunner().invoke(app, [*command, "--minutes", "0"])
    assert result.exit_code == 0, result.output
    assert "after step 1 of 3; go on with --resume" in " ".join(result.stderr.split())
    result = CliRunner().invoke(app, [*command, "--resume"])
    assert result.exit_code == 0, result.output
    assert "step 3 of 3: held" in result.stderr
    assert "runs/mine/best.safetensors" in result.stderr
    assert [float(line["lr"]) for line in lines(tmp_path / "runs/mine")] == pytest.approx([1e-4, 2e-4, 3e-4])


def test_train_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    for words in (["darkir-x"], ["darkir-s", "--set", "sede=1"], [str(tmp_path / "gone.py")]):
        result = CliRunner().invoke(app, ["train", *words])
        assert isinstance(result.exception, RecipeError)
