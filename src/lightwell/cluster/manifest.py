"""The memory of a job: one row for each picture, in Parquet, so that a run that was stopped anywhere goes on.

In a folder beside the results, ``.lightwell`` by default::

    job.json              what is made of what, by which model and settings
    running.json          which run is at work, and when it last said so; running-I-of-N.json for a shard
    rows/RUN-....parquet  rows; of several with one source that of the latest run counts; .json without pyarrow
    open/RUN-N.json       journals: what a worker has done and begun of one batch, until its rows are in rows/

A worker writes its journal before and after each picture. So a row is never lost with a worker or with the run that
would have collected it, and a result that appeared without its row is known for ours. Shards of a job, which run side
by side, write files of their own and touch no others.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lightwell.cluster.places import Place, place
from lightwell.errors import FileError, LightwellError, PlanError
from lightwell.jobs.manifest import reason_of

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "FOLDER",
    "Batch",
    "Entry",
    "Journal",
    "Known",
    "Manifest",
    "Summary",
    "Target",
    "Tries",
    "final_rows",
    "manifest_of",
    "new_run",
    "summary",
]

VERSION = 1
FOLDER = ".lightwell"
_JOB, _RUNNING, _ROWS, _OPEN = "job.json", "running", "rows", "open"
_BEAT = 5.0  # seconds between a run's words that it is at work
_STALE = 60.0  # seconds after which a run that says nothing is taken for dead
_MAX_JSON = 64 << 20
Digests = NDArray[np.bytes_]
Shard = tuple[int, int]
"""Which part of how many, from 1."""


@dataclass(frozen=True)
class Entry:
    """What came of one picture.

    Args:
        source: its address.
        destination: of its result.
        status: what came of it.
        size: of the source in bytes; None where it could not be read.
        sha256: of the source, in hexadecimal.
        error: why it failed, in a line.
        seconds: that it took.
        model: that restored it.
        model_sha256: of the model's graphs.
        settings: as JSON.
        attempt: which try this was, from 1.
        worker: host and process that did it.
        finished: when, in seconds since 1970.
    """

    source: str
    destination: str
    status: Literal["done", "failed"]
    size: int | None
    sha256: str | None
    error: str | None
    seconds: float
    model: str
    model_sha256: str
    settings: str
    attempt: int
    worker: str
    finished: float


@dataclass(frozen=True)
class Target:
    """What a job makes of which pictures; a run that goes on must be told the same.

    Args:
        source: the address of the pictures' folder.
        dest: the address of the results' folder.
        model: its name.
        model_sha256: of its graphs.
        settings: that pictures are restored and written with.
    """

    source: str
    dest: str
    model: str
    model_sha256: str
    settings: Mapping[str, Any]

    @cached_property
    def _settings(self) -> str:
        return json.dumps(self.settings, sort_keys=True)

    def entry(
        self,
        name: str,
        result: str,
        attempt: int,
        *,
        seconds: float = 0.0,
        error: Exception | None = None,
        size: int | None = None,
        sha256: str | None = None,
    ) -> Entry:
        """What came of a picture just now, in this process.

        Args:
            name: of the picture below the source.
            result: of its result below the destination.
            attempt: which try this was.
            seconds: that it took.
            error: why it failed, None where it did not.
            size: as in `Entry`.
            sha256: as in `Entry`.
        """
        words = None if error is None else " ".join(reason_of(error).split())[:1000].encode("utf-8", "replace").decode()
        return Entry(
            source=Place(self.source).of(name),
            destination=Place(self.dest).of(result),
            status="done" if error is None else "failed",
            size=size,
            sha256=sha256,
            error=words,
            seconds=round(seconds, 3),
            model=self.model,
            model_sha256=self.model_sha256,
            settings=self._settings,
            attempt=attempt,
            worker=f"{socket.gethostname()}:{os.getpid()}",
            finished=time.time(),
        )


@dataclass(frozen=True)
class Tries:
    """What is known of a picture without a row.

    Args:
        attempts: that were begun.
        deaths: of them, those in this run during which the worker died.
        taken: a run may have written the result already, without its row.
    """

    attempts: int = 0
    deaths: int = 0
    taken: bool = False


@dataclass(frozen=True)
class Batch:
    """Pictures that one worker does one after the other.

    Args:
        run: that it belongs to.
        number: in the run, from 0.
        names: of the pictures below the source.
        known: what is known of those that were begun before.
    """

    run: str
    number: int
    names: list[str]
    known: dict[str, Tries] = field(default_factory=dict)

    @property
    def journal(self) -> str:
        return f"{_OPEN}/{self.run}-{self.number:09}.json"

    def encode(self) -> bytes:
        return json.dumps(self, default=vars).encode()

    @classmethod
    def decode(cls, data: bytes) -> Batch:
        content = json.loads(data)
        content["known"] = {name: Tries(**tries) for name, tries in content["known"].items()}
        return cls(**content)


@dataclass
class Journal:
    """What became of a batch so far.

    Args:
        names: of all its pictures.
        tries: of those that were begun.
        rows: of those that are finished, by name.
        others: those whose result was there before, and is not of this job.
    """

    names: list[str]
    tries: dict[str, Tries] = field(default_factory=dict)
    rows: dict[str, Entry] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    def encode(self) -> bytes:
        return json.dumps(self, default=vars).encode()

    @classmethod
    def decode(cls, data: bytes) -> Journal:
        content = json.loads(data)
        return cls(
            [str(name) for name in content["names"]],
            {name: Tries(**tries) for name, tries in content["tries"].items()},
            {name: Entry(**row) for name, row in content["rows"].items()},
            [str(name) for name in content["others"]],
        )


@dataclass(frozen=True)
class Known:
    """What earlier runs leave to one that goes on.

    Args:
        final: sorted digests of the sources that have their final row; 16 bytes a picture.
        tries: of pictures that were begun without a row, by name.
    """

    final: Digests
    tries: Mapping[str, Tries] = field(default_factory=dict)

    def has(self, sources: list[str]) -> list[bool]:
        """Which of some sources have their final row."""
        if not len(self.final) or not sources:
            return [False] * len(sources)
        asked = _digests(sources)
        places = np.searchsorted(self.final, asked).clip(max=len(self.final) - 1)
        return [bool(found) for found in self.final[places] == asked]


@dataclass(frozen=True)
class Summary:
    """How a job stands.

    Args:
        target: what it makes.
        done: pictures restored.
        failed: pictures that nothing came of.
        total: pictures in the source, None where nobody counted.
        running: host and process of each run that is at work: one, or several shards.
        rate: pictures a second in the last five minutes, 0 where none is at work.
        errors: the most frequent errors with their counts.
    """

    target: Target
    done: int
    failed: int
    total: int | None
    running: tuple[str, ...]
    rate: float
    errors: tuple[tuple[str, int], ...]


class Manifest:
    """The manifest's files."""

    def __init__(self, where: Place) -> None:
        self.place = where

    # ---- the job

    def target(self) -> Target | None:
        """What the job makes, None where none was begun.

        Raises:
            PlanError: the file is of another version or damaged.
        """
        content = self._json(_JOB)
        if content is None:
            return None
        address = self.place.of(_JOB)
        version = content.get("version")
        if version != VERSION:
            raise PlanError(
                f"{address} is a manifest of version {version!r}, this lightwell writes {VERSION}: "
                "choose another destination or manifest, or the lightwell that began it"
            )
        try:
            return Target(**content["target"])
        except (KeyError, TypeError) as error:
            raise PlanError(f"{address} is damaged ({type(error).__name__}: {error})") from error

    def begin(self, target: Target, *, force: bool = False, shard: Shard | None = None) -> None:
        """Writes down what the job makes, or finds that it is the same as before.

        Args:
            target: what it makes.
            force: it may be another one than before.
            shard: that begins; the others of as many may be at work.

        Raises:
            PlanError: another model, settings or places, and not ``force``; or another run is at work.
            FileError: the manifest cannot be read or written.
        """
        # In this order: a shard that began a moment ago wrote what it makes before it said that it is at work.
        at_work = self.running()
        before = self.target()
        if shard is not None and before == target:
            part, parts = shard
            for other in range(1, parts + 1):
                if other != part:
                    at_work.pop(_beat_name((other, parts)), None)
        if at_work:
            other_run = next(iter(at_work.values()))
            raise PlanError(f"{other_run} is at work on {target.dest}; if it was killed, wait {_STALE:.0f} s")
        if before is not None and before != target and not force:
            remedy = "force" if shard is None else "overwrite"
            raise PlanError(f"{target.dest} was begun {_difference(before, target)}", remedy=remedy)
        content = {"version": VERSION, "target": asdict(target)}
        self.place.write(_JOB, json.dumps(content, indent=2).encode(), replace=True)

    # ---- the run

    @contextlib.contextmanager
    def beating(self, run: str, total: int | None, shard: Shard | None = None) -> Iterator[None]:
        """Says now and then that a run is at work, and at last that it has ended.

        Args:
            run: its name.
            total: pictures in the source, where they were counted.
            shard: that it does.

        Raises:
            FileError: the manifest cannot be written.
        """
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(_BEAT):
                with contextlib.suppress(LightwellError):
                    self.beat(run, total, shard)

        self.beat(run, total, shard)
        thread = threading.Thread(target=beat, name="lightwell-beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with contextlib.suppress(LightwellError):
                self.beat(run, total, shard, ended=True)

    def beat(self, run: str, total: int | None, shard: Shard | None = None, *, ended: bool = False) -> None:
        """Says once that a run is at work, or has ended."""
        content = {
            "run": run,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "time": time.time(),
            "total": total,
            "ended": ended,
        }
        self.place.note(_beat_name(shard), json.dumps(content).encode())

    def beats(self) -> dict[str, dict[str, Any]]:
        """What each run said last, by its file's name."""
        names = [name for name in self.place.names("") if name.startswith(_RUNNING) and name.endswith(".json")]
        found = ((name, self._json(name)) for name in names)
        return {name: content for name, content in found if content is not None}

    def running(self) -> dict[str, str]:
        """Host and process of the runs that are at work, by their files' names."""
        return {name: words for name, content in self.beats().items() if (words := _at_work(content))}

    # ---- rows

    def write_rows(self, run: str, rows: list[Entry]) -> None:
        """Writes rows as one more file of a run, whole or not at all."""
        name = f"{_ROWS}/{run}-{secrets.token_hex(4)}"
        if find_spec("pyarrow") is None:  # a shard on a machine with the plain installation
            self.place.write(f"{name}.json", json.dumps(rows, default=vars).encode(), replace=True)
            return
        from pyarrow import parquet

        buffer = io.BytesIO()
        parquet.write_table(_table(rows), buffer, compression="zstd")
        self.place.write(f"{name}.parquet", buffer.getbuffer(), replace=True)

    def _parts(self) -> Iterator[tuple[str, list[Entry] | None]]:
        """The names of the files that hold rows, from the oldest run to the latest, and the rows but for Parquet."""
        # Journals first: a row that moves from one to a rows' file meanwhile is seen twice, not never.
        journals = {name: self.journal(name) for name in self.journals()}
        rows = [f"{_ROWS}/{name}" for name in self.place.names(_ROWS) if name.endswith((".parquet", ".json"))]
        for name in sorted([*journals, *rows], key=lambda name: name.partition("/")[2]):
            if name in journals:
                found = journals.pop(name)
                yield name, list(found.rows.values()) if found else []
            elif name.endswith(".json"):
                try:
                    yield name, [Entry(**row) for row in json.loads(self.place.read(name))]
                except (TypeError, ValueError) as error:
                    raise FileError(f"{self.place.of(name)} is damaged: {error}") from error
            else:
                yield name, None

    def tables(self) -> Iterator[pyarrow.Table]:
        """All rows, with those in journals, from the oldest run to the latest.

        Raises:
            FileError: a file is damaged or cannot be read.
        """
        for name, rows in self._parts():
            yield self._parquet(name) if rows is None else _table(rows)

    def columns(self, *names: str) -> Iterator[tuple[list[Any], ...]]:
        """Columns of all rows as `tables` gives them, where no row lies in Parquet without pyarrow."""
        for name, rows in self._parts():
            if rows is None:
                table = self._parquet(name, list(names))
                yield tuple(table[column].to_pylist() for column in names)
            else:
                yield tuple([getattr(row, column) for row in rows] for column in names)

    def _parquet(self, name: str, columns: list[str] | None = None) -> pyarrow.Table:
        import pyarrow
        from pyarrow import parquet

        try:
            # On this thread alone: one of Arrow's that still lets go of a Python object as the process ends, aborts it.
            file = parquet.ParquetFile(pyarrow.BufferReader(self.place.read(name)), pre_buffer=False)
            table = file.read(columns=columns, use_threads=False)
            return table if columns is None else table.select(columns)
        except (pyarrow.ArrowException, KeyError, OSError) as error:
            raise FileError(f"{self.place.of(name)} is damaged: {error}") from error

    def journal(self, name: str) -> Journal | None:
        """A journal, None where there is none; one that is torn, as a machine that lost its power leaves, is none."""
        try:
            return Journal.decode(self.place.read(name))
        except FileNotFoundError:
            return None
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def journals(self) -> list[str]:
        return [f"{_OPEN}/{name}" for name in self.place.names(_OPEN) if name.endswith(".json")]

    def begun(self) -> dict[str, Tries]:
        """What is known of the pictures that earlier runs began and whose row is in no journal, by name."""
        return _without_row(filter(None, map(self.journal, self.journals())))

    def harvest(self, run: str) -> dict[str, Tries]:
        """Takes the rows from the journals that earlier runs left open, none of which is at work any more.

        Args:
            run: that goes on.

        Returns:
            As `begun`, which a journal of this run keeps.
        """
        names = self.journals()
        found = {name: journal for name in names if (journal := self.journal(name))}
        rows: defaultdict[str, list[Entry]] = defaultdict(list)
        for name, journal in found.items():
            rows[name.removeprefix(f"{_OPEN}/").rpartition("-")[0]] += journal.rows.values()
        for earlier, entries in rows.items():
            if entries:
                self.write_rows(earlier, entries)
        tries = _without_row(found.values())
        if tries:
            others = [name for name, known in tries.items() if not known.taken]
            left = Journal(list(tries), tries, others=others)
            self.place.write(f"{_OPEN}/{run}-left.json", left.encode(), replace=True)
        for name in names:
            self.place.remove(name)
        return tries

    def known(self, tries: Mapping[str, Tries], *, retry: bool = False) -> Known:
        """What is done and what was begun before.

        Args:
            tries: of pictures that were begun without a row, by name.
            retry: pictures that failed are to be done once more.
        """
        final: list[Digests] = []
        failed: dict[str, int] = {}
        for sources, statuses, attempts in self.columns("source", "status", "attempt"):
            final.append(_digests(sources))
            if retry:
                for source, status, attempt in zip(sources, statuses, attempts, strict=True):
                    if status == "failed":
                        failed[source] = attempt
                    else:
                        failed.pop(source, None)
        digests = np.unique(np.concatenate(final)) if final else np.empty(0, "S16")
        known = dict(tries)
        if failed:
            digests = np.setdiff1d(digests, _digests(list(failed)), assume_unique=True)
            start = len(f"{_begun(self).source}/")
            for source, attempt in failed.items():
                before = known.get(source[start:], Tries())
                known[source[start:]] = replace(before, attempts=max(before.attempts, attempt))
        return Known(digests, known)

    def _json(self, name: str) -> dict[str, Any] | None:
        try:
            data = self.place.read(name)
        except FileNotFoundError:
            return None
        except FileError as error:
            raise FileError(f"{self.place.of(name)}: {error}") from error
        try:
            content = json.loads(data) if len(data) <= _MAX_JSON else None
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise PlanError(f"{self.place.of(name)} is damaged: it is not the JSON that lightwell writes")
        return content


def manifest_of(dest: str, manifest: str | None = None) -> Manifest:
    """The manifest of a destination: below it, or at an address of its own."""
    return Manifest(place(manifest) if manifest is not None else Place(place(dest).of(FOLDER)))


def final_rows(dest: str, manifest: str | None = None) -> pyarrow.Table:
    """One row for each picture that is finished, with the fields of `Entry`; also those whose run was stopped.

    Args:
        dest: the results' folder.
        manifest: the manifest's folder where it is not below it.

    Raises:
        PlanError: no job was begun there.
        FileError: the manifest cannot be read.
    """
    import pyarrow

    kept = manifest_of(dest, manifest)
    _begun(kept)
    table = pyarrow.concat_tables([_table([]), *kept.tables()])
    last = {source: index for index, source in enumerate(table["source"].to_pylist())}
    return table.take(sorted(last.values()))


def summary(dest: str, manifest: str | None = None) -> Summary:
    """How a job stands, while it runs and after.

    Args:
        dest: the results' folder.
        manifest: the manifest's folder where it is not below it.

    Raises:
        PlanError: no job was begun there.
        FileError: the manifest cannot be read.
    """
    kept = manifest_of(dest, manifest)
    target = _begun(kept)
    done: set[bytes] = set()
    failed: dict[bytes, str] = {}
    recent, now = 0, time.time()

    def count(source: str, status: str, error: str | None, finished: float) -> None:
        nonlocal recent
        key = _digest(source)
        recent += now - finished < 300 and key not in done and key not in failed
        if status == "done":
            done.add(key)
            failed.pop(key, None)
        else:
            done.discard(key)
            failed[key] = error or ""

    for columns in kept.columns("source", "status", "error", "finished"):
        for row in zip(*columns, strict=True):
            count(*row)
    beats = kept.beats().values()
    running = tuple(words for beat in beats if (words := _at_work(beat)))
    total = max(beats, key=lambda beat: float(beat.get("time", 0)), default={}).get("total")
    errors = tuple(Counter(failed.values()).most_common(5))
    return Summary(target, len(done), len(failed), total, running, recent / 300 if running else 0.0, errors)


def new_run() -> str:
    """A run's name; later ones sort behind earlier ones."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(3)}"


def _begun(manifest: Manifest) -> Target:
    target = manifest.target()
    if target is None:
        raise PlanError(f"{manifest.place.address} holds no manifest: no job was begun there")
    return target


def _without_row(journals: Iterable[Journal]) -> dict[str, Tries]:
    """The pictures in journals, of which none belongs to a run at work, that have no row in any."""
    tries: dict[str, Tries] = {}
    finished: set[str] = set()
    for journal in journals:
        finished.update(journal.rows)
        for name in journal.names:
            if name not in journal.rows:
                before = max(tries.get(name, Tries()).attempts, journal.tries.get(name, Tries()).attempts)
                # The workers died with their run, which says nothing of the picture; one may have lived on a bit.
                tries[name] = Tries(before, taken=name not in journal.others)
    return {name: known for name, known in tries.items() if name not in finished}


def _beat_name(shard: Shard | None) -> str:
    return f"{_RUNNING}.json" if shard is None else f"{_RUNNING}-{shard[0]}-of-{shard[1]}.json"


def _at_work(beat: Mapping[str, Any]) -> str | None:
    """Host and process of the run that said this last, None where it has ended or died."""
    if beat.get("ended") or time.time() - float(beat.get("time", 0)) > _STALE:
        return None
    host, process = str(beat.get("host")), int(beat.get("process", 0))
    if host == socket.gethostname() and not _is_alive(process):
        return None
    return f"a run on {host} (process {process})"


def _table(rows: list[Entry]) -> pyarrow.Table:
    import pyarrow

    return pyarrow.Table.from_pylist([vars(row) for row in rows], schema=_schema())


def _schema() -> pyarrow.Schema:
    import pyarrow as pa

    text = pa.string()
    return pa.schema(
        [
            pa.field("source", text, nullable=False),
            pa.field("destination", text, nullable=False),
            pa.field("status", text, nullable=False),
            pa.field("size", pa.int64()),
            pa.field("sha256", text),
            pa.field("error", text),
            pa.field("seconds", pa.float64(), nullable=False),
            pa.field("model", text, nullable=False),
            pa.field("model_sha256", text, nullable=False),
            pa.field("settings", text, nullable=False),
            pa.field("attempt", pa.int32(), nullable=False),
            pa.field("worker", text, nullable=False),
            pa.field("finished", pa.float64(), nullable=False),
        ],
        {"lightwell": str(VERSION)},
    )


def _digest(source: str) -> bytes:
    return blake2b(source.encode(), digest_size=16).digest()


def _digests(sources: list[str]) -> Digests:
    # numpy ignores zeros at the end of bytes, which makes no two digests of one length equal.
    return np.array([_digest(source) for source in sources], "S16")


def _difference(before: Target, now: Target) -> str:
    """In what a job differs from the one that was begun, in words."""
    if before.source != now.source or before.dest != now.dest:
        return f"from {before.source} to {before.dest}, this call goes from {now.source} to {now.dest}"
    if before.model != now.model:
        return f"with the model {before.model}, this call has {now.model}"
    if before.model_sha256 != now.model_sha256:
        return f"with another {before.model} ({before.model_sha256[:12]}, now {now.model_sha256[:12]})"
    changed = []
    for key in sorted({*before.settings, *now.settings}):
        first, second = before.settings.get(key), now.settings.get(key)
        if isinstance(first, dict) and isinstance(second, dict):
            for inner in sorted({*first, *second}):
                if first.get(inner) != second.get(inner):
                    changed.append(f"{inner} {first.get(inner)}, now {second.get(inner)}")  # noqa: PERF401
        elif first != second:
            changed.append(f"{key} {first}, now {second}")
    return f"with other settings ({'; '.join(changed)})"


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # where a signal of number 0 is no question
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
