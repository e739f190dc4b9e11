"""Export through Keras' own paths, each artefact run by another program than Keras; the table is in docs/keras.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from lightwell.keras import by_matrices, create_darkir_model

# The exporters of torch and TensorFlow warn of their own deprecated parts, which Keras calls.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SIZE = (1, 24, 20, 3)


def run_saved_model(path: Path, low: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    assert not [op.name for op in loaded.signatures["serving_default"].graph.get_operations() if "FFT" in op.type]
    return np.asarray(loaded.serve(low))


def run_litert(path: Path, low: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], low)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def run_openvino(path: Path, low: np.ndarray) -> np.ndarray:
    openvino = pytest.importorskip("openvino")
    # By default it computes in bfloat16 where the CPU can.
    return openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(low)[0]


def run_onnx(path: Path, low: np.ndarray) -> np.ndarray:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    assert not {"DFT", "STFT"} & {node.op_type for node in onnx.load(path).graph.node}
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: low})[0]


Run = Callable[[Path, np.ndarray], np.ndarray]
# For each backend: Keras' name of the format, the file, what runs it, and whether the size stays open.
PATHS: dict[str, list[tuple[str, str, Run, bool]]] = {
    "torch": [
        ("openvino", "darkir.xml", run_openvino, True),
        ("onnx", "darkir.onnx", run_onnx, False),
    ],
    "tensorflow": [
        ("tf_saved_model", "darkir", run_saved_model, True),
        ("litert", "darkir.tflite", run_litert, False),
        ("openvino", "darkir.xml", run_openvino, True),
        ("onnx", "darkir.onnx", run_onnx, True),
    ],
    "jax": [("tf_saved_model", "darkir", run_saved_model, False)],
}


@pytest.mark.parametrize(("format", "name", "run", "any_size"), PATHS.get(keras.backend.backend(), []))
def test_an_exported_model_gives_the_same_picture(
    format: str, name: str, run: Run, any_size: bool, small: dict[str, Any], opened: Any, pictures: Any, tmp_path: Path
) -> None:
    model = opened(create_darkir_model(**small))
    signature = [keras.InputSpec(shape=(None, None, None, 3) if any_size else SIZE, dtype="float32", name="low")]

    by_matrices(model).export(str(tmp_path / name), format=format, verbose=False, input_signature=signature)

    for size in [SIZE, (1, 17, 33, 3)] if any_size else [SIZE]:
        low = pictures(*size)
        np.testing.assert_allclose(run(tmp_path / name, low), model.predict_on_batch(low), atol=1e-4)
