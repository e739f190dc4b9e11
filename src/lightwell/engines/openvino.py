"""Graphs in OpenVINO, compiled for the shapes that they meet."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lightwell.engines.base import Array, Precision, cores, refuse_no_numbers
from lightwell.engines.reference import Compared, Reference
from lightwell.errors import DeviceError, WeightsError

__all__ = ["OpenVino", "installed"]

# Compiling takes seconds and memory: further shapes go through a graph whose sides are left open, a fifth slower.
_MOST_SHAPES = 4
_Shapes = tuple[tuple[int, ...], ...]


def installed() -> bool:
    """Whether the package is there."""
    return find_spec("openvino") is not None


class OpenVino(Compared):
    """An :class:`~lightwell.engines.base.Engine` on the CPU.

    The first call with each shape that it compiles for is also made in onnxruntime, in float32, once in a process, and
    the two must agree to 45 dB and 4 levels of 255.

    Args:
        graph: an ONNX file, its parameters in it or in files beside it.
        threads: of the CPU for one call; by default one for each core that this process may use.
        precision: ``bfloat16`` computes in it what the CPU does quicker so; otherwise everything is float32.

    Raises:
        ValueError: fewer than one thread.
        WeightsError: the file is missing, damaged, or not a graph.
        DeviceError: OpenVINO is not installed, or the CPU has no bfloat16.
    """

    def __init__(self, graph: Path, threads: int | None = None, precision: Precision = "auto") -> None:
        self._half = precision == "bfloat16"
        super().__init__(Reference(graph, threads), half=self._half)
        try:
            import openvino
        except ImportError as error:
            raise DeviceError(
                f"OpenVINO is not installed: pip install 'lightwell[openvino]', or choose {self._way_out}"
            ) from error
        self.graph, self._core = graph, openvino.Core()
        if self._half and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise DeviceError("this CPU does not compute in bfloat16: choose the precision float32")
        threads = threads or cores()
        streams = max(1, cores() // threads)  # calls at a time
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if self._half else "f32",
            "INFERENCE_NUM_THREADS": threads * streams,
            "NUM_STREAMS": streams,
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled: dict[_Shapes | None, Any] = {}
        self._compiling = threading.Lock()

    @property
    def device(self) -> str:
        return "openvino, bfloat16" if self._half else "openvino"

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        arrays = {name: np.ascontiguousarray(feeds[name], np.float32) for name in self.inputs}
        try:
            shapes, compiled = self._for_shapes(arrays)
            request = compiled.create_infer_request()
            request.infer(arrays, share_inputs=True)
        except Exception as error:  # OpenVINO raises RuntimeError and others of its own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise WeightsError(f"{self.graph} does not run on OpenVINO: {reason}; try the device cpu") from error
        found = {name: np.array(request.get_tensor(name).data, np.float32) for name in self.outputs}
        refuse_no_numbers(self.graph, self.device, found)
        self.trusted.compare(self.device, arrays, found, self._way_out, shapes)
        return found

    def _for_shapes(self, arrays: Mapping[str, Array]) -> tuple[_Shapes | None, Any]:
        """The graph for these arrays, and the shapes that it is for, None for any."""
        key = tuple(array.shape for array in arrays.values())
        with self._compiling:
            fixed = key in self._compiled or len(self._compiled) < _MOST_SHAPES
            place = key if fixed else None
            if place not in self._compiled:
                model = self._core.read_model(str(self.graph))
                if fixed:
                    model.reshape({name: list(array.shape) for name, array in arrays.items()})
                self._compiled[place] = self._core.compile_model(model, "CPU", self._settings)
            return place, self._compiled[place]
