"""The way from two folders of pictures to a measured model, by Keras, as docs/keras.md shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lightwell.cli.app import app
from lightwell.keras import CharbonnierLoss, FolderPairs, Resume, create_darkir, create_darkir_model, to_torch


class Stop(keras.callbacks.Callback):
    """Ctrl-C in the midst of the second epoch."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        if int(self.model.optimizer.iterations) == 4:
            raise KeyboardInterrupt


def run(*words: str) -> None:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, (result.output, result.exception)


def test_from_two_folders_over_a_stop_to_a_model(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0)
    for name, count in (("mine", 10), ("mine_val", 2)):
        for number in range(count):
            high = noise.integers(60, 220, (4, 6, 3)).repeat(8, 0).repeat(8, 1)
            for half, picture in (("high", high), ("low", high // 6)):
                Path(name, half).mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture.astype(np.uint8)).save(Path(name, half, f"{number}.png"))

    def fit(state: str, *callbacks: keras.callbacks.Callback) -> keras.Model:
        keras.utils.set_random_seed(7)
        model = create_darkir_model(**small)
        model.compile(optimizer=keras.optimizers.AdamW(1e-2, weight_decay=1e-4), loss=CharbonnierLoss())
        pairs = FolderPairs("mine", crop=16, batch_size=4)
        model.fit(pairs, epochs=3, shuffle=False, callbacks=[Resume(state, pairs), *callbacks], verbose=0)
        return model

    whole = fit("whole")
    with pytest.raises(KeyboardInterrupt):
        fit("stopped", Stop())
    assert Path("stopped").is_dir()
    model = fit("stopped")
    assert not Path("stopped").exists()
    for one, other in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)

    to_torch(model, "mine.safetensors")
    run("restore", "mine_val/low/0.png", "-m", "mine.safetensors", "-o", "bright.png")
    run("evaluate", "-m", "mine.safetensors", "--low", "mine_val/low", "--high", "mine_val/high", "-o", "report")
    with Image.open("mine_val/low/0.png") as low, Image.open("bright.png") as bright:
        wanted = np.clip(model.predict(np.asarray(low)[None], verbose=0)[0], 0, 1) * 255
        assert np.abs(np.asarray(bright) - wanted).max() <= 1
    assert list(json.loads(Path("report/report.json").read_text())["methods"]) == ["input", "gamma 0.45", "mine"]
    again = create_darkir(weights="mine.safetensors")
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
