"""What runs a graph: onnxruntime and others, each behind the protocol of :mod:`lightwell.engines.base`."""

from __future__ import annotations

from pathlib import Path

from lightwell.engines.base import DEVICES, PRECISIONS, Device, Engine, Precision, cores
from lightwell.errors import DeviceError

__all__ = ["DEVICES", "PRECISIONS", "Device", "Engine", "Precision", "cores", "start"]


def start(graph: Path, device: Device = "auto", threads: int | None = None, precision: Precision = "auto") -> Engine:
    """An engine that runs a graph.

    On a CPU ``auto`` is onnxruntime: OpenVINO in float32 is a tenth quicker once it has compiled a graph, which takes
    as long as some hundred tiles. In bfloat16, which only OpenVINO has, it takes about half the time.

    Args:
        graph: an ONNX file.
        device: where to run; ``auto`` takes the first that works.
        threads: of the CPU for one call; by default one for each core that this process may use.
        precision: ``auto`` and ``float32`` compute in float32.

    Raises:
        ValueError: there is no such device or precision, or fewer than one thread.
        WeightsError: the file is missing, damaged, or not a graph.
        DeviceError: the device or precision asked for cannot run here.
    """
    from lightwell.engines.onnx_runtime import OnnxRuntime, providers
    from lightwell.engines.openvino import OpenVino, installed

    if precision not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
    if precision == "bfloat16":
        if device not in ("auto", "openvino"):
            raise DeviceError(f"the device {device} has no bfloat16 here: choose openvino, or the precision float32")
        return OpenVino(graph, threads, precision)
    # A wheel of onnxruntime that was built with OpenVINO runs it where the package itself is missing.
    if device == "openvino" and (installed() or device not in providers()):
        return OpenVino(graph, threads, precision)
    return OnnxRuntime(graph, device, threads)
