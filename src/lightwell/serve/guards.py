"""What every request passes before it is looked at: whom it calls, who sent it, and whether he may."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import time
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lightwell.serve.counters import Counters
from lightwell.serve.problems import Problem

__all__ = ["Guards"]

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# A client that still sends when it is refused is heard out for so many seconds, or it would not see the answer.
_LINGER = 2.0


class _Stalled(Exception):
    """A client takes nothing of its answer."""


class Guards:
    """Refuses requests to a strange host, from a strange page or without the token; adds headers and counts answers.

    A browser that was led here by another site's name (DNS rebinding) sends that name as ``Host``; an address in its
    place cannot have been led anywhere, so addresses are taken.

    Args:
        app: what is guarded.
        hosts: names that requests may call, besides ``localhost`` and plain addresses.
        token: that requests must bear, but for those to ``free``; None where none is needed.
        free: paths that need no token.
        counters: that count the answers.
        idle: seconds after which a client that takes nothing of its answer is given up.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        token: str | None,
        free: Iterable[str],
        counters: Counters,
        idle: float,
    ) -> None:
        self._app, self._token, self._counters, self._idle = app, token, counters, idle
        self._hosts = {"localhost", *(host.lower().rstrip(".") for host in hosts)}
        self._free = frozenset(free)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        body = _Body(scope, receive)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                if not await body.ended():
                    headers["Connection"] = "close"
                route = getattr(scope.get("route"), "path", "other")
                method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "DELETE") else "other"
                self._counters.request(method, route, message["status"])
            try:
                async with asyncio.timeout(self._idle):
                    await send(message)
            except TimeoutError:
                raise _Stalled from None

        try:
            self._refuse(scope)
        except Problem as problem:
            await problem.response()(scope, body.receive, answer)
            return
        with contextlib.suppress(_Stalled):  # the server closes a connection whose answer has no end
            await self._app(scope, body.receive, answer)

    def _refuse(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        called = headers.get("host", "")
        if not self._knows(called):
            raise Problem(421, "This service does not answer to that name; --allow-host adds one.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != called.lower():
            raise Problem(403, "Requests from another site's page are not taken.")
        if self._token is not None and scope["path"] not in self._free:
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not secrets.compare_digest(given.strip().encode(), self._token.encode()):
                raise Problem(
                    401,
                    "The token is missing or wrong: send the one that the service printed, as Authorization: Bearer.",
                    {"WWW-Authenticate": "Bearer"},
                )

    def _knows(self, called: str) -> bool:
        name = called.partition("]")[0].removeprefix("[") if called.startswith("[") else called.partition(":")[0]
        if name.lower().rstrip(".") in self._hosts:
            return True
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(name)
            return True
        return False


class _Body:
    """Whether a request's body has come to its end."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self._more = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        self._asked = "expect" not in headers

    async def receive(self) -> Message:
        self._asked = True
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._more = False
        return message

    async def ended(self) -> bool:
        """Hear a client out, for a while; one that waits to be asked for its body has nothing to be heard."""
        if not self._asked:
            return not self._more
        ends = time.monotonic() + _LINGER
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while self._more and time.monotonic() < ends:
                    await self.receive()
        return not self._more
