"""Jobs that a client comes back for: their state as it changes, and their results for a while."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from lightwell.serve.bodies import Held
from lightwell.serve.limits import Limits
from lightwell.serve.pool import Made, Pool, Task
from lightwell.serve.problems import Problem, problem_of

__all__ = ["Job", "Jobs", "follow"]

_MOST_JOBS = 256
_HEARTBEAT = 15.0


@dataclass(eq=False)
class Job:
    """One picture that somebody comes back for; touched from the event loop alone.

    Args:
        id: nobody can guess it.
        task: its way through the pool.
        made: the result.
        problem: why there is none.
    """

    id: str
    task: Task
    made: Made | None = None
    problem: Problem | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        return self.made is not None or self.problem is not None

    def content(self) -> dict[str, Any]:
        """What a client is told."""
        here = f"/v1/jobs/{self.id}"
        content: dict[str, Any] = {"id": self.id, "events": f"{here}/events", "result": f"{here}/result"}
        if self.made is not None:
            made = self.made
            width, height = made.size
            return content | {
                "state": "done",
                "progress": 1.0,
                "media": made.media,
                "bytes": len(made.data),
                "width": width,
                "height": height,
                "model": made.model,
                "notes": made.notes,
                "seconds": round(made.seconds, 3),
            }
        if self.problem is not None:
            return content | {"state": "failed", "progress": self.task.share, "problem": self.problem.content()}
        state = "running" if self.task.running else "waiting"
        return content | {"state": state, "progress": round(self.task.share, 4)}

    def tell(self) -> None:
        """Wake whoever follows."""
        self.changed.set()
        self.changed = asyncio.Event()


class Jobs:
    """The jobs of a service.

    Args:
        pool: that does the work.
        held: the bytes of results.
        limits: of the service.
    """

    def __init__(self, pool: Pool, held: Held, limits: Limits) -> None:
        self._pool, self._held, self._limits = pool, held, limits
        self._jobs: dict[str, Job] = {}
        held.make_room = self._make_room

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, task: Task) -> Job:
        """Put a task into the pool's queue.

        Raises:
            Problem: as `Pool.submit`.
        """
        loop = asyncio.get_running_loop()
        job = Job(secrets.token_urlsafe(16), task)

        def call(function: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(function)

        task.listen = lambda: call(job.tell)
        task.future.add_done_callback(lambda _: call(lambda: self._finish(job)))
        self._pool.submit(task)
        self._jobs[job.id] = job
        return job

    def __getitem__(self, id: str) -> Job:
        """A job.

        Raises:
            Problem: 404 when there is none.
        """
        if id not in self._jobs:
            raise Problem(404, "There is no such job, or it has expired.")
        return self._jobs[id]

    def remove(self, id: str) -> None:
        """Cancel a job, or forget its result.

        Raises:
            Problem: 404 when there is none.
        """
        self._forget(self[id])

    def _finish(self, job: Job) -> None:
        future = job.task.future
        if future.cancelled():
            job.problem = Problem(410, "The work was cancelled.")
        elif (error := future.exception()) is not None:
            job.problem = problem_of(error)
        elif job.id in self._jobs:
            made = future.result()
            self._make_room(len(made.data))
            self._held.total += len(made.data)
            job.made = made
        job.tell()
        asyncio.get_running_loop().call_later(self._limits.keep, self._forget, job)

    def _make_room(self, count: int) -> None:
        """The oldest results make way for what is new."""
        for job in [job for job in self._jobs.values() if job.ended]:
            if self._held.total + count <= self._held.limit and len(self._jobs) <= _MOST_JOBS:
                return
            self._forget(job)

    def _forget(self, job: Job) -> None:
        if self._jobs.pop(job.id, None) is None:
            return
        if job.made is not None:
            self._held.give(len(job.made.data))
        elif job.problem is None:
            self._pool.cancel(job.task)


async def follow(job: Job) -> AsyncIterator[str]:
    """A job's states as server-sent events, up to the last."""
    while True:
        # Looked at together: the job may end while this is being sent.
        changed, ended, content = job.changed, job.ended, job.content()
        yield f"event: {content['state']}\ndata: {json.dumps(content)}\n\n"
        if ended:
            return
        while True:
            try:
                async with asyncio.timeout(_HEARTBEAT):
                    await changed.wait()
                break
            except TimeoutError:
                yield ": still at it\n\n"
