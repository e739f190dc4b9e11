"""Runs jobs, several at a time, and tells how they go."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing

from lightwell.errors import LightwellError
from lightwell.jobs.events import Done, Event, Failed, Job, Note, Progress, Started

__all__ = ["Tell", "Work", "finish", "run"]

_AHEAD = 64  # events that wait for whoever takes them, at most


class _Stopped(Exception):
    """The run was stopped while this job was worked on."""


class Tell:
    """What the work on one job tells, from its thread; raises where the run was stopped, which ends the work."""

    def __init__(self, job: Job, put: Callable[[Event], None]) -> None:
        self._job, self._put = job, put

    def progress(self, share: float) -> None:
        """So much is done, in [0, 1]."""
        self._put(Progress(self._job, share))

    def note(self, text: str, *, detail: bool = False) -> None:
        """Something to know; a detail is for those who ask for all."""
        self._put(Note(self._job, text, detail))


Work = Callable[[Job, Tell], tuple[int, int]]
"""Does a job and returns the picture's width and height; what it raises is the job's failure."""


def run(jobs: Iterable[Job], work: Work, workers: int = 1) -> Generator[Event, None, None]:
    """Does jobs and yields what happens, in the order in which it happens.

    Jobs are taken one by one as workers are free, and workers wait for whoever takes the events, so a million jobs need
    no more memory than a few. One that fails does not stop the others. Closing the iterator (`contextlib.closing`),
    as Ctrl-C does, stops at the workers' next word; then all of them have ended and nothing is half written.

    Args:
        jobs: what to do; may be an iterator without end.
        work: does one job.
        workers: threads, each with one job at a time.
    """
    # Ctrl-C in the midst of a queue.Queue, which is written in Python, can leave its lock taken or be lost in an error
    # of its own. Simple queues have no such midst, and no bound: that is what the places are for.
    events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
    places: queue.SimpleQueue[None] = queue.SimpleQueue()
    for _ in range(_AHEAD):
        places.put(None)
    stop, turn, waiting = threading.Event(), threading.Lock(), iter(jobs)

    def put(event: Event | BaseException | None) -> None:
        while not stop.is_set():
            try:
                places.get(timeout=0.1)
            except queue.Empty:
                continue
            return events.put(event)
        raise _Stopped

    def loop() -> None:
        try:
            while not stop.is_set():
                with turn:
                    job = next(waiting, None)
                if job is None:
                    return put(None)
                put(Started(job))
                put(_outcome(job, work, put))
        except _Stopped:
            return None
        except BaseException as error:  # of the jobs' iterator, for whoever takes the events
            put(error)

    threads = [threading.Thread(target=loop, name=f"lightwell-{number}") for number in range(workers)]
    working = len(threads)
    try:
        for thread in threads:
            thread.start()
        while working:
            try:
                event = events.get(timeout=0.5)  # a wait without end cannot be interrupted everywhere
            except queue.Empty:
                continue
            places.put(None)
            if isinstance(event, BaseException):
                raise event
            if event is None:
                working -= 1
            else:
                yield event
    finally:
        stop.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def finish(events: Generator[Event, None, None]) -> None:
    """Takes the events of a run that is worth nothing unless every job succeeds, and stops at the first that does not.

    Raises:
        LightwellError: what failed, with the input's name; a fault of ours as it is.
    """
    with closing(events):
        for event in events:
            if isinstance(event, Failed):
                error = event.error
                if isinstance(error, LightwellError):
                    raise type(error)(f"{event.name}: {error}", remedy=error.remedy) from error
                raise error


def _outcome(job: Job, work: Work, put: Callable[[Event], None]) -> Done | Failed:
    started = time.monotonic()
    error: Exception
    try:
        size = work(job, Tell(job, put))
        return Done(job, time.monotonic() - started, size)
    except _Stopped:
        raise
    except MemoryError as refusal:
        error = LightwellError("does not fit in memory", remedy="memory")
        error.__cause__ = refusal
    except Exception as fault:
        error = fault
    return Failed(job.name, error, job, time.monotonic() - started)
