"""A job that machines share out by names, without Ray: each does its part with `lightwell.jobs` and keeps its rows."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

from lightwell.cluster.listing import refuse_unwritable
from lightwell.cluster.manifest import FOLDER, Batch, Journal, Manifest, Shard, Tries, new_run
from lightwell.cluster.places import Place
from lightwell.cluster.run import Collector
from lightwell.cluster.worker import target_of
from lightwell.jobs.events import Done, Event, Failed, Job
from lightwell.jobs.plan import Plan
from lightwell.jobs.restoring import Settings

__all__ = ["Record"]

_BATCH = 16  # pictures in a journal


class Record:
    """Keeps a row for each picture of a shard in the manifest that `restore_dataset` keeps.

    A picture is written down before it begins and after. So one whose result appeared without its row, as its run was
    killed, gets the row when the shard goes on.

    Args:
        source: the pictures' folder, as the plan was made with.
        dest: the results' folder.
        shard: which part of how many this is.
        plan: of the shard.
        model: as `Restorer` takes it.
        settings: that pictures are restored and written with.
        overwrite: results are replaced; another model and settings than the job was begun with are taken.

    Raises:
        PlanError: the job was begun with another model, settings or folder; the shard is at work already; or no
            manifest can hold a name.
        FileError: the manifest cannot be read or written.
        WeightsError: there is no such model.
    """

    def __init__(
        self,
        source: str,
        dest: str,
        shard: Shard,
        plan: Plan,
        model: str | os.PathLike[str] | None,
        settings: Settings,
        *,
        overwrite: bool = False,
    ) -> None:
        self._folders, self._plan, self._shard = (Path(source), Path(dest)), plan, shard
        pictures, results = (Place(os.path.realpath(folder)) for folder in self._folders)
        self._target = target_of(pictures, results, model, settings)
        for job in plan.jobs():
            refuse_unwritable(pictures, self._names(job)[0])
        self._manifest = Manifest(Place(results.of(FOLDER)))
        self._manifest.begin(self._target, force=overwrite, shard=shard)
        self._run = new_run()
        self._known = self._manifest.known(self._manifest.begun(), retry=True)
        self._collector = Collector(self._manifest, self._run)
        self._journals: dict[str, Journal] = {}  # by their files' names
        self._latest = -1
        self._lock = threading.Lock()

    def begun(self) -> Iterator[Job]:
        """The plan's jobs, each once it is written down that it begins; for `lightwell.jobs.run`, from any thread."""
        for job in self._plan.jobs():
            name, result = self._names(job)
            with self._lock:
                file, journal = self._open()
                journal.names.append(name)
                journal.tries[name] = Tries(self._known.tries.get(name, Tries()).attempts + 1)
                if Path(self._target.dest, result).exists():
                    journal.others.append(name)
                self._note(file)
            yield job

    def kept(self, events: Generator[Event, None, None]) -> Generator[Event, None, None]:
        """Passes a run's events on and keeps the rows that they give.

        Args:
            events: of the run of `begun`; closed with this generator.
        """
        with self._manifest.beating(self._run, self._plan.pictures, self._shard), closing(self._collector):
            self._recover()
            try:
                with closing(events):
                    for event in events:
                        match event:
                            case Done(job, seconds):
                                self._end(job, seconds)
                            case Failed(error=error, job=Job() as job, seconds=seconds):
                                self._end(job, seconds or 0.0, error)
                        yield event
            finally:
                self._give()

    def _recover(self) -> None:
        """Gives rows to results that are there since a run that could not say so any more."""
        rows = []
        for job in self._plan.done():
            name, result = self._names(job)
            known = self._known.tries.get(name, Tries())
            if known.taken and not any(self._known.has([f"{self._target.source}/{name}"])):
                size, sha256 = _digest(job)
                rows.append(self._target.entry(name, result, max(1, known.attempts), size=size, sha256=sha256))
        if rows:
            self._manifest.write_rows(self._run, rows)

    def _open(self) -> tuple[str, Journal]:
        """The journal that the next picture goes to, and its file's name; full ones whose pictures ended are given."""
        if self._journals:
            file, journal = next(reversed(self._journals.items()))
            if len(journal.names) < _BATCH:
                return file, journal
        self._give()
        self._latest += 1
        file = Batch(self._run, self._latest, []).journal
        self._journals[file] = Journal([])
        return file, self._journals[file]

    def _end(self, job: Job, seconds: float, error: Exception | None = None) -> None:
        name, result = self._names(job)
        size, sha256 = _digest(job)
        with self._lock:
            file, journal = next((file, each) for file, each in self._journals.items() if name in each.tries)
            attempt = journal.tries[name].attempts
            row = self._target.entry(name, result, attempt, seconds=seconds, error=error, size=size, sha256=sha256)
            journal.rows[name] = row
            self._note(file)

    def _note(self, file: str) -> None:
        self._manifest.place.note(file, self._journals[file].encode())

    def _give(self) -> None:
        """Gives away the rows of journals whose pictures have all ended; the others stay for whoever goes on."""
        for file, journal in list(self._journals.items()):
            if len(journal.rows) == len(journal.names):
                self._collector.keep(file, list(journal.rows.values()))
                del self._journals[file]

    def _names(self, job: Job) -> tuple[str, str]:
        """Of a picture below the source, and of its result below the destination."""
        assert job.source is not None
        assert job.output is not None
        source, dest = self._folders
        return job.source.relative_to(source).as_posix(), job.output.relative_to(dest).as_posix()


def _digest(job: Job) -> tuple[int | None, str | None]:
    """A picture's size in bytes and SHA-256; nothing where it cannot be read any more."""
    assert job.source is not None
    try:
        with job.source.open("rb") as stream:
            return os.fstat(stream.fileno()).st_size, hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None, None
