"""Weights are shipped with numbers that can be had again from the files alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from lightwell.errors import DataError, WeightsError
from lightwell.evaluation.publishing import multiplications, publish
from lightwell.models import load_weights, save_weights
from lightwell.models.darkir import DarkIR, DarkIRConfig

CARD = {
    "name": "tiny",
    "summary": "Said by a person.",
    "good_at": "tests",
    "default": False,
    "spec": {"strategy": "tiles", "multiple": 2},
    "numbers": ["old"],
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with weights that hardly change a picture, and pairs to measure them on."""
    torch.manual_seed(0)
    noise = np.random.default_rng(0)
    folder = tmp_path / "run"
    folder.mkdir()
    save_weights(DarkIR(DarkIRConfig(width=4, enc_blk_nums=(1,), dec_blk_nums=(1,))), folder / "best.safetensors")
    for number in range(3):
        coarse = noise.integers(40, 200, (26, 26, 3)).astype(np.uint8)
        high = np.asarray(Image.fromarray(coarse).resize((208, 208), Image.Resampling.BICUBIC))
        for half, picture in (("high", high), ("low", high // 4)):
            path = tmp_path / "sets" / "mine" / half / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
    return folder


def test_a_card_gets_the_numbers_of_its_files(run: Path, tmp_path: Path) -> None:
    zoo, low = tmp_path / "zoo", tmp_path / "sets" / "mine" / "low"
    zoo.mkdir()
    (zoo / "tiny.json").write_text(json.dumps(CARD))
    content = publish(run, "tiny", tmp_path / "sets", zoo, sets={"Mine": "mine"}, unpaired=[low])
    assert json.loads((zoo / "tiny.json").read_text()) == content
    assert content["summary"] == "Said by a person."
    for name, digest in content["sha256"].items():
        assert hashlib.sha256((zoo / name).read_bytes()).hexdigest() == digest
    assert sorted(path.name for path in zoo.iterdir()) == ["tiny.json", "tiny.onnx", "tiny.safetensors"]

    session = onnxruntime.InferenceSession(zoo / "tiny.onnx")
    values = []
    for number in range(3):
        dark, good = (np.asarray(Image.open(low.parent / half / f"{number}.png"), float) for half in ("low", "high"))
        (out,) = session.run(None, {"low": (dark / 255).transpose(2, 0, 1)[None].astype(np.float32)})
        error = np.floor(np.clip(out[0].transpose(1, 2, 0), 0, 1) * 255 + 0.5) - good
        values.append(10 * np.log10(255**2 / (error**2).mean()))
    strict = content["numbers"][0]
    assert (strict["data"], strict["pictures"], strict["protocol"]) == ("Mine", 3, "strict")
    assert strict["psnr"] == pytest.approx(np.mean(values), abs=2e-3)
    assert content["compared"]["niqe_parameters"] == "lightwell-bsds300"
    assert content["no_reference"][0]["pictures"] == 3
    net = load_weights(zoo / "tiny.safetensors")
    assert content["parameters"] == sum(p.numel() for key, p in net.named_parameters() if "side_out" not in key)


def test_nothing_is_replaced_when_something_is_missing(run: Path, tmp_path: Path) -> None:
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    with pytest.raises(WeightsError, match="a card has to be there first"):
        publish(run, "tiny", tmp_path / "sets", zoo, sets={"Mine": "mine"})
    (zoo / "tiny.json").write_text(json.dumps(CARD))
    with pytest.raises(DataError, match="no such folder"):
        publish(run, "tiny", tmp_path / "sets", zoo, sets={"Theirs": "theirs"})
    assert [path.name for path in zoo.iterdir()] == ["tiny.json"]


def test_multiplications_by_hand() -> None:
    assert multiplications(torch.nn.Conv2d(3, 5, 3, padding=1), 10, 20) == pytest.approx(10 * 20 * 3 * 5 * 9 / 1e9)
