"""The way from two folders of pictures to a measured, exported model, as the README shows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lightwell.cli.app import app
from lightwell.errors import PlanError

SMALL = ("--set", "stages.views.size=(16, 24)", "--set", "stages.views.batch=2", "--set", "stages.steps=1")


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten pairs to train on and three held out."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0)
    for name, count in (("mine", 10), ("mine_val", 3)):
        for number in range(count):
            high = noise.integers(60, 220, (4, 6, 3)).repeat(8, 0).repeat(8, 1)
            for half, picture in (("high", high), ("low", high // 6)):
                path = tmp_path / name / half / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture.astype(np.uint8)).save(path)
    return tmp_path


def test_from_two_folders_to_a_model(folders: Path) -> None:
    words = ("train", "darkir-s", "--pairs", "mine", "--held-out", "mine_val", *SMALL)
    said = run(*words, "--minutes", "0")
    assert "lightwell export runs/darkir-s" in said
    other = CliRunner().invoke(app, ["train", "runs/darkir-s", "--resume", "--set", "seed=99"])
    assert isinstance(other.exception, PlanError)
    assert "seed: 8 then, 99 now" in str(other.exception)
    run("train", "runs/darkir-s", "--resume")
    assert "3 of 3" in run("runs")

    pairs = ("--low", "mine_val/low", "--high", "mine_val/high")
    assert "making runs/darkir-s/best.onnx" in run("evaluate", "--model", "runs/darkir-s", *pairs, "-o", "report")
    report = json.loads((folders / "report/report.json").read_text())
    assert list(report["methods"]) == ["input", "gamma 0.45", "darkir-s"]

    run("export", "runs/darkir-s", "-o", "mine.onnx")
    run("restore", "mine_val/low/0.png", "-m", "mine.onnx", "-o", "bright.png")
    with Image.open("bright.png") as restored, Image.open("report/restored/darkir-s/0.png") as measured:
        assert np.abs(np.asarray(restored, int) - np.asarray(measured, int)).max() <= 1
