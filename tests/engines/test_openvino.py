from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from graphs import save
from lightwell import Restorer, engines
from lightwell.engines.openvino import OpenVino
from lightwell.engines.reference import agreement
from lightwell.errors import DeviceError, WeightsError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("openvino")
    return tmp_path_factory.mktemp("graphs")


def test_more_shapes_than_it_compiles_give_the_same(folder: Path) -> None:
    engine = OpenVino(save(folder / "gamma.onnx", "gamma"), threads=1)
    for side in (1, 2, 3, 5, 8, 13, 2):
        low = np.random.default_rng(side).random((1, 3, side, 7), np.float32)
        np.testing.assert_allclose(engine({"low": low})["restored"], np.sqrt(low), atol=1e-6)


def test_calls_from_many_threads_do_not_mix(folder: Path) -> None:
    engine = OpenVino(save(folder / "exposure.onnx", "exposure"), threads=1)
    inputs = [np.random.default_rng(k).random((1, 3, 20 + k % 2, 30), np.float32) for k in range(12)]
    with ThreadPoolExecutor(4) as pool:
        for low, restored in zip(inputs, pool.map(lambda low: engine({"low": low})["restored"], inputs), strict=True):
            np.testing.assert_allclose(restored, low * (0.5 / low.mean()), rtol=1e-4)


def test_a_restorer_says_where_it_runs_and_restores(folder: Path) -> None:
    restorer = Restorer(save(folder / "gamma.onnx", "gamma"), device="openvino")
    dark = np.random.default_rng(0).integers(0, 60, (30, 40, 3), np.uint8)
    assert restorer.device == "openvino"
    assert np.abs(restorer(dark).astype(int) - np.round(255 * np.sqrt(dark / 255))).max() <= 1


def test_auto_takes_it_for_many_pictures_alone(folder: Path) -> None:
    graph = save(folder / "gamma.onnx", "gamma")
    dark = np.random.default_rng(0).integers(0, 60, (30, 40, 3), np.uint8)
    one, many = Restorer(graph), Restorer(graph, many=True)
    np.testing.assert_array_equal(many(dark), one(dark))
    assert one.device != "openvino"
    assert many.device == ("openvino" if one.device == "cpu" else one.device)


def test_files_that_are_no_models_and_values_that_are_no_numbers_get_one_line(folder: Path) -> None:
    (folder / "broken.onnx").write_bytes(b"not a graph")
    with pytest.raises(WeightsError, match="cannot be loaded") as caught:
        OpenVino(folder / "broken.onnx")
    assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="no numbers"):
        OpenVino(save(folder / "nan.onnx", "nan"))({"low": np.ones((1, 3, 4, 4), np.float32)})


def test_without_the_package_openvino_and_bfloat16_say_what_to_install_and_auto_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    graph = save(tmp_path / "gamma.onnx", "gamma")
    with pytest.raises(DeviceError, match=r"pip install 'lightwell\[openvino\]', or choose the device cpu"):
        OpenVino(graph)
    with pytest.raises(DeviceError, match=r"pip install 'lightwell\[openvino\]', or choose the precision float32"):
        engines.start(graph, precision="bfloat16")
    assert engines.start(graph).device
    assert engines.start(graph, many=True).device == engines.start(graph).device


def test_a_precision_or_device_that_has_none_is_refused(tmp_path: Path) -> None:
    graph = save(tmp_path / "gamma.onnx", "gamma")
    with pytest.raises(ValueError, match="precision is one of auto, float32, bfloat16, float16"):
        engines.start(graph, precision="float64")  # type: ignore[arg-type]
    with pytest.raises(DeviceError, match="cpu has no bfloat16"):
        engines.start(graph, "cpu", precision="bfloat16")
    with pytest.raises(DeviceError, match="has no float16 here: choose the device torch"):
        engines.start(graph, precision="float16")


def test_bfloat16_agrees_or_is_refused(folder: Path) -> None:
    """A mean over a bright picture, kept in bfloat16, is off by less than a level; where the CPU has none, one line."""
    try:
        engine = OpenVino(save(folder / "gamma.onnx", "gamma"), threads=1, precision="bfloat16")
    except DeviceError as error:
        assert "choose the precision float32" in str(error)  # noqa: PT017
        return
    low = np.random.default_rng(0).random((1, 3, 16, 16), np.float32)
    assert np.abs(engine({"low": low})["restored"] - np.sqrt(low)).max() <= 4 / 255


def test_each_shape_that_is_compiled_is_compared(folder: Path) -> None:
    """Of a graph that bfloat16 spoils, black gives nothing away: what the first picture was says nothing of others."""
    try:
        engine = OpenVino(save(folder / "steps.onnx", "steps"), threads=1, precision="bfloat16")
    except DeviceError:
        pytest.skip("this CPU does not compute in bfloat16")
    assert not engine({"low": np.zeros((1, 3, 16, 16), np.float32)})["restored"].any()
    for _ in range(2):
        with pytest.raises(DeviceError, match=r"differs from onnxruntime by .* choose the precision float32"):
            engine({"low": np.full((1, 3, 16, 24), 0.75, np.float32)})


def test_agreement_is_told_in_decibels_and_levels() -> None:
    expected = {"restored": np.zeros((1, 1, 1, 100), np.float32)}
    found = {"restored": np.zeros((1, 1, 1, 100), np.float32)}
    found["restored"][..., 0] = 0.1  # the mean square is 1e-4

    decibels, levels = agreement(expected, found)

    assert decibels == pytest.approx(40, abs=1e-3)
    assert levels == pytest.approx(25.5, abs=1e-3)
    assert agreement(expected, {"restored": expected["restored"] - 1})[1] == 0  # below black is black
