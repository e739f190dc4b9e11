"""Networks in torch against their graphs in onnxruntime, and what is said where there are none."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from graphs import save
from lightwell import Restorer, engines, zoo
from lightwell.errors import DeviceError, WeightsError


@pytest.mark.parametrize(("model", "role"), [("lightwell-s", "detail"), ("lightwell-s", "light"), ("darkir-s", None)])
@pytest.mark.parametrize("size", [(64, 96), (37, 53)])
def test_a_network_and_its_graph_give_the_same(model: str, role: str | None, size: tuple[int, int]) -> None:
    pytest.importorskip("torch")
    graph = zoo.find(model).graphs[role or "restore"]
    engine, trusted = engines.start(graph, "torch", 1), engines.start(graph, "cpu", 1)
    (name,), (output,) = trusted.inputs, trusted.outputs
    low = np.random.default_rng(0).random((2, trusted.inputs[name][1] or 3, *size), np.float32) * np.float32(0.3)
    np.testing.assert_allclose(engine({name: low})[output], trusted({name: low})[output], atol=1e-4)


def test_a_restorer_says_where_it_runs_and_tiles_agree() -> None:
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    dark = np.random.default_rng(0).integers(0, 60, (150, 170, 3), np.uint8)
    restorer = Restorer(device="torch", tile=128, threads=1)
    assert restorer.device.startswith("torch on c")
    assert np.abs(restorer(dark).astype(int) - Restorer(device="cpu", tile=128, threads=1)(dark)).max() <= 1
    assert torch.get_num_threads() == threads


def test_calls_from_many_threads_do_not_mix() -> None:
    torch = pytest.importorskip("torch")
    engine = engines.start(zoo.find("darkir-s").graphs["restore"], "torch", 3)
    inputs = [np.random.default_rng(k).random((1, 3, 16 + k, 24), np.float32) for k in range(6)]
    threads = torch.get_num_threads()
    alone = [engine({"low": low})["restored"] for low in inputs]
    with ThreadPoolExecutor(3) as pool:
        together = pool.map(lambda low: engine({"low": low})["restored"], inputs)
        for expected, restored in zip(alone, together, strict=True):
            np.testing.assert_allclose(restored, expected, atol=1e-5)
    with ThreadPoolExecutor(1) as pool:
        assert (torch.get_num_threads(), pool.submit(torch.get_num_threads).result()) == (threads, threads)


def test_half_precisions_agree_or_are_refused() -> None:
    torch = pytest.importorskip("torch")
    graph = zoo.find("darkir-s").graphs["restore"]
    low = {"low": np.random.default_rng(0).random((1, 3, 64, 64), np.float32) * np.float32(0.3)}
    gap = engines.start(graph, "torch", 1, "bfloat16")(low)["restored"] - engines.start(graph, "cpu")(low)["restored"]
    assert 0 < np.abs(gap).max() <= 4 / 255
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="float16 on a GPU only: choose the precision bfloat16 or float32"):
            engines.start(graph, "torch", precision="float16")


def test_weights_of_another_network_than_the_graph_are_refused(tmp_path: Path) -> None:
    """The graph of darkir-s beside the weights of darkir-s-lol: each is whole, and they are not one model."""
    pytest.importorskip("torch")
    ours, other = zoo.find("darkir-s"), zoo.find("darkir-s-lol")
    shutil.copy(ours.graphs["restore"], tmp_path / "mixed.onnx")
    shutil.copy(ours.weights["restore"], tmp_path / ours.weights["restore"].name)  # the graph's own numbers
    shutil.copy(other.weights["restore"], tmp_path / "mixed.safetensors")
    low = {"low": np.random.default_rng(0).random((1, 3, 64, 64), np.float32) * np.float32(0.2)}
    with pytest.raises(DeviceError, match=r"differs from onnxruntime by \d+ levels.*choose the device cpu"):
        engines.start(tmp_path / "mixed.onnx", "torch", 1)(low)


def test_without_weights_or_without_torch_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = save(tmp_path / "gamma.onnx", "gamma")
    pytest.importorskip("torch")
    with pytest.raises(WeightsError, match=r"there are none at .*gamma\.safetensors: choose the device cpu"):
        engines.start(graph, "torch")
    graph.with_suffix(".safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        engines.start(graph, "torch")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DeviceError, match=r"torch is not installed: pip install 'lightwell\[train\]'"):
        engines.start(graph, "torch")
    assert engines.start(graph).device
