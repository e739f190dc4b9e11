"""The models that a service offers, and the work on one picture."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightwell import zoo
from lightwell.engines import Device, cores
from lightwell.pictures import FORMATS, Format, format_of_name, read
from lightwell.restoring.controls import Controls
from lightwell.restoring.restorer import Restorer
from lightwell.restoring.tiles import Progress
from lightwell.serve.pool import Made
from lightwell.serve.problems import Problem, Refused

__all__ = ["Models", "Wanted", "format_named", "restoring"]

_MEDIA = {format: f"image/{format.lower()}" for format in FORMATS}


@dataclass(frozen=True)
class Wanted:
    """What a client asks for.

    Args:
        model: by name; None for the service's default.
        controls: as `Restorer` takes them.
        format: of the result; None for the picture's own.
        quality: as `Picture.write` takes it.
    """

    model: str | None
    controls: Controls
    format: Format | None
    quality: int | None


class Models:
    """Shipped models by name, each loaded when it is first asked for, and the one that the service was started with.

    Args:
        model: as `Restorer` takes it; it is the default and loaded at once.
        device: where to run.
        workers: pictures at a time, which share the cores and the memory.
        max_memory: bytes for all of them together; by default 2 GB for each.
        threads: of the CPU for one picture; by default an equal share of the cores.

    Raises:
        WeightsError: there is no such model.
        DeviceError: the device cannot run here.
    """

    def __init__(
        self, model: str | None, device: Device, workers: int, max_memory: int | None, threads: int | None = None
    ) -> None:
        threads = threads or max(1, cores() // workers)
        self._make: Callable[[str | None], Restorer] = lambda name: Restorer(
            name, device=device, threads=threads, max_memory=max_memory // workers if max_memory else "2G"
        )
        first = self._make(model)
        self.default = first.model
        self.device = first.device
        self._loaded = {first.model: first}
        self._lock = threading.Lock()

    def __getitem__(self, name: str | None) -> Restorer:
        name = name or self.default
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._make(name)
            return self._loaded[name]

    def refuse_unknown(self, name: str | None) -> None:
        """Says so when no such model is offered; a name is never taken for a file's.

        Raises:
            Problem: 422.
        """
        known = [str(entry["name"]) for entry in self.offered()]
        if name is not None and name not in known:
            raise Problem(422, f"There is no such model; choose one of {', '.join(known)}.")

    def offered(self) -> list[dict[str, Any]]:
        """What a client may ask for, the default first."""
        first = self._loaded[self.default]
        rows = [
            {
                "name": card.name,
                "summary": card.summary,
                "good_at": card.good_at,
                "parameters": card.parameters,
                "stages": card.spec.strategy == "light-then-detail",
            }
            for card in zoo.cards()
        ]
        named = next((row for row in rows if row["name"] == self.default), None) or {
            "name": first.model,
            "summary": "The model that this service was started with.",
            "good_at": "",
            "parameters": None,
            "stages": first.spec.strategy == "light-then-detail",
        }
        rows = [named, *(row for row in rows if row["name"] != self.default)]
        return [{**row, "default": row is named} for row in rows]


def restoring(models: Models, data: bytes, wanted: Wanted, max_pixels: int) -> Callable[[Progress], Made]:
    """The work on one picture: read, restore, write, all in memory."""

    def work(progress: Progress) -> Made:
        started = time.monotonic()
        restorer = models[wanted.model]
        try:
            restorer.refuse_unsuited(wanted.controls)
        except ValueError as error:
            raise Refused(str(error)) from error
        picture = read(data, max_pixels=max_pixels)
        progress(0.0)
        height, width = picture.size
        restored = restorer(picture, wanted.controls, progress=progress)
        format = wanted.format or restored.format
        stream = io.BytesIO()
        lost = restored.write(stream, format=format, quality=wanted.quality)
        notes = (*restored.warnings, *lost)
        media = _MEDIA.get(format, "application/octet-stream")
        return Made(stream.getvalue(), media, notes, (width, height), restorer.model, time.monotonic() - started)

    return work


def format_named(word: str | None) -> Format | None:
    """The format of a word such as ``jpeg`` or ``jpg``.

    Raises:
        Problem: 422 for any other.
    """
    if word is None:
        return None
    named = next((name for name in FORMATS if name == word.upper()), format_of_name(f"_.{word}"))
    if named is None or not word.isalnum():
        raise Problem(422, f"The format is one of {', '.join(name.lower() for name in FORMATS)}.")
    return named
