"""What other engines must agree with: the graph in onnxruntime on the CPU, in float32."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

import numpy as np

from lightwell.engines.base import Array
from lightwell.engines.onnx_runtime import OnnxRuntime
from lightwell.errors import DeviceError

__all__ = ["Compared", "Reference", "agreement"]

_LEAST_DECIBELS = 45.0
_MOST_LEVELS = 4.0
# On the CPU a large picture whole would take longer than all that follows.
_PART = 128

# What was found once holds for the process: by the graph's file as it was, the engine, and what it compiled.
_FOUND: dict[tuple[Hashable, ...], tuple[float, float]] = {}
_FINDING = threading.Lock()


def agreement(expected: Mapping[str, Array], found: Mapping[str, Array]) -> tuple[float, float]:
    """How far two engines' pictures agree: in dB between values cut off to [0, 1], and the largest gap in 8-bit levels.

    Args:
        expected: what a graph gives in the engine that is trusted.
        found: what it gives in the other, for the same arrays.
    """
    gaps = [np.clip(found[name], 0, 1) - np.clip(expected[name], 0, 1) for name in expected]
    error = max(float(np.mean(np.square(gap))) for gap in gaps)
    return -10 * math.log10(max(error, 1e-12)), 255 * max(float(np.abs(gap).max()) for gap in gaps)


class Reference(OnnxRuntime):
    """The graph that an engine is compared with, once in a process for each program that it makes of the graph.

    It also says what is wrong with a file, and keeps it from reading outside its folder.

    Args:
        graph: an ONNX file, its parameters in it or in files beside it.
        threads: of the CPU for one call; by default one for each core that this process may use.

    Raises:
        ValueError: fewer than one thread.
        WeightsError: the file is missing, damaged, or not a graph.
    """

    def __init__(self, graph: Path, threads: int | None = None) -> None:
        super().__init__(graph, "cpu", threads)
        state = graph.stat()
        self._file = str(graph.resolve()), state.st_mtime_ns, state.st_size

    def check(
        self,
        device: str,
        run: Callable[[Mapping[str, Array]], Mapping[str, Array]],
        feeds: Mapping[str, Array],
        way_out: str,
    ) -> None:
        """:meth:`compare` with a corner of some pictures, of 128 x 128 pixels at most, unless the engine is known.

        Args:
            device: the engine, as it calls itself.
            run: calls it.
            feeds: pictures ``(N, C, H, W)``, and what is given beside them.
            way_out: what to choose instead.

        Raises:
            DeviceError: when they differ.
            WeightsError: as for a call.
        """
        if (*self._file, device, None) not in _FOUND:
            part = {name: array[..., :_PART, :_PART] if array.ndim == 4 else array for name, array in feeds.items()}
            self.compare(device, part, run(part), way_out)

    def compare(
        self,
        device: str,
        feeds: Mapping[str, Array],
        found: Mapping[str, Array],
        way_out: str,
        compiled: Hashable = None,
    ) -> None:
        """Says so where an engine's pictures differ by more than 4 levels of 255, or agree to less than 45 dB.

        Args:
            device: the engine, as it calls itself.
            feeds: what it was given; not looked at when the engine is known.
            found: what it gave.
            way_out: what to choose instead.
            compiled: which of the programs that the engine made of the graph gave it.

        Raises:
            DeviceError: when they differ.
            WeightsError: as for a call.
        """
        key = (*self._file, device, compiled)
        with _FINDING:
            if key not in _FOUND:
                _FOUND[key] = agreement(self(feeds), found)
            decibels, levels = _FOUND[key]
        if not (decibels >= _LEAST_DECIBELS and levels <= _MOST_LEVELS):
            raise DeviceError(
                f"{device} differs from onnxruntime by {levels:.0f} levels of 255 ({decibels:.0f} dB) "
                f"with {self.graph.name}: choose {way_out}"
            )


class Compared:
    """What engines have in common that are compared with the graph in onnxruntime: they take and give what it does.

    Args:
        trusted: the graph in onnxruntime; an attribute too.
        half: whether the engine computes in less than float32.
    """

    def __init__(self, trusted: Reference, *, half: bool = False) -> None:
        self.trusted = trusted
        self._way_out = "the precision float32" if half else "the device cpu"

    @property
    def inputs(self) -> Mapping[str, tuple[int | None, ...]]:
        return self.trusted.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.trusted.outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        return self.trusted.metadata
