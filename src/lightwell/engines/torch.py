"""Networks in torch, from the weights beside their graphs: for GPUs, and for whoever has torch but no other engine.

The only part of the runtime that imports torch and `lightwell.models`, and it does so when the device ``torch`` is
asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lightwell.engines.base import Array, Precision, cores, refuse_no_numbers
from lightwell.engines.reference import Compared, Reference
from lightwell.errors import DeviceError, WeightsError

__all__ = ["Torch", "installed"]


def installed() -> bool:
    """Whether the package is there."""
    return find_spec("torch") is not None


class _Threads:
    """How many threads torch computes with, which is the process's: it is as before when the last call has ended."""

    def __init__(self) -> None:
        self._lock, self._calls, self._before = threading.Lock(), 0, 0

    @contextmanager
    def threads(self, number: int) -> Iterator[None]:
        import torch

        with self._lock:
            if not self._calls:
                self._before = torch.get_num_threads()
            self._calls += 1
            torch.set_num_threads(number)
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1
                # Each thread keeps a number of its own besides, so every call puts it back, not the last one alone.
                torch.set_num_threads(self._before)


_SHARED = _Threads()


class Torch(Compared):
    """An :class:`~lightwell.engines.base.Engine` on a GPU with CUDA, or on the CPU where there is none.

    The network that NAME.safetensors beside NAME.onnx tells runs eagerly, channels last, with nothing compiled. A part
    of a graph's first picture in a process also goes through onnxruntime, in float32, and the two must agree to 45 dB
    and 4 levels of 255.

    Args:
        graph: an ONNX file, with the weights that it was made from beside it.
        threads: of the CPU for one call; by default one for each core that this process may use. Torch's number of
            threads is the process's: it is this one while a call runs, for other work with torch too, and the one
            before when none does.
        precision: ``bfloat16`` and ``float16`` compute in it what torch does quicker so; spectra stay in float32.
            Otherwise everything is float32, which on a GPU is TF32 in convolutions, as torch's default is.

    Raises:
        ValueError: fewer than one thread.
        WeightsError: a file is missing, damaged, or neither a graph nor the weights of a network of ours.
        DeviceError: torch is not installed, or float16 is asked for without a GPU.
    """

    def __init__(self, graph: Path, threads: int | None = None, precision: Precision = "auto") -> None:
        super().__init__(Reference(graph, threads), half=precision in ("bfloat16", "float16"))
        weights = graph.with_suffix(".safetensors")
        try:
            import torch

            from lightwell.models.registry import load_weights
        except ImportError as error:
            raise DeviceError(
                "torch is not installed: pip install 'lightwell[train]', or choose the device cpu"
            ) from error
        if not weights.is_file():
            raise WeightsError(
                f"torch runs a model from its weights, and there are none at {weights}: choose the device cpu"
            )
        self.graph, self._threads = graph, threads or cores()
        self._place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
        if self._half is torch.float16 and self._place.type == "cpu":
            raise DeviceError("torch computes in float16 on a GPU only: choose the precision bfloat16 or float32")
        self._precision = precision if self._half else "float32"
        net = load_weights(weights).eval().requires_grad_(False)
        self._net = net.to(self._place).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def device(self) -> str:
        return f"torch on {self._place.type}" + (f", {self._precision}" if self._half else "")

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.trusted.check(self.device, self._run, feeds, self._way_out)
        return self._run(feeds)

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        import torch

        (name, *beside), (output,) = self.inputs, self.outputs
        low = torch.from_numpy(np.ascontiguousarray(feeds[name], np.float32))
        others = [torch.from_numpy(np.ascontiguousarray(feeds[other], np.float32)) for other in beside]
        try:
            with (
                _SHARED.threads(self._threads),
                torch.inference_mode(),
                torch.autocast(self._place.type, self._half, enabled=self._half is not None),
            ):
                restored = self._net(
                    low.to(self._place, memory_format=torch.channels_last), *(other.to(self._place) for other in others)
                )
                found = {output: restored.float().contiguous().cpu().numpy()}
        except RuntimeError as error:  # among them too little memory on the GPU
            reason = str(error).strip().splitlines()[0]
            raise WeightsError(f"{self.graph} does not run on {self.device}: {reason}; try the device cpu") from error
        refuse_no_numbers(self.graph, self.device, found)
        return found
