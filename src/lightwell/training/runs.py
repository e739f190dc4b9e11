"""What a folder holds of runs: read from their records and logs, without torch."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightwell.errors import DataError, TrainingError
from lightwell.training.record import RECORD, flat, read_record

__all__ = ["RunSummary", "differing", "list_runs", "read_log"]

_LOG = "log.csv"


@dataclass(frozen=True)
class RunSummary:
    """One run.

    Attributes:
        folder: where it is.
        record: of what is trained, as ``run.json`` holds it; empty for a run without one.
        step: the last one in the log.
        stage: that it is in.
        loss: the last one; NaN without any.
        scores: the best PSNR (strict) of each held-out set, in dB, with its step.
        fault: why the run cannot be read; empty for one that can.
    """

    folder: Path
    record: dict[str, Any]
    step: int = 0
    stage: str = ""
    loss: float = math.nan
    scores: dict[str, tuple[float, int]] | None = None
    fault: str = ""

    @property
    def steps(self) -> int | None:
        """Steps of the whole run, where the record tells them."""
        steps = self.record.get("steps")
        return steps if isinstance(steps, int) else None


def read_log(folder: Path) -> list[dict[str, str]]:
    """The lines of a run's log; none if there is no log."""
    try:
        with (folder / _LOG).open(newline="", encoding="utf-8") as file:
            return [line for line in csv.DictReader(file) if (line.get("step") or "").isdigit()]
    except FileNotFoundError:
        return []


def list_runs(folder: Path) -> list[RunSummary]:
    """The runs in a folder and in the folders in it, by name; the folder itself may be one.

    Raises:
        DataError: when there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found = sorted({path.parent for name in (RECORD, _LOG) for path in folder.glob(f"**/{name}")})
    if not found:
        raise DataError(f"{folder}: no runs in it (looked for {RECORD} and {_LOG})")
    return [_summary(path) for path in found]


def _summary(folder: Path) -> RunSummary:
    try:
        record = read_record(folder) or {}
        lines = read_log(folder)
        sets = record.get("held_out", [])
        best: dict[str, tuple[float, int]] = {}
        for name in sets:
            values = [(float(line[name]), int(line["step"])) for line in lines if line.get(name)]
            if values:
                best[name] = max(values)
        last = lines[-1] if lines else {"step": "0", "stage": "", "loss": "nan"}
        return RunSummary(folder, record, int(last["step"]), last["stage"], float(last["loss"]), best)
    except (TrainingError, OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        return RunSummary(folder, {}, fault=str(error) or type(error).__name__)


def differing(runs: Sequence[RunSummary]) -> list[tuple[str, list[str]]]:
    """The settings that are not the same in all runs, with the value in each; runs without a record are dashes."""
    settings = [flat(run.record["recipe"]) if run.record else {} for run in runs]
    names = dict.fromkeys(name for each in settings for name in each if name != "name")
    known = [each for each in settings if each]
    return [
        (name, [str(each[name]) if name in each else "-" for each in settings])
        for name in names
        if any(each.get(name) != known[0].get(name) for each in known)
    ]
