"""What runs a graph: onnxruntime and others, each behind the protocol of :mod:`lightwell.engines.base`."""

from __future__ import annotations

from pathlib import Path

from lightwell.engines.base import DEVICES, PRECISIONS, Device, Engine, Precision, cores
from lightwell.errors import DeviceError

__all__ = ["DEVICES", "PRECISIONS", "Device", "Engine", "Precision", "cores", "start", "start_brief"]


def start(graph: Path, device: Device = "auto", threads: int | None = None, precision: Precision = "auto") -> Engine:
    """An engine that runs a graph.

    ``auto`` is onnxruntime, with CUDA where it was built for it and computes there what the CPU computes. On a CPU no
    other engine in float32 wins back what it takes to compile within a picture of two megapixels, so that nothing is
    compiled, compared or measured before one is restored. For many pictures of one size ``openvino`` takes three
    quarters of the time, in bfloat16 little more than half (docs/speed.md).

    Args:
        graph: an ONNX file.
        device: where to run; ``auto`` takes the first that works.
        threads: of the CPU for one call; by default one for each core that this process may use.
        precision: ``auto`` and ``float32`` compute in float32; ``float16`` is for GPUs.

    Raises:
        ValueError: there is no such device or precision, or fewer than one thread.
        WeightsError: the file is missing, damaged, or not a graph.
        DeviceError: the device or precision asked for cannot run here.
    """
    from lightwell.engines import openvino
    from lightwell.engines.onnx_runtime import OnnxRuntime, providers

    if precision not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
    if device == "torch":
        from lightwell.engines.torch import Torch

        return Torch(graph, threads, precision)
    if precision == "bfloat16" and device in ("auto", "openvino"):
        return openvino.OpenVino(graph, threads, precision)
    if precision in ("bfloat16", "float16"):
        way_out = "openvino or torch" if precision == "bfloat16" else "torch"
        raise DeviceError(
            f"the device {device} has no {precision} here: choose the device {way_out}, or the precision float32"
        )
    # A wheel of onnxruntime that was built with OpenVINO runs it where the package itself is missing.
    if device == "openvino" and (openvino.installed() or device not in providers()):
        return openvino.OpenVino(graph, threads, precision)
    engine = OnnxRuntime(graph, device, threads)
    if device == "auto" and engine.device != "cpu":
        from lightwell.engines.auto import Auto
        from lightwell.engines.reference import Reference

        return Auto(engine, Reference(graph, threads))
    return engine


def start_brief(graph: Path, threads: int | None = None) -> Engine:
    """An engine on the CPU for a graph that is called once a picture, with a thumbnail, in float32.

    It is not worked over: it loads in a third of the time, and a call takes a third longer, which is 1.5 ms.

    Args:
        graph: an ONNX file.
        threads: as for :func:`start`.

    Raises:
        ValueError: fewer than one thread.
        WeightsError: the file is missing, damaged, or not a graph.
    """
    from lightwell.engines.onnx_runtime import OnnxRuntime

    return OnnxRuntime(graph, "cpu", threads, optimised=False)
