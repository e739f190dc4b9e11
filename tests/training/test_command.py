from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from lightwell.cli.app import app
from lightwell.errors import PlanError, RecipeError

RECIPE = """
from pathlib import Path
from lightwell.data.views import View
from lightwell.training.recipe import Recipe, Stage
recipe = Recipe(
    "mine", "tiny", (Stage("only", 3, (View((8, 8), 2),), {"l1": 1.0}, lr=1e-3),),
    pairs={"pairs": 1.0}, held_out=("held",), log_every=1,
)
"""

LAMP = """
from dataclasses import dataclass
from torch import nn
from lightwell.models.registry import register_model, register_network

@dataclass(frozen=True)
class LampConfig:
    width: int = 5

@register_network(LampConfig)
class Lamp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.body = nn.Sequential(nn.Conv2d(3, config.width, 3, padding=1), nn.Conv2d(config.width, 3, 1))

    def forward(self, x):
        return x + self.body(x)

@register_model
def lamp_s():
    return Lamp(LampConfig())
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
    said = " ".join(result.stderr.split())
    assert "after step 1 of 3; go on with: lightwell train" in said
    assert "mine.py --resume -o runs/mine" in said
    assert "step 1 of 3: only loss" in said  # no bar where there is no terminal, but lines
    # The settings are those that the run began with; others are refused.
    result = CliRunner().invoke(app, ["train", "mine.py", "--resume", "--set", "stages.lr=1e-3", "--minutes", "0"])
    assert isinstance(result.exception, PlanError)
    assert "stages.0.lr: 0.01 then, 0.001 now" in str(result.exception)
    forced = ["train", "mine.py", "--resume", "--force", "--set", "stages.lr=1e-3", "--minutes", "0", "-o", "other"]
    shutil.copytree("runs/mine", "other")
    result = CliRunner().invoke(app, forced)
    assert result.exit_code == 0, result.output
    assert "other goes on as another experiment than it began as: stages.0.lr: 0.01 then, 0.001 now" in result.stderr
    # A run's record does not say which Python file is to be run.
    result = CliRunner().invoke(app, ["train", "runs/mine", "--resume"])
    assert isinstance(result.exception, PlanError)
    assert "name its file yourself" in str(result.exception)
    result = CliRunner().invoke(app, ["train", "mine.py", "--resume"])
    assert result.exit_code == 0, result.output
    assert "step 3 of 3: held" in result.stderr
    assert "lightwell restore night.jpg -m runs/mine" in result.stderr
    assert [float(line["lr"]) for line in lines(tmp_path / "runs/mine")] == pytest.approx([1e-4, 2e-4, 3e-4])


def test_train_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    for words in (["darkir-x"], ["darkir-s", "--set", "sede=1"], [str(tmp_path / "gone.py")]):
        result = CliRunner().invoke(app, ["train", *words])
        assert isinstance(result.exception, RecipeError)


def test_a_wrong_setting_is_a_wrong_call() -> None:
    code = "import sys; sys.argv = ['lightwell', 'train', 'darkir-s', '--set', 'sede=1', '--set', 'stages.lr=-1']; "
    code += "from lightwell.cli.app import main; main()"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith(
        "lightwell: there is no setting of a Recipe 'sede': did you mean 'seed'?; stages.0.lr:"
    )
    assert len(ran.stderr.splitlines()) == 1


def test_two_folders_of_pairs_are_enough(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    small = "stages.views.size=(16, 16)"
    words = ["train", "darkir-s", "--pairs", str(data / "pairs"), "--held-out", str(data / "held"), "--set", small]
    result = CliRunner().invoke(app, [*words, "--minutes", "0"])
    assert result.exit_code == 0, result.output
    assert "trained on the pairs alone" in " ".join(result.stderr.split())
    assert "smaller than the crops" not in result.stderr
    wide = ["--set", "stages.views.zoom=None", "--set", "stages.views.size=(16, 32)", "--set", "stages.views.batch=1"]
    result = CliRunner().invoke(app, [*words, *wide, "--minutes", "0", "-o", "wide"])
    assert result.exit_code == 0, result.output
    assert "some pictures are smaller than the crops of 32x16 pixels" in result.stderr
    assert "held" in lines(Path("runs/darkir-s"))[0]
    assert float(lines(Path("runs/darkir-s"))[0]["held"]) > 0
    result = CliRunner().invoke(app, ["train", "runs/darkir-s", "--resume", "--minutes", "0"])
    assert result.exit_code == 0, result.output
    listed = CliRunner().invoke(app, ["runs"])
    assert listed.exit_code == 0, listed.output
    assert "2 of 10150" in listed.stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--pairs", "gone"], "gone/low"),
        (["--held-out", "gone"], "--held-out needs --pairs"),
        (["--force"], "--force goes with --resume"),
        (["--set", "data=gone"], "there is no folder gone with the sets that the recipe names (lol_v1:train"),
    ],
)
def test_a_wrong_call_of_train_is_named(words: list[str], named: str) -> None:
    result = CliRunner(env={"COLUMNS": "300", "TERM": "dumb"}).invoke(app, ["train", "darkir-s", *words])
    assert result.exit_code == 2
    assert named in result.output


def test_a_network_from_a_file_is_trained_and_exported(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lamp.py").write_text(LAMP)
    (tmp_path / "recipe.py").write_text(RECIPE.replace('"tiny"', '"lamp-s"'))
    words = ["train", "recipe.py", "--import", "lamp.py", "--set", f"data={data}", "-o", "lamp", "--minutes", "0"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["export", "lamp", "--import", "lamp.py"])
    assert result.exit_code == 0, result.output
    low = np.random.default_rng(0).random((1, 3, 9, 7), np.float32)
    (restored,) = onnxruntime.InferenceSession(tmp_path / "lamp.onnx").run(None, {"low": low})
    assert restored.shape == low.shape
