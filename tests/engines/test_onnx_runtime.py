from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from graphs import save
from lightwell import Restorer
from lightwell.engines.onnx_runtime import OnnxRuntime, providers
from lightwell.errors import DeviceError, WeightsError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (1, 3, 7, 13), (3, 3, 5, 4)])
def test_any_size_and_batch(folder: Path, shape: tuple[int, ...]) -> None:
    session = OnnxRuntime(save(folder / "gamma.onnx", "gamma"), "cpu")
    low = np.random.default_rng(0).random(shape, np.float32)
    np.testing.assert_allclose(session({"low": low})["restored"], np.sqrt(low), atol=1e-6)


def test_calls_from_many_threads_do_not_mix(folder: Path) -> None:
    session = OnnxRuntime(save(folder / "exposure.onnx", "exposure"), "cpu", threads=1)
    inputs = [np.random.default_rng(k).random((1, 3, 20 + k, 30), np.float32) for k in range(16)]
    with ThreadPoolExecutor(8) as pool:
        for low, restored in zip(inputs, pool.map(lambda low: session({"low": low})["restored"], inputs), strict=True):
            np.testing.assert_allclose(restored, low * (0.5 / low.mean()), rtol=1e-4)


def test_the_cpu_is_always_there_and_auto_takes_something(folder: Path) -> None:
    assert "cpu" in providers()
    path = save(folder / "identity.onnx", "identity")
    assert OnnxRuntime(path, "cpu").device == "cpu"
    assert OnnxRuntime(path).device in providers()


def test_a_device_that_is_not_there_says_what_to_install(folder: Path) -> None:
    missing = next(device for device in ("cuda", "coreml") if device not in providers())
    with pytest.raises(DeviceError, match=r"install onnxruntime.*choose the device .*cpu"):
        OnnxRuntime(save(folder / "identity.onnx", "identity"), missing)  # type: ignore[arg-type]


def test_wrong_settings_are_refused(folder: Path) -> None:
    path = save(folder / "identity.onnx", "identity")
    with pytest.raises(ValueError, match="device is one of auto, cpu"):
        OnnxRuntime(path, "tpu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threads is at least 1"):
        OnnxRuntime(path, threads=0)


def test_files_that_are_no_models_get_one_line(folder: Path) -> None:
    with pytest.raises(WeightsError, match="there is no model file"):
        OnnxRuntime(folder / "none.onnx")
    broken = folder / "broken.onnx"
    broken.write_bytes(b"not a graph")
    with pytest.raises(WeightsError, match="cannot be loaded") as caught:
        OnnxRuntime(broken)
    assert "\n" not in str(caught.value)


def test_what_is_no_restoring_model_is_refused(folder: Path) -> None:
    with pytest.raises(WeightsError, match="one float32 input"):
        Restorer(save(folder / "two.onnx", "two-inputs"))
    with pytest.raises(WeightsError, match="turned"):
        Restorer(save(folder / "smaller.onnx", "smaller"))(np.ones((4, 4, 3), np.float32))


def test_values_that_are_no_numbers_are_refused(folder: Path) -> None:
    low = np.ones((1, 3, 4, 4), np.float32)
    with pytest.raises(WeightsError, match="no numbers"):
        OnnxRuntime(save(folder / "nan.onnx", "nan"), "cpu")({"low": low})


def test_nothing_is_left_in_the_home_and_telemetry_is_off(folder: Path, tmp_path: Path) -> None:
    """Without its switch onnxruntime keeps a device's id in the user's cache and looks a host up."""
    graph = save(folder / "identity.onnx", "identity")
    script = (
        "import os, sys\n"
        "from lightwell import Restorer\n"
        "import numpy as np\n"
        f"Restorer({str(graph)!r})(np.zeros((4, 4, 3), np.float32))\n"
        "assert 'onnxruntime' in sys.modules\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    env = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    env |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "1"
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize("place", ["up", "absolute", "link"])
def test_a_graph_reads_no_file_outside_its_folder(tmp_path: Path, place: str) -> None:
    secret, inside = tmp_path / "secret.bin", tmp_path / "model"
    secret.write_bytes(np.ones(4, np.float32).tobytes())
    inside.mkdir()
    (inside / "link.bin").symlink_to(secret)
    location = {"up": "../secret.bin", "absolute": str(secret), "link": "link.bin"}[place]
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        weight.external_data.add(key=key, value=value)
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("low", "restored")]
    nodes = [helper.make_node("Add", ["low", "w"], ["restored"])]
    graph = helper.make_graph(nodes, "g", info[:1], info[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (inside / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match="cannot be loaded"):
        OnnxRuntime(inside / "model.onnx", "cpu")
