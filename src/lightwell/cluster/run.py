"""Runs a job on Ray: batches of names go to workers in actors, their rows come back and are kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from lightwell import zoo
from lightwell.cluster.listing import batches, count, pictures
from lightwell.cluster.manifest import Batch, Entry, Known, Manifest, Summary, manifest_of, new_run, summary
from lightwell.cluster.places import Place, place, refuse_nested
from lightwell.cluster.worker import Orders, Worker, target_of
from lightwell.engines import Device, cores
from lightwell.errors import DeviceError, FileError, LightwellError, PlanError, WeightsError
from lightwell.jobs.restoring import Settings
from lightwell.restoring.restorer import Restorer, Tile

__all__ = ["Actor", "Collector", "restore_dataset"]

_BATCH = 16  # pictures that a worker is told at a time, at most
_KEEP_ROWS, _KEEP_SECONDS = 2000, 300.0  # rows go to a file of their own when there are so many, or so old
_STORE_BYTES = 128 << 20  # for Ray's objects: names and rows, never pictures
_ANSWER = 5.0  # seconds that a cluster's address has to answer
_STARTS = 3  # tries to start Ray, which gives itself half a minute, too little on a busy machine
_AHEAD = 8  # batches that are listed beyond those at work
_STOPPED = b"stopped "
_ERRORS: dict[str, type[LightwellError]] = {
    error.__name__: error for error in (DeviceError, FileError, PlanError, WeightsError, LightwellError)
}


def restore_dataset(
    source: str,
    dest: str,
    *,
    model: str | os.PathLike[str] | None = None,
    settings: Settings | None = None,
    manifest: str | None = None,
    overwrite: bool = False,
    retry: bool = False,
    force: bool = False,
    address: str | None = None,
    workers: int | None = None,
    threads: int = 1,
    gpus: float = 0.0,
    device: Device = "auto",
    tile: Tile = "auto",
    max_memory: int | str = "2G",
    told: Callable[[list[Entry], int | None], None] | None = None,
) -> Summary:
    """Restore all pictures below a folder, on all cores of this machine or of a cluster.

    A job that was stopped, however it was, goes on where it stood when it is called again.

    Args:
        source: a folder that every machine sees, or an address such as ``s3://bucket/folder``.
        dest: where the results go, under the names of the pictures.
        model: as in `Restorer`; a file must lie under the same path on every machine.
        settings: that pictures are restored and written with.
        manifest: the manifest's folder; by default ``.lightwell`` below ``dest``.
        overwrite: replace results that are there and not of this job.
        retry: pictures that failed are done once more.
        force: go on with another model, settings or places than the job was begun with; what is done stays.
        address: ``HOST:PORT`` or ``auto`` of a Ray cluster; by default one is started here and stopped afterwards.
        workers: at a time; by default one for each ``threads`` cores, or each share of a GPU.
        threads: cores of each worker.
        gpus: share of a GPU that each worker takes.
        device: as in `Restorer`; with ``gpus`` by default ``cuda``.
        tile: as in `Restorer`.
        max_memory: of each worker, as in `Restorer`.
        told: is told the rows of each batch as it ends, and how many pictures this run has to do where that is known.

    Returns:
        How the whole job stands.

    Raises:
        PlanError: the call contradicts itself or an earlier one, or nobody answers at the address.
        FileError: a place cannot be read or written.
        WeightsError: there is no such model, here or on a worker.
        DeviceError: a worker has no such device, or no machine has room for one.
        ValueError: a setting outside its range, or that the model does not know.
    """
    settings = settings or Settings()
    if threads < 1 or (workers is not None and workers < 1) or gpus < 0:
        raise ValueError("workers and threads are at least 1, a share of a GPU at least 0")
    pictures_place, results = place(source), place(dest)
    refuse_nested(pictures_place, results)
    kept = manifest_of(dest, manifest)
    if model is not None and zoo.is_file_name(model):
        model = Path(model).absolute()
    target = target_of(pictures_place, results, model, settings)
    # The model and the settings are tried here, so that what is wrong with them is told before any worker is.
    Restorer(model, device="cpu", threads=1, tile=tile, max_memory=max_memory).refuse_unsuited(settings.controls)
    if address is not None:
        _refuse_silent(address)
    total = count(pictures_place, settings.format)
    kept.begin(target, force=force)
    orders = Orders(
        target,
        kept.place.address,
        settings,
        {
            "model": model,
            "device": "cuda" if gpus and device == "auto" else device,
            "threads": threads,
            "tile": tile,
            "max_memory": max_memory,
        },
        overwrite,
    )
    run = new_run()
    with kept.beating(run, total):
        known = kept.known(kept.harvest(run), retry=retry)
        # Where all is done Ray, which takes seconds, need not start.
        if next(_batches(orders, known, run, 1), None) is not None:
            collector = Collector(kept, run, told, None if total is None else max(0, total - len(known.final)))
            with _ray(address, workers, threads) as ray, contextlib.closing(collector):
                room = _workers(ray, threads, gpus)
                at_once = workers or room
                size = _batch_size(collector.total, at_once)
                with contextlib.closing(_work(orders, known, run, at_once, size, threads, gpus)) as answers:
                    for done in answers:
                        collector.add(done)
            collector.finish()
    return summary(dest, manifest)


def _batch_size(total: int | None, workers: int) -> int:
    """Pictures in a batch: so few that each worker gets several."""
    return _BATCH if total is None else max(1, min(_BATCH, total // (4 * workers)))


class Collector:
    """Keeps the rows that workers send, many in one file, and removes their journals.

    Args:
        manifest: that they go to.
        run: that they are of.
        told: is told of them.
        total: pictures to do, for ``told``.
    """

    def __init__(
        self,
        manifest: Manifest,
        run: str,
        told: Callable[[list[Entry], int | None], None] | None = None,
        total: int | None = None,
    ) -> None:
        self.manifest, self.run, self.told, self.total = manifest, run, told, total
        self._rows: list[Entry] = []
        self._journals: list[str] = []
        self._kept = time.monotonic()

    def add(self, done: bytes) -> None:
        """A batch's rows, as `Actor` sends them."""
        content = json.loads(done)
        self.keep(Batch(self.run, content["number"], []).journal, [Entry(**row) for row in content["rows"]])

    def keep(self, journal: str, rows: list[Entry]) -> None:
        """The rows of a journal to which nothing will be added."""
        self._rows += rows
        self._journals.append(journal)
        if self.told is not None:
            self.told(rows, self.total)
        if len(self._rows) >= _KEEP_ROWS or time.monotonic() - self._kept > _KEEP_SECONDS:
            self.close()

    def close(self) -> None:
        """Keeps what has come so far. The journals go last, so that a row is at no time nowhere."""
        self._kept = time.monotonic()
        if self._rows:
            self.manifest.write_rows(self.run, self._rows)
            self._rows = []
        for journal in self._journals:
            self.manifest.place.remove(journal)
        self._journals = []

    def finish(self) -> None:
        """Leaves no journal behind, as all is done."""
        for journal in self.manifest.journals():
            self.manifest.place.remove(journal)


class _Gate:
    """Lets the listing run only so far ahead of the work; an actor between the two.

    Batches are asked for by number, so that a listing that Ray repeats because its worker died waits for nothing that
    came long ago.
    """

    def __init__(self, ahead: int) -> None:
        self._ahead, self._finished = ahead, 0
        self._moved = asyncio.Condition()

    async def wait_for(self, number: int) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: number < self._finished + self._ahead)

    async def finish(self, batches: int) -> None:
        async with self._moved:
            self._finished += batches
            self._moved.notify_all()


class Actor:
    """A worker in a process of Ray's. What ends the whole run comes back as an answer, as Ray wraps exceptions.

    Args:
        orders: for the worker.
    """

    def __init__(self, orders: Orders) -> None:
        self._worker: Worker | None = None
        try:
            self._worker = Worker(orders)
        except LightwellError as error:
            self._stopped = _stopped(error)

    def __call__(self, rows: dict[str, Any]) -> dict[str, list[bytes]]:
        """A row of Ray Data: a batch's bytes in, the bytes of its number and rows out."""
        data = bytes(rows["batch"][0])
        if self._worker is None:
            return {"done": [self._stopped]}
        if data.startswith(_STOPPED):  # the listing was, and says so in a batch's place
            return {"done": [data]}
        batch = Batch.decode(data)
        try:
            entries = self._worker.do(batch)
        except LightwellError as error:
            return {"done": [_stopped(error)]}
        return {"done": [json.dumps({"number": batch.number, "rows": entries}, default=vars).encode()]}


def _stopped(error: LightwellError) -> bytes:
    kind = next(name for name, known in _ERRORS.items() if isinstance(error, known))
    return _STOPPED + json.dumps([kind, str(error)]).encode()


def _work(
    orders: Orders, known: Known, run: str, workers: int, size: int, threads: int, gpus: float
) -> Generator[bytes, None, None]:
    """The rows of each batch, as workers finish them."""
    import pyarrow
    import ray
    from ray.data import ActorPoolStrategy, Datasource, read_datasource
    from ray.data.block import BlockMetadata
    from ray.data.datasource import ReadTask

    gate = ray.remote(num_cpus=0)(_Gate).remote(2 * workers + _AHEAD)
    shared = ray.put(known)

    def row(data: bytes) -> pyarrow.Table:
        return pyarrow.table({"batch": pyarrow.array([data], pyarrow.large_binary())})

    def listed() -> Iterator[pyarrow.Table]:
        try:
            for batch in _batches(orders, ray.get(shared), run, size):
                ray.get(gate.wait_for.remote(batch.number))
                yield row(batch.encode())
        except LightwellError as error:
            yield row(_stopped(error))

    class Batches(Datasource):
        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
            return [ReadTask(listed, BlockMetadata(None, None, None, None))]

    with _whole_rows():
        data = read_datasource(Batches(), override_num_blocks=1, num_cpus=0).map_batches(
            Actor,
            fn_constructor_args=(orders,),
            batch_size=1,
            batch_format="numpy",
            compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
            num_cpus=threads,
            num_gpus=gpus or None,
        )
        for answer in data.iter_rows():
            done = bytes(answer["done"])
            if done.startswith(_STOPPED):
                kind, text = json.loads(done.removeprefix(_STOPPED))
                raise _ERRORS[kind](text)
            yield done
            gate.finish.remote(1)


def _batches(orders: Orders, known: Known, run: str, size: int) -> Iterator[Batch]:
    source = Place(orders.target.source)
    return batches(source, pictures(source, orders.settings.format), known, run, size)


@contextlib.contextmanager
def _whole_rows() -> Iterator[None]:
    """Ray Data with a block for each row, which is a batch of ours, and without a word."""
    from ray.data import DataContext

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what is wrong, the error says
    context = DataContext.get_current()
    before = context.target_max_block_size, context.enable_progress_bars, context.print_on_execution_start
    # Blocks end as soon as they hold a byte: the listing streams, and a task of Ray is one batch.
    context.target_max_block_size, context.enable_progress_bars, context.print_on_execution_start = 1, False, False
    try:
        yield
    finally:
        context.target_max_block_size, context.enable_progress_bars, context.print_on_execution_start = before


@contextlib.contextmanager
def _ray(address: str | None, workers: int | None, threads: int) -> Iterator[Any]:
    """A connection to a cluster, or a cluster of our own, which ends with it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else it warns of how Ray Data itself makes its actors
    import ray

    if ray.is_initialized():  # by whoever calls; it stays his
        yield ray
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if address is None:
        at_once = (workers or max(1, cores() // threads)) * threads
        how = {"num_cpus": at_once, "include_dashboard": False, "object_store_memory": _STORE_BYTES, **quiet}
        tries, failure = _STARTS, "cannot start Ray here"
    else:
        how = {"address": address, **quiet}
        tries, failure = 1, f"cannot join the Ray cluster at {address}"
    for left in reversed(range(tries)):
        try:
            with _without_stderr():
                ray.init(**how)
            break
        except Exception as error:  # a bare one where it takes too long
            ray.shutdown()
            if not left:
                raise PlanError(f"{failure}: {str(error).strip().splitlines()[0]}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """Ray's own code in C++ says at its start how much it is going to say; what is wrong comes as an exception."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _refuse_silent(address: str) -> None:
    """Says when nobody answers at an address; Ray itself would take minutes to."""
    if address.startswith("ray://"):
        raise PlanError("ray:// addresses cannot carry data: run on a machine of the cluster, with --address auto")
    host, colon, port = address.rpartition(":")
    if address in ("auto", "local") or not colon:
        if address != "auto":
            raise PlanError(f"a cluster's address is auto or HOST:PORT, not {address}")
        return
    if not port.isdecimal() or not host:
        raise PlanError(f"a cluster's address is auto or HOST:PORT, not {address}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise PlanError(f"no Ray cluster answers at {address} ({error})") from error


def _workers(ray: Any, threads: int, gpus: float) -> int:
    """How many workers the machines of a cluster have room for; Ray itself would wait for one that never comes."""
    room = 0
    for node in ray.nodes():
        if node["Alive"]:
            there = node["Resources"]
            fit = int(there.get("CPU", 0)) // threads
            room += min(fit, int(there.get("GPU", 0) / gpus)) if gpus else fit
    if not room:
        raise DeviceError(f"no machine of the cluster has room for a worker (cores: {threads}, GPUs: {gpus:g})")
    return room
