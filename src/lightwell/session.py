"""One onnxruntime session: which device runs it, with how many threads."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from lightwell.errors import DeviceError, WeightsError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["DEVICES", "Device", "Session", "cores", "providers"]

Device = Literal["auto", "cpu", "cuda", "openvino", "coreml"]

DEVICES: dict[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
"""The devices by name, each with onnxruntime's name for what runs there."""

# CoreML compiles the graph anew for each picture size, so it only runs when asked for.
_AUTO = ("cuda", "openvino", "cpu")
_WHEELS = {"cuda": "onnxruntime-gpu", "openvino": "onnxruntime-openvino", "coreml": "onnxruntime (macOS)"}


def providers() -> list[str]:
    """The devices that the installed onnxruntime was built for, by our names; they may still fail to start."""
    import onnxruntime

    built = onnxruntime.get_available_providers()
    return [device for device, provider in DEVICES.items() if provider in built]


class Session:
    """A model ready to run; may be called from several threads at once.

    Args:
        path: an ONNX file with one input ``(N, 3, H, W)`` and one output of the same shape.
        device: where to run; ``auto`` takes the first that works of CUDA, OpenVINO, CPU.
        threads: of the CPU for one call; by default one for each core that this process may use.

    Raises:
        WeightsError: the file is missing, damaged, or not such a model.
        DeviceError: the device asked for cannot run here.
    """

    def __init__(self, path: Path, device: Device = "auto", threads: int | None = None) -> None:
        if device != "auto" and device not in DEVICES:
            raise ValueError(f"device is one of auto, {', '.join(DEVICES)}, not {device!r}")
        if threads is not None and threads < 1:
            raise ValueError(f"threads is at least 1, not {threads}")
        if not path.is_file():
            raise WeightsError(f"there is no model file {path}")
        self.path = path
        available = providers()
        if device == "auto":
            wanted = [name for name in _AUTO if name in available]
        elif device in available:
            wanted = [device]
        else:
            raise DeviceError(
                f"this onnxruntime has no {device}: install {_WHEELS[device]} in place of onnxruntime, "
                f"or choose --device {' or '.join(available)}"
            )
        for name in wanted:
            session = _start(path, name, threads)
            if session.get_providers()[0] == DEVICES[name]:  # otherwise onnxruntime fell back to the CPU
                self._session, self.device = session, name
                break
        else:
            raise DeviceError(
                f"{device} did not start (its driver or libraries are missing, or of another version): "
                "lightwell doctor says more; --device cpu works everywhere"
            )
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) < 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
            raise WeightsError(f"{path} is not a restoring model: it needs one float32 input (N, 3, H, W)")
        self._input, self._output = inputs[0].name, outputs[0].name

    def __call__(self, low: NDArray[np.float32]) -> NDArray[np.float32]:
        """Restore a batch.

        Args:
            low: ``(N, 3, H, W)``, sRGB-encoded in [0, 1].

        Returns:
            The same shape, not clipped.
        """
        import onnxruntime

        options = onnxruntime.RunOptions()
        # Give the memory back: what a tile took is not kept beside what the next picture's guide takes.
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        (restored,) = self._session.run([self._output], {self._input: low}, options)
        if restored.shape != low.shape:
            raise WeightsError(f"{self.path} is not a restoring model: it turned {low.shape} into {restored.shape}")
        if not np.isfinite(restored).all():
            raise WeightsError(f"{self.path} gave values that are no numbers on {self.device}; try --device cpu")
        return np.asarray(restored, np.float32)


def _start(path: Path, device: str, threads: int | None) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    options.inter_op_num_threads = 1
    # Threads that wait by spinning take the cores from the other pictures and from everyone else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A plan kept for each shape doubles the peak, and pictures have many shapes.
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # what matters comes back as an exception or a missing provider
    chosen = [DEVICES[device]] if device == "cpu" else [DEVICES[device], DEVICES["cpu"]]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=chosen)
    except Exception as error:  # onnxruntime's own exceptions have no common base that it exports
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"{path} cannot be loaded as a model: {reason}") from error


def cores() -> int:
    """How many cores this process may use."""
    with contextlib.suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
