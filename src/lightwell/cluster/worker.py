"""What one worker does: a batch of pictures, one after the other, with a journal."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lightwell import zoo
from lightwell.cluster.manifest import Batch, Entry, Journal, Manifest, Target, Tries
from lightwell.cluster.places import Place, is_full
from lightwell.errors import FileError, LightwellError, WeightsError
from lightwell.jobs.restoring import Settings
from lightwell.pictures import format_of_name, read, result_name, size_of
from lightwell.restoring.restorer import Restorer

__all__ = ["Orders", "Worker", "target_of"]

_MOST_DEATHS = 3


@dataclass(frozen=True)
class Orders:
    """What every worker of a run is told.

    Args:
        target: what is made.
        manifest: the manifest's address.
        settings: of the pictures.
        restorer: what `Restorer` is made with.
        overwrite: replace results that exist.
    """

    target: Target
    manifest: str
    settings: Settings
    restorer: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False


class Worker:
    """A model, loaded once, that does batches; Ray runs one in each of its actors.

    Raises:
        WeightsError: the model cannot be loaded here, or is another one than the run was begun with.
    """

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.source, self.dest = Place(orders.target.source), Place(orders.target.dest)
        self.manifest = Manifest(Place(orders.manifest))
        name, digest = _identity(orders.restorer.get("model"))
        if digest != orders.target.model_sha256:
            raise WeightsError(f"the model {name} on {socket.gethostname()} is not the one the run was begun with")
        self.restorer = Restorer(**orders.restorer)

    def do(self, batch: Batch) -> list[Entry]:
        """Does a batch, or what an earlier worker that died over it left of it.

        Returns:
            A row for each of its pictures.

        Raises:
            FileError: nothing more can be written, whatever the picture.
        """
        journal = self.manifest.journal(batch.journal)
        again = journal is not None
        journal = journal or Journal(batch.names, dict(batch.known), others=self._others(batch))
        for name in batch.names:
            if name in journal.rows:
                continue
            before = journal.tries.get(name, Tries())
            # A picture that was begun in this batch and has no row is the one over which a worker died.
            deaths = before.deaths + (again and before != batch.known.get(name, Tries()))
            tries = Tries(before.attempts + 1, deaths, (again or before.taken) and name not in journal.others)
            if deaths >= _MOST_DEATHS:
                gone = FileError(f"its worker died {deaths} times over it; it may take more memory than there is")
                journal.rows[name] = self.orders.target.entry(name, self._result(name), before.attempts, error=gone)
                continue
            journal.tries[name] = tries
            self._keep(batch, journal)
            journal.rows[name] = self._one(name, tries, other=name in journal.others)
        self._keep(batch, journal)
        return [journal.rows[name] for name in batch.names]

    def _others(self, batch: Batch) -> list[str]:
        """The pictures whose result is there before they are begun, and is not known for ours."""
        if self.orders.overwrite:
            return []
        fresh = [name for name in batch.names if not batch.known.get(name, Tries()).taken and _is_plain(name)]
        return [name for name in fresh if self.dest.exists(self._result(name))]

    def _keep(self, batch: Batch, journal: Journal) -> None:
        self.manifest.place.note(batch.journal, journal.encode())

    def _one(self, name: str, tries: Tries, *, other: bool) -> Entry:
        started = time.monotonic()
        size, digest = None, None
        error: Exception | None = None
        try:
            # A store's names may hold anything; on a disk some lead elsewhere.
            if not _is_plain(name):
                raise FileError("its name cannot be that of a file: rename it")
            target = self._result(name)
            if other:
                raise FileError(f"{self.dest.of(target)} exists")
            there = tries.taken and not self.orders.overwrite and self.dest.exists(target)
            try:
                data = self.source.read(name)
            except FileNotFoundError as missing:
                raise FileError("there is no such file any more") from missing
            size, digest = len(data), hashlib.sha256(data).hexdigest()
            if not there:
                restored = self._restored(data, target)
                self.dest.write(target, restored, replace=self.orders.overwrite, like=self._like(name))
        except MemoryError:
            error = LightwellError("does not fit in memory")
        except Exception as fault:
            if is_full(fault):
                raise FileError(f"{self.dest.address}: nothing more can be written ({fault})") from None
            error = fault
        seconds = time.monotonic() - started
        return self.orders.target.entry(
            name, self._result(name), tries.attempts, seconds=seconds, error=error, size=size, sha256=digest
        )

    def _restored(self, data: bytes, target: str) -> memoryview:
        settings = self.orders.settings
        self.restorer.refuse_too_large(*size_of(data))
        picture = read(data, max_pixels=settings.max_pixels)
        restored = self.restorer(picture, settings.controls)
        whole = io.BytesIO()
        restored.write(whole, format=settings.format or format_of_name(target), quality=settings.quality)
        return whole.getbuffer()

    def _result(self, name: str) -> str:
        return result_name(name, self.orders.settings.format)

    def _like(self, name: str) -> Path | None:
        return Path(self.source.of(name)) if self.source.is_local else None


def _is_plain(name: str) -> bool:
    """Whether a name can be that of a file below a folder."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") or "\0" in part or (os.sep != "/" and os.sep in part) for part in parts)


def target_of(source: Place, dest: Place, model: str | os.PathLike[str] | None, settings: Settings) -> Target:
    """What a job makes, as its manifest keeps it.

    Args:
        source: the pictures' folder.
        dest: the results' folder.
        model: as `Restorer` takes it.
        settings: that pictures are restored and written with.

    Raises:
        WeightsError: there is no such model.
    """
    # As JSON gives them back, to be compared.
    return Target(source.address, dest.address, *_identity(model), json.loads(json.dumps(asdict(settings))))


def _identity(model: str | os.PathLike[str] | None) -> tuple[str, str]:
    """A model's name and the SHA-256 of its graphs.

    Raises:
        WeightsError: there is no such model.
    """
    if model is not None and zoo.is_file_name(model) and Path(model).suffix != ".json":
        name, graphs = Path(model).stem, [Path(model)]
    else:
        if model is None:
            card = zoo.default()
        else:
            card = zoo.read_card(Path(model)) if zoo.is_file_name(model) else zoo.find(os.fspath(model))
        name, graphs = card.name, [card.graphs[role] for role in sorted(card.graphs)]
    digest = hashlib.sha256()
    for graph in graphs:
        try:
            digest.update(hashlib.sha256(graph.read_bytes()).digest())
        except OSError as error:
            raise WeightsError(f"{graph}: cannot be read ({error.strerror or error})") from error
    return name, digest.hexdigest()
