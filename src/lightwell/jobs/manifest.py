"""A manifest: one row for each input of a run, as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from lightwell.errors import LightwellError
from lightwell.jobs.events import Done, Event, Failed, Job, Skipped

__all__ = ["Row", "planned_row", "reason_of", "row_of"]


@dataclass(frozen=True)
class Row:
    """What came of one input.

    Args:
        input: its name as it was given.
        output: the file that it became or would have become.
        status: what came of it.
        error: why it failed, in a line.
        seconds: that it took, to a millisecond.
        size: width and height in pixels.
        model: that restored it.
        settings: that the model and the writing of the output were given.
    """

    input: str
    output: str | None
    status: Literal["done", "skipped", "failed", "planned"]
    error: str | None = None
    seconds: float | None = None
    size: tuple[int, int] | None = None
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """One line of JSON in ASCII, whatever characters a file's name has."""
        return json.dumps(asdict(self))


def row_of(event: Event, model: str | None = None, settings: Mapping[str, Any] | None = None) -> Row | None:
    """The row that an event gives, None for one that ends nothing."""
    given = settings or {}
    match event:
        case Done(job, seconds, size):
            return Row(job.name, _text(job.output), "done", None, round(seconds, 3), size, model, given)
        case Skipped(job):
            return Row(job.name, _text(job.output), "skipped", model=model, settings=given)
        case Failed(name, error, maybe, took):
            output = None if maybe is None else _text(maybe.output)
            took = None if took is None else round(took, 3)
            return Row(name, output, "failed", reason_of(error), took, None, model, given)
    return None


def reason_of(error: Exception) -> str:
    """What a row says of an error; of a fault of ours also its kind."""
    return str(error) if isinstance(error, LightwellError) else f"{type(error).__name__}: {error}"


def planned_row(job: Job) -> Row:
    """The row of a job that is only planned."""
    return Row(job.name, _text(job.output), "planned")


def _text(path: Path | None) -> str:
    return "standard output" if path is None else str(path)
