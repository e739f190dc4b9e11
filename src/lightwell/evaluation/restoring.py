"""Restoring a folder for an evaluation, with what it cost."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lightwell.evaluation.evaluate import Cost, Method
from lightwell.export import cached_graph, is_weights
from lightwell.pictures import read_named
from lightwell.restoring.restorer import Restorer
from lightwell.weights import name_of

__all__ = ["restore_all"]


def restore_all(
    model: str,
    low: Mapping[str, Path],
    folder: Path,
    done: Callable[[str], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Method:
    """Restores pictures into a folder as PNG, one after the other with all cores, so that the times are honest.

    Args:
        model: a shipped model's name, an ONNX file, a weights file or the folder of a training run.
        low: dark pictures by name.
        folder: where to; made if missing.
        done: called with a picture's name once it is written.
        tell: called with a line before something else that takes time.

    Raises:
        WeightsError: there is no such model.
        PictureError: a picture cannot be read or written.
    """
    restorer = Restorer(cached_graph(model, tell) if is_weights(model) else model)
    restored, costs = {}, {}
    for name, path in low.items():
        picture = read_named(path)
        _forget_peak()
        start = time.perf_counter()
        result = restorer(picture)
        costs[name] = Cost(time.perf_counter() - start, _peak())
        restored[name] = folder / f"{name}.png"
        restored[name].parent.mkdir(parents=True, exist_ok=True)
        result.write(restored[name])
        done(name)
    return Method(name_of(model), restored, costs=costs)


def _forget_peak() -> None:
    """Makes Linux count the process's peak memory afresh; elsewhere there is no such switch."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int | None:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
