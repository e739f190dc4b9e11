"""What a run tells while it goes; whoever started it words or counts it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Done", "Event", "Failed", "Job", "Note", "Progress", "Skipped", "Started"]


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to work on.

    Args:
        source: its file, None for standard input.
        output: the file to write, None for standard output.
        compare: a file for the comparison before | after, None for none.
        keep: the output exists and stays; only the comparison is to be written.
    """

    source: Path | None
    output: Path | None
    compare: Path | None = None
    keep: bool = False

    @property
    def name(self) -> str:
        return "standard input" if self.source is None else str(self.source)


@dataclass(frozen=True, slots=True)
class Started:
    """Work on a job begins."""

    job: Job


@dataclass(frozen=True, slots=True)
class Progress:
    """So much of a job is done: a share in [0, 1]."""

    job: Job
    share: float


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know of a job that goes on; a detail is for those who ask for all."""

    job: Job
    text: str
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """A job's files are written.

    Args:
        job: which.
        seconds: that it took.
        size: width and height in pixels.
    """

    job: Job
    seconds: float
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A job was not begun, as all that it would write exists."""

    job: Job


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing came of an input.

    Args:
        name: the input as it was given.
        error: what is wrong: a `LightwellError`, or another exception where the fault is ours.
        job: which; None where the input stands for no picture.
        seconds: until it failed, None where work had not begun.
    """

    name: str
    error: Exception
    job: Job | None = None
    seconds: float | None = None


Event = Started | Progress | Note | Done | Skipped | Failed
