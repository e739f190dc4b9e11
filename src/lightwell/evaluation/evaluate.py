"""Scores of restored pictures, picture by picture, for one or several methods on the same data."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightwell.engines import cores
from lightwell.errors import DataError, PictureError
from lightwell.evaluation.measures import Column, Measure
from lightwell.jobs.events import Event, Job
from lightwell.jobs.run import Tell, finish, run
from lightwell.metrics import PROTOCOLS
from lightwell.metrics.levels import Array, levels
from lightwell.pictures import Picture, read_named, size_of, to_srgb

__all__ = [
    "BASELINE_GAMMA",
    "Cost",
    "Evaluation",
    "Measuring",
    "Method",
    "baselines",
    "check",
    "evaluate",
    "load",
    "pixels_of",
]

BASELINE_GAMMA = 0.45
_LISTED = 10


@dataclass(frozen=True)
class Cost:
    """What restoring one picture took: seconds, and the process's peak memory in bytes where the system tells it."""

    seconds: float
    peak: int | None


@dataclass(frozen=True)
class Method:
    """A row of the table: pictures by name, as they are or after a gamma; ``costs`` where they were restored here."""

    name: str
    pictures: Mapping[str, Path]
    gamma: float = 1.0
    is_baseline: bool = False
    costs: Mapping[str, Cost] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """Every score of every picture.

    Attributes:
        data: the name of the data.
        names: of the pictures, in natural order.
        sizes: width and height of each picture.
        methods: the rows of the table.
        truth: the well-lit pictures, or None for an evaluation without them.
        columns: what was measured.
        meanings: a line about each protocol and metric, by name.
        scores: ``(pictures, methods, columns)``.
        lumas: ``(pictures, methods, 256)``, the share of pixels at each level of the BT.601 luma.
        truth_lumas: ``(pictures, 256)``, or None without truth.
    """

    data: str
    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    methods: tuple[Method, ...]
    truth: Mapping[str, Path] | None
    columns: tuple[Column, ...]
    meanings: Mapping[str, str]
    scores: NDArray[np.float64]
    lumas: NDArray[np.float64]
    truth_lumas: NDArray[np.float64] | None


def baselines(low: Mapping[str, Path]) -> list[Method]:
    """The rows that every table has: the untouched input and one fixed gamma."""
    return [
        Method("input", low, is_baseline=True),
        Method(f"gamma {BASELINE_GAMMA}", low, gamma=BASELINE_GAMMA, is_baseline=True),
    ]


def check(methods: Sequence[Method], truth: Mapping[str, Path] | None) -> dict[str, tuple[int, int]]:
    """Makes sure, before any work starts, that every picture has its partners and all partners have one size.

    Returns:
        Width and height by name.

    Raises:
        DataError: lists the names without a partner, or the pictures of unequal size.
    """
    doubled = sorted({m.name for m in methods if sum(m.name == other.name for other in methods) > 1})
    if doubled:
        raise DataError(f"several methods are called {', '.join(doubled)}: give their folders different names")
    groups = [(method.name, method.pictures) for method in methods if method.gamma == 1]
    if truth is not None:
        groups.insert(0, ("truth", truth))
    everything = {name: None for _, pictures in groups for name in pictures}
    lacking = [
        f"{label} lacks {_listed(missing)}"
        for label, pictures in groups
        if (missing := [name for name in everything if name not in pictures])
    ]
    if lacking:
        raise DataError("pictures without a partner: " + "; ".join(lacking))

    sizes: dict[str, tuple[int, int]] = {}
    unequal = []
    for name in everything:
        found = {label: _size(pictures[name]) for label, pictures in groups}
        sizes[name] = next(iter(found.values()))
        if len(set(found.values())) > 1:
            unequal.append(name + " (" + ", ".join(f"{label} {w}x{h}" for label, (w, h) in found.items()) + ")")
    if unequal:
        raise DataError(f"{len(unequal)} pictures of unequal size: {_listed(unequal)}")
    return sizes


class Measuring:
    """Every picture of every method, measured as a run of jobs, one for each picture.

    Args:
        data: what the data is called in the report.
        methods: the rows of the table.
        truth: well-lit pictures by name, or None; then no measure may need one.
        measures: what to measure, in the order of the columns.

    Raises:
        DataError: as `check`.
    """

    def __init__(
        self, data: str, methods: Sequence[Method], truth: Mapping[str, Path] | None, measures: Sequence[Measure]
    ) -> None:
        self._data, self._methods, self._truth, self._measures = data, tuple(methods), truth, measures
        self._sizes = check(methods, truth)
        self._found: dict[str, tuple[list[list[float]], list[Array], Array | None]] = {}

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self._sizes)

    def events(self, jobs: int | None = None) -> Generator[Event, None, None]:
        """Measures them; a job's source is the picture's name.

        Args:
            jobs: pictures measured at the same time, each on a thread; as many as there are cores by default.
        """
        # Threads, not processes: the time goes into numpy, scipy and Pillow, which let go of the interpreter's lock.
        return run((Job(Path(name), None) for name in self._sizes), self._measure, jobs or cores())

    def _measure(self, job: Job, _: Tell) -> tuple[int, int]:
        name = job.name
        target = None if self._truth is None else load(self._truth[name])
        scores, lumas = [], []
        for method in self._methods:
            restored = load(method.pictures[name], method.gamma)
            try:
                scores.append([value for measure in self._measures for value in measure.call(restored, target)])
            except ValueError as error:  # of a size or kind that a metric does not take
                raise DataError(f"{method.pictures[name]}: {error}") from error
            lumas.append(_luma_shares(restored))
        self._found[name] = scores, lumas, None if target is None else _luma_shares(target)
        return self._sizes[name]

    def result(self) -> Evaluation:
        """The scores, once all are measured."""
        results = [self._found[name] for name in self._sizes]
        return Evaluation(
            data=self._data,
            names=tuple(self._sizes),
            sizes=tuple(self._sizes.values()),
            methods=self._methods,
            truth=self._truth,
            columns=tuple(column for measure in self._measures for column in measure.columns),
            meanings={name: meaning for measure in self._measures for name, meaning in measure.meanings.items()},
            scores=np.array([scores for scores, _, _ in results], np.float64),
            lumas=np.array([lumas for _, lumas, _ in results]),
            truth_lumas=None if self._truth is None else np.array([luma for _, _, luma in results]),
        )


def evaluate(
    data: str,
    methods: Sequence[Method],
    truth: Mapping[str, Path] | None,
    measures: Sequence[Measure],
    jobs: int | None = None,
) -> Evaluation:
    """Measures every picture of every method as `Measuring` does, all or none.

    Raises:
        DataError: as `check`; before any work.
        PictureError: a picture cannot be read.
    """
    measuring = Measuring(data, methods, truth, measures)
    finish(measuring.events(jobs))
    return measuring.result()


def load(path: Path, gamma: float = 1.0) -> Array:
    """A picture as `pixels_of` gives it, from its file.

    Raises:
        PictureError: the file cannot be read.
    """
    return pixels_of(read_named(path), gamma)


def pixels_of(picture: Picture, gamma: float = 1.0) -> Array:
    """What the measures take: ``(H, W, 3)``, gray repeated, alpha left out; a float in [0, 1] after a gamma."""
    pixels: Array = to_srgb(picture).pixels
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return pixels if gamma == 1 else (levels(pixels) / 255) ** gamma


def _luma_shares(picture: Array) -> NDArray[np.float64]:
    luma, _ = PROTOCOLS["y"].prepare(picture, picture)
    counts = np.bincount(luma.ravel(), minlength=256)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def _size(path: Path) -> tuple[int, int]:
    """Width and height as seen upright, from the file's header."""
    try:
        height, width = size_of(path)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error
    return width, height


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
