"""What runs a graph: onnxruntime and others, each behind the protocol of :mod:`lightwell.engines.base`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from lightwell.engines.base import DEVICES, PRECISIONS, Device, Engine, Precision, cores
from lightwell.errors import DeviceError

__all__ = ["DEVICES", "PRECISIONS", "Device", "Engine", "Precision", "cores", "start", "start_brief"]


def start(
    graph: Path,
    device: Device = "auto",
    threads: int | None = None,
    precision: Precision = "auto",
    *,
    many: bool = False,
) -> Engine:
    """An engine that runs a graph.

    ``auto`` is onnxruntime, with CUDA where it was built for it and computes there what the CPU computes. For many
    pictures it is OpenVINO where that is installed: it takes about a second to compile for a shape, and then less time
    (docs/speed.md). Within a picture of two megapixels it does not win that back, so that nothing is compiled, compared
    or measured before a single one is restored.

    Args:
        graph: an ONNX file.
        device: where to run; ``auto`` takes the first that works.
        threads: of the CPU for one call; by default one for each core that this process may use.
        precision: ``auto`` and ``float32`` compute in float32; ``float16`` is for GPUs.
        many: whether many pictures are to come.

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
    from lightwell.engines.auto import Auto
    from lightwell.engines.reference import Reference

    if device == "auto" and many and openvino.installed() and "cuda" not in providers():
        with suppress(DeviceError):
            quick = openvino.OpenVino(graph, threads)
            return Auto(quick, quick.trusted)
    engine = OnnxRuntime(graph, device, threads)
    return engine if device != "auto" or engine.device == "cpu" else Auto(engine, Reference(graph, threads))


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
