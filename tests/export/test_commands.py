"""`lightwell export` and `lightwell import`, as a person calls them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from lightwell.cli.app import app
from lightwell.models import load_weights, save_weights
from lightwell.models.darkir import DarkIR, DarkIRConfig

CONFIG = DarkIRConfig(width=4, enc_blk_nums=(1,), dec_blk_nums=(1,), dilations=(1, 2))


@pytest.fixture
def net() -> DarkIR:
    torch.manual_seed(0)
    net = DarkIR(CONFIG).eval()
    for name, parameter in net.named_parameters():
        if name.endswith(("beta", "gamma")):
            torch.nn.init.normal_(parameter, std=0.3)
    return net


def test_weights_become_a_graph_that_runs(net: DarkIR, tmp_path: Path) -> None:
    save_weights(net, tmp_path / "net.safetensors")

    result = CliRunner().invoke(app, ["export", str(tmp_path / "net.safetensors"), "-o", str(tmp_path / "net.onnx")])

    assert result.exit_code == 0, result.output
    low = torch.rand(1, 3, 10, 13)
    (restored,) = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(None, {"low": low.numpy()})
    np.testing.assert_allclose(restored, net(low).detach(), rtol=0, atol=1e-5)


def test_a_runs_folder_and_a_gray_network_are_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "gray").mkdir(parents=True)
    net = DarkIR(DarkIRConfig(img_channels=1, width=4, enc_blk_nums=(1,), dec_blk_nums=(1,)))
    save_weights(net, tmp_path / "runs/gray/best.safetensors")

    result = CliRunner().invoke(app, ["export", "runs/gray"])

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("gray.onnx: ")
    low = torch.rand(1, 1, 10, 13)
    (restored,) = onnxruntime.InferenceSession(tmp_path / "gray.onnx").run(None, {"low": low.numpy()})
    np.testing.assert_allclose(restored, net(low).detach(), rtol=0, atol=1e-5)


def test_a_public_checkpoint_becomes_weights_and_a_graph(net: DarkIR, tmp_path: Path) -> None:
    torch.save({"params": {f"module.{k}": v for k, v in net.state_dict().items()}}, tmp_path / "public.pt")
    target = str(tmp_path / "mine")

    result = CliRunner().invoke(app, ["import", str(tmp_path / "public.pt"), "-o", target, "--dilations", "1,2"])

    assert result.exit_code == 0, result.output
    loaded = load_weights(tmp_path / "mine.safetensors")
    assert isinstance(loaded, DarkIR)
    assert loaded.config == CONFIG
    low = torch.rand(1, 3, 10, 13)
    (restored,) = onnxruntime.InferenceSession(tmp_path / "mine.onnx").run(None, {"low": low.numpy()})
    np.testing.assert_allclose(restored, net(low).detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (["export", "darkir-s", "-o", "there.onnx"], "--overwrite"),
        (["export", "darkir-s", "-o", "net.pt"], ".onnx"),
        (["export", "darkir-s", "-o", "gone/net.onnx"], "there is no folder gone"),
        (["import", "there.onnx", "-o", "mine", "--dilations", "one"], "1,4,9"),
    ],
)
def test_a_wrong_call_is_named_and_nothing_is_written(
    call: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.onnx").write_bytes(b"mine")

    result = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, call)

    assert result.exit_code == 2
    assert named in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["there.onnx"]
    assert Path("there.onnx").read_bytes() == b"mine"
