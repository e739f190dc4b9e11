"""What runs a graph: onnxruntime and others, each behind the protocol of :mod:`lightwell.engines.base`."""

from __future__ import annotations

from pathlib import Path

from lightwell.engines.base import DEVICES, Device, Engine, cores

__all__ = ["DEVICES", "Device", "Engine", "cores", "start"]


def start(graph: Path, device: Device = "auto", threads: int | None = None) -> Engine:
    """An engine that runs a graph.

    Args:
        graph: an ONNX file.
        device: where to run; ``auto`` takes the first that works.
        threads: of the CPU for one call; by default one for each core that this process may use.

    Raises:
        ValueError: there is no such device, or fewer than one thread.
        WeightsError: the file is missing, damaged, or not a graph.
        DeviceError: the device asked for cannot run here.
    """
    from lightwell.engines.onnx_runtime import OnnxRuntime

    return OnnxRuntime(graph, device, threads)
