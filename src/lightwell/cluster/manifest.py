"""The memory of a job: one row for each picture, in Parquet, so that a run that was stopped anywhere goes on.

In a folder beside the results, ``.lightwell`` by default::

    job.json            what is made of what, by which model and settings
    running.json        which run is at work, and when it last said so
    rows/RUN-N.parquet  rows; of several with one source the last counts
    open/RUN-N.json     journals: what a worker has done and begun of one batch, until its rows are in rows/

A worker writes its journal before and after each picture. So a row is never lost with a worker or with the run that
would have collected it, and a result that appeared without its row is known for ours.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lightwell.cluster.places import Place, place
from lightwell.errors import FileError, PlanError

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
_JOB, _RUNNING, _ROWS, _OPEN = "job.json", "running.json", "rows", "open"
_STALE = 60.0  # seconds after which a run that says nothing is taken for dead
_MAX_JSON = 64 << 20
Digests = NDArray[np.bytes_]


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
        running: host and process of the run that is at work, None where none is.
        rate: pictures a second in the last five minutes, 0 where none is at work.
        errors: the most frequent errors with their counts.
    """

    target: Target
    done: int
    failed: int
    total: int | None
    running: str | None
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

    def begin(self, target: Target, *, force: bool = False) -> None:
        """Writes down what the job makes, or finds that it is the same as before.

        Raises:
            PlanError: another model, settings or places, and not ``force``; or another run is at work.
            FileError: the manifest cannot be read or written.
        """
        before = self.target()
        if other := self.running():
            raise PlanError(f"{other} is at work on {target.dest}; if it was killed, wait {_STALE:.0f} s")
        if before is not None and before != target and not force:
            raise PlanError(f"{target.dest} was begun {_difference(before, target)}", remedy="force")
        content = {"version": VERSION, "target": asdict(target)}
        self.place.write(_JOB, json.dumps(content, indent=2).encode(), replace=True)

    # ---- the run

    def beat(self, run: str, total: int | None, *, ended: bool = False) -> None:
        """Says that a run is at work."""
        content = {
            "run": run,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "time": time.time(),
            "total": total,
            "ended": ended,
        }
        self.place.note(_RUNNING, json.dumps(content).encode())

    def running(self) -> str | None:
        """Host and process of the run that is at work, None where none is."""
        content = self._json(_RUNNING)
        if content is None or content.get("ended") or time.time() - float(content.get("time", 0)) > _STALE:
            return None
        host, process = str(content.get("host")), int(content.get("process", 0))
        if host == socket.gethostname() and not _is_alive(process):
            return None
        return f"a run on {host} (process {process})"

    # ---- rows

    def write_rows(self, run: str, number: int, rows: Iterable[Entry]) -> None:
        """Writes rows as one file, whole or not at all."""
        import pyarrow
        from pyarrow import parquet

        buffer = io.BytesIO()
        table = pyarrow.Table.from_pylist([vars(row) for row in rows], schema=_schema())
        parquet.write_table(table, buffer, compression="zstd")
        self.place.write(f"{_ROWS}/{run}-{number:06}.parquet", buffer.getbuffer(), replace=True)

    def tables(self, columns: list[str] | None = None) -> Iterator[pyarrow.Table]:
        """The rows' files in the order in which they were written."""
        import pyarrow
        from pyarrow import parquet

        for name in self.place.names(_ROWS):
            if not name.endswith(".parquet"):
                continue
            try:
                yield parquet.read_table(io.BytesIO(self.place.read(f"{_ROWS}/{name}")), columns=columns)
            except (pyarrow.ArrowException, KeyError, OSError) as error:
                raise FileError(f"{self.place.of(_ROWS)}/{name} is damaged: {error}") from error

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

    def harvest(self, run: str) -> dict[str, Tries]:
        """Takes the rows from the journals that an earlier run left open.

        Args:
            run: that goes on.

        Returns:
            What is known of the pictures in them that have no row, by name.
        """
        names = self.journals()
        rows: list[Entry] = []
        tries: dict[str, Tries] = {}
        finished: set[str] = set()
        for name in names:
            found = self.journal(name)
            if found is None:
                continue
            rows += found.rows.values()
            finished.update(found.rows)
            for picture in found.names:
                if picture not in found.rows:
                    before = max(tries.get(picture, Tries()).attempts, found.tries.get(picture, Tries()).attempts)
                    # The workers died with their run, which says nothing of the picture; one may have lived on a bit.
                    tries[picture] = Tries(before, taken=picture not in found.others)
        tries = {name: known for name, known in tries.items() if name not in finished}
        if rows:
            self.write_rows(run, 0, rows)
        if tries:
            others = [name for name, known in tries.items() if not known.taken]
            left = Journal(list(tries), tries, others=others)
            self.place.write(f"{_OPEN}/{run}-left.json", left.encode(), replace=True)
        for name in names:
            self.place.remove(name)
        return tries

    def known(self, run: str, *, retry: bool = False) -> Known:
        """What is done and what was begun before.

        Args:
            run: that goes on.
            retry: pictures that failed are to be done once more.
        """
        tries = self.harvest(run)
        final: list[Digests] = []
        failed: dict[str, int] = {}
        for table in self.tables(["source", "status", "attempt"]):
            sources = table["source"].to_pylist()
            final.append(_digests(sources))
            if retry:
                for source, status, attempt in zip(
                    sources, table["status"].to_pylist(), table["attempt"].to_pylist(), strict=True
                ):
                    if status == "failed":
                        failed[source] = attempt
                    else:
                        failed.pop(source, None)
        digests = np.unique(np.concatenate(final)) if final else np.empty(0, "S16")
        if failed:
            digests = np.setdiff1d(digests, _digests(list(failed)), assume_unique=True)
            start = len(f"{self._source()}/")
            for source, attempts in failed.items():
                tries.setdefault(source[start:], Tries(attempts))
        return Known(digests, tries)

    def _source(self) -> str:
        target = self.target()
        return target.source if target else ""

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
    open_rows = _open_rows(kept)
    tables = list(kept.tables())
    tables.append(pyarrow.Table.from_pylist([vars(row) for row in open_rows], schema=_schema()))
    table = pyarrow.concat_tables(tables)
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
    # Journals first: a row that moves from one to a rows' file meanwhile is seen twice, not never.
    open_rows = _open_rows(kept)
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

    for table in kept.tables(["source", "status", "error", "finished"]):
        for row in table.to_pylist():
            count(**row)
    for entry in open_rows:
        count(entry.source, entry.status, entry.error, entry.finished)
    beat = kept._json(_RUNNING) or {}
    running = kept.running()
    errors = tuple(Counter(failed.values()).most_common(5))
    return Summary(target, len(done), len(failed), beat.get("total"), running, recent / 300 if running else 0.0, errors)


def new_run() -> str:
    """A run's name; later ones sort behind earlier ones."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(3)}"


def _begun(manifest: Manifest) -> Target:
    target = manifest.target()
    if target is None:
        raise PlanError(f"{manifest.place.address} holds no manifest: no job was begun there")
    return target


def _open_rows(manifest: Manifest) -> list[Entry]:
    journals = (manifest.journal(name) for name in manifest.journals())
    return [row for journal in journals if journal is not None for row in journal.rows.values()]


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
