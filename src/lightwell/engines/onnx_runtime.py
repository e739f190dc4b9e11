"""Graphs in onnxruntime."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from lightwell.engines.base import DEVICES, Array, Device, cores, refuse_no_numbers
from lightwell.errors import DeviceError, WeightsError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxRuntime", "load_onnxruntime", "providers"]

_PROVIDERS: dict[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
# CoreML compiles the graph anew for each picture size, so it only runs when asked for.
_AUTO = ("cuda", "openvino", "cpu")
_WHEELS = {"cuda": "onnxruntime-gpu", "openvino": "onnxruntime-openvino", "coreml": "onnxruntime (macOS)"}


def load_onnxruntime() -> ModuleType:
    """The library, with its telemetry off: it would leave a device's id in the user's cache and look a host up."""
    if "onnxruntime" not in sys.modules:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime  # type: ignore[no-any-return]


def providers() -> list[str]:
    """The devices that the installed onnxruntime was built for, by our names; they may still fail to start."""
    built = load_onnxruntime().get_available_providers()
    return [device for device, provider in _PROVIDERS.items() if provider in built]


class OnnxRuntime:
    """An :class:`~lightwell.engines.base.Engine`.

    Args:
        graph: an ONNX file, its parameters in it or in files beside it.
        device: where to run; ``auto`` takes the first that works of CUDA, OpenVINO, CPU.
        threads: of the CPU for one call; by default one for each core that this process may use.
        optimised: whether onnxruntime works the graph over when it loads it.

    Raises:
        ValueError: there is no such device, or fewer than one thread.
        WeightsError: the file is missing, damaged, or not a graph.
        DeviceError: the device asked for cannot run here.
    """

    def __init__(
        self, graph: Path, device: Device = "auto", threads: int | None = None, *, optimised: bool = True
    ) -> None:
        if device not in DEVICES:
            raise ValueError(f"device is one of {', '.join(DEVICES)}, not {device!r}")
        if threads is not None and threads < 1:
            raise ValueError(f"threads is at least 1, not {threads}")
        if not graph.is_file():
            raise WeightsError(f"there is no model file {graph}")
        self.graph = graph
        available = providers()
        if device == "auto":
            wanted = [name for name in _AUTO if name in available]
        elif device in available:
            wanted = [device]
        else:
            raise DeviceError(
                f"this onnxruntime has no {device}: install {_WHEELS[device]} in place of onnxruntime, "
                f"or choose the device {' or '.join(available)}"
            )
        for name in wanted:
            try:
                session = _start(graph, name, threads, optimised)
            except WeightsError:
                if name != wanted[-1]:  # one that fails is no reason to fail where another may work
                    continue
                raise
            if session.get_providers()[0] == _PROVIDERS[name]:  # otherwise onnxruntime fell back to the CPU
                self._session, self._device = session, name
                break
        else:
            raise DeviceError(
                f"{device} did not start (its driver or libraries are missing, or of another version): "
                "lightwell doctor says more; the device cpu works everywhere"
            )

    @property
    def device(self) -> str:
        return self._device

    @property
    def inputs(self) -> dict[str, tuple[int | None, ...]]:
        return {
            entry.name: tuple(side if isinstance(side, int) else None for side in entry.shape)
            for entry in self._session.get_inputs()
        }

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self._session.get_outputs())

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        names = self.outputs
        try:
            values = self._session.run(list(names), dict(feeds))
        except Exception as error:  # onnxruntime's own exceptions have no common base that it exports
            raise WeightsError(f"{self.graph} does not run on {self._device}: {_first_line(error)}") from error
        found = {name: np.asarray(value, np.float32) for name, value in zip(names, values, strict=True)}
        refuse_no_numbers(self.graph, self._device, found)
        return found


def _start(graph: Path, device: str, threads: int | None, optimised: bool) -> onnxruntime.InferenceSession:
    ort = load_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    options.inter_op_num_threads = 1
    # Threads that wait by spinning take the cores from the other pictures and from everyone else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A plan kept for each shape doubles the peak, and pictures have many shapes.
    options.enable_mem_pattern = False
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # what matters comes back as an exception or a missing provider
    chosen = [_PROVIDERS[device]] if device == "cpu" else [_PROVIDERS[device], _PROVIDERS["cpu"]]
    try:
        with _quiet_output():
            session = ort.InferenceSession(str(graph), options, providers=chosen)
    except Exception as error:
        raise WeightsError(f"{graph} cannot be loaded as a model: {_first_line(error)}") from error
    session.disable_fallback()  # it would print, and compute elsewhere without a word
    return session


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _quiet_output() -> Iterator[None]:
    """Keeps the library's words off standard output, which may be a picture or JSON."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
