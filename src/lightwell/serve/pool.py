"""Threads that restore, behind a bounded queue."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field

from lightwell.errors import LightwellError
from lightwell.restoring.tiles import Progress
from lightwell.serve.problems import Cancelled, Problem, Refused

__all__ = ["Made", "Pool", "Task"]

_LOG = logging.getLogger("lightwell.serve")


@dataclass(frozen=True)
class Made:
    """A restored picture's file.

    Args:
        data: the file's bytes.
        media: its media type.
        notes: what of the picture could not be kept, a line each.
        size: width and height in pixels.
        model: that restored it.
        seconds: that the work took.
    """

    data: bytes
    media: str
    notes: tuple[str, ...]
    size: tuple[int, int]
    model: str
    seconds: float = 0.0


@dataclass(eq=False)
class Task:
    """One picture's way through the pool.

    Args:
        work: reads, restores and writes; calls what it is given with the share that is done.
        urgent: goes before what is not, as a preview does.
        listen: called from a worker's thread whenever ``share`` or ``running`` changes.
    """

    work: Callable[[Progress], Made]
    urgent: bool = False
    listen: Callable[[], None] = lambda: None
    future: Future[Made] = field(default_factory=Future)
    share: float = 0.0
    running: bool = False
    left: threading.Event = field(default_factory=threading.Event)


class Pool:
    """Workers that take the oldest urgent task first, then the oldest.

    Args:
        workers: threads, each with one picture at a time.
        queue: how many tasks may wait.
        seconds: that one task may run; it is looked at whenever the task tells its progress.
    """

    def __init__(self, workers: int, queue: int, seconds: float) -> None:
        self._queue, self._seconds = queue, seconds
        self._waiting: list[tuple[bool, int, Task]] = []
        self._numbers = itertools.count()
        self._turn = threading.Condition()
        self._closed = False
        self._running = 0
        self._mean = 1.0
        self._threads = [
            threading.Thread(target=self._loop, name=f"lightwell-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Tasks that wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Tasks that run."""
        return self._running

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    def refuse_more(self) -> None:
        """Says so when a further task has no place.

        Raises:
            Problem: 429 when the queue is full, 503 when the service stops.
        """
        if self._closed:
            raise Problem(503, "The service is stopping.", {"Retry-After": "10"})
        if len(self._waiting) >= self._queue:
            wait = min(60, max(1, math.ceil(self._mean * len(self._waiting) / len(self._threads) / 2)))
            raise Problem(429, f"The queue is full; try again in {wait} s.", {"Retry-After": str(wait)})

    def submit(self, task: Task) -> None:
        """Put a task into the queue.

        Raises:
            Problem: as `refuse_more`.
        """
        with self._turn:
            self.refuse_more()
            heapq.heappush(self._waiting, (not task.urgent, next(self._numbers), task))
            self._turn.notify()

    def cancel(self, task: Task) -> None:
        """Nobody wants it any more: it leaves the queue, or ends at the next sign of progress."""
        task.left.set()
        with self._turn:
            before = len(self._waiting)
            self._waiting = [entry for entry in self._waiting if entry[2] is not task]
            heapq.heapify(self._waiting)
            removed = len(self._waiting) < before
        if removed:
            _settle(task, error=Cancelled())

    def refuse(self) -> None:
        """From now on nothing is taken; what waits is refused, what runs goes on."""
        with self._turn:
            self._closed = True
            waiting, self._waiting = self._waiting, []
            self._turn.notify_all()
        for _, _, task in waiting:
            _settle(task, error=Problem(503, "The service is stopping.", {"Retry-After": "10"}))

    def close(self) -> None:
        """Refuse, and wait for what runs."""
        self.refuse()
        for thread in self._threads:
            thread.join()

    def _loop(self) -> None:
        while True:
            with self._turn:
                while not self._waiting and not self._closed:
                    self._turn.wait()
                if not self._waiting:
                    return
                task = heapq.heappop(self._waiting)[2]
                self._running += 1
            started = time.monotonic()
            try:
                self._run(task, started + self._seconds)
            finally:
                with self._turn:
                    self._running -= 1
                    self._mean += (time.monotonic() - started - self._mean) / 8

    def _run(self, task: Task, ends: float) -> None:
        def progress(share: float) -> None:
            if task.left.is_set():
                raise Cancelled
            if time.monotonic() > ends:
                raise Problem(503, f"The picture took longer than the {self._seconds:g} s that this service grants.")
            task.share = share
            task.listen()

        task.running = True
        task.listen()
        try:
            made = task.work(progress)
        except (Cancelled, Refused, Problem, LightwellError) as error:
            _settle(task, error=error)
        except BaseException as error:
            _LOG.exception("a picture failed")
            _settle(task, error=error)
        else:
            _settle(task, made)


def _settle(task: Task, made: Made | None = None, *, error: BaseException | None = None) -> None:
    """Whoever waited may have cancelled the future in the meantime."""
    task.running = False
    with contextlib.suppress(CancelledError, RuntimeError):
        if not task.future.set_running_or_notify_cancel():
            return
        if made is not None:
            task.future.set_result(made)
        else:
            task.future.set_exception(error)
