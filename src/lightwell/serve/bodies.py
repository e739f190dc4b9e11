"""Pictures as they come in: the body itself or a form's one file, bounded in bytes and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from lightwell.serve.limits import Limits
from lightwell.serve.problems import Problem

__all__ = ["Held", "receive_picture"]


class Held:
    """The bytes of bodies and results that a service holds; used from the event loop alone.

    Args:
        limit: how many.
        make_room: asked for room for so many more before they are refused.
    """

    def __init__(self, limit: int, make_room: Callable[[int], None] = lambda _: None) -> None:
        self.limit, self.make_room, self.total = limit, make_room, 0

    def take(self, count: int) -> None:
        """Hold more.

        Raises:
            Problem: 429 when that were too many.
        """
        if self.total + count > self.limit:
            self.make_room(count)
        if self.total + count > self.limit:
            raise Problem(429, "The service holds as many pictures as it can; try again in 5 s.", {"Retry-After": "5"})
        self.total += count

    def give(self, count: int) -> None:
        """Hold that much less."""
        self.total -= count


async def receive_picture(request: Request, limits: Limits, held: Held) -> bytes:
    """The picture that a request brings; its bytes stay counted in ``held``.

    Raises:
        Problem: it is too large, too slow, empty, or of a type that is no picture's.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = media == "multipart/form-data"
    if not (form or media in ("", "application/octet-stream") or media.startswith("image/")):
        raise Problem(
            415,
            "Send the picture itself as the body (Content-Type image/jpeg or such, or none), "
            "or a form (multipart/form-data) with one file.",
        )
    counted = _Counted(request, limits, held)
    try:
        async with asyncio.timeout(limits.upload):
            data = await _one_file(counted.request) if form else await counted.request.body()
    except TimeoutError:
        counted.give_all()
        raise Problem(408, f"The picture did not arrive within {limits.upload:g} s.") from None
    except BaseException:
        counted.give_all()
        raise
    if not data:
        counted.give_all()
        raise Problem(422, "The request holds no picture: its body is empty.")
    counted.keep(len(data))
    return data


async def _one_file(request: Request) -> bytes:
    try:
        async with request.form(max_files=1, max_fields=0) as form:
            files = [part for part in form.values() if isinstance(part, UploadFile)]
            if not files:
                raise Problem(422, "The form holds no file.")
            return await files[0].read()
    except HTTPException as error:
        raise Problem(400, "The form cannot be read: it holds one file, and settings go in the query.") from error


class _Counted:
    """A request whose body is counted as it comes."""

    def __init__(self, request: Request, limits: Limits, held: Held) -> None:
        self._receive, self._limits, self._held = request.receive, limits, held
        self._count = 0
        self.request = Request(request.scope, self._bounded)
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limits.body:
            raise self._too_large()

    async def _bounded(self) -> dict[str, object]:
        try:
            async with asyncio.timeout(self._limits.idle):
                message = await self._receive()
        except TimeoutError:
            raise Problem(408, f"No byte of the picture came for {self._limits.idle:g} s.") from None
        size = len(message.get("body", b""))
        if self._count + size > self._limits.body:
            raise self._too_large()
        self._held.take(size)
        self._count += size
        return dict(message)

    def _too_large(self) -> Problem:
        return Problem(413, f"The request is larger than the {self._limits.body >> 20} MB that this service takes.")

    def keep(self, count: int) -> None:
        """Give all but so many back: a form's other bytes."""
        self._held.give(self._count - count)
        self._count = count

    def give_all(self) -> None:
        self.keep(0)
