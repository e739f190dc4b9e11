"""The protocol of an engine, and what all engines share."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lightwell.errors import WeightsError

__all__ = ["DEVICES", "PRECISIONS", "Array", "Device", "Engine", "Precision", "cores", "refuse_no_numbers"]

Array = NDArray[np.float32]
Device = Literal["auto", "cpu", "cuda", "openvino", "coreml", "torch"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
PRECISIONS: tuple[Precision, ...] = ("auto", "float32", "bfloat16", "float16")
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda", "openvino", "coreml", "torch")


class Engine(Protocol):
    """A graph ready to run; may be called from several threads at once."""

    @property
    def device(self) -> str:
        """Where it runs."""

    @property
    def inputs(self) -> Mapping[str, tuple[int | None, ...]]:
        """The names of what it takes, with their shapes; None for a side that may have any length."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it gives."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the graph's file says of itself."""

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run the graph.

        Args:
            feeds: an array for each input.

        Returns:
            An array for each output.

        Raises:
            WeightsError: the graph does not take these arrays, or gives values that are no numbers.
        """


def refuse_no_numbers(graph: Path, device: str, found: Mapping[str, Array]) -> None:
    """Says so where an engine gave NaN or infinite values.

    Raises:
        WeightsError: when it did.
    """
    for name, value in found.items():
        if not np.isfinite(value).all():
            raise WeightsError(f"{graph} gave values that are no numbers ({name}) on {device}; try the device cpu")


def cores() -> int:
    """How many cores this process may use: by its affinity and, in a container, by its quota."""
    count = os.cpu_count() or 1
    with contextlib.suppress(AttributeError):
        count = len(os.sched_getaffinity(0))
    return max(1, math.ceil(min(count, _quota())))


def _quota() -> float:
    """Cores' worth of time that the container's scheduler grants (cgroup 2, then 1)."""
    with contextlib.suppress(OSError, ValueError):
        granted, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return math.inf if granted == "max" else int(granted) / int(period)
    with contextlib.suppress(OSError, ValueError):
        folder = Path("/sys/fs/cgroup/cpu")
        granted = (folder / "cpu.cfs_quota_us").read_text()
        if int(granted) > 0:
            return int(granted) / int((folder / "cpu.cfs_period_us").read_text())
    return math.inf
