"""What a client is told when something cannot be done: a JSON problem (RFC 9457) with one sentence."""

from __future__ import annotations

import json
from http import HTTPStatus

from starlette.responses import Response

from lightwell.errors import LightwellError, PictureError

__all__ = ["Cancelled", "Problem", "Refused", "problem_of"]

_REMEDIES = {
    "format": "add format=jpeg or another one to the query",
    "max_pixels": "send a smaller one, or start the service with a higher --max-pixels",
    "max_memory": "send a smaller one, or start the service with more --max-memory",
    "memory": "send a smaller one, or start the service with more --max-memory",
}


class Problem(Exception):
    """A refusal.

    Args:
        status: the HTTP status.
        detail: one sentence that says what is wrong and, where it helps, what to do.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}

    def content(self) -> dict[str, str | int]:
        """The problem as RFC 9457 has it."""
        title = HTTPStatus(self.status).phrase
        return {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}

    def response(self) -> Response:
        return Response(json.dumps(self.content()), self.status, self.headers, "application/problem+json")


class Cancelled(Exception):
    """Nobody waits for the result any more."""


class Refused(ValueError):
    """A setting that the model does not know."""


def problem_of(error: BaseException) -> Problem:
    """The problem that an error of the work on a picture is to a client."""
    match error:
        case Problem():
            return error
        case Cancelled():
            return Problem(410, "The work was cancelled.")
        case Refused():
            return Problem(422, _sentence(str(error)))
        case PictureError():
            words = _REMEDIES.get(error.remedy or "")
            told = str(error)
            subject = "" if told[:1].isdigit() else "the file "  # some begin with the picture's size
            return Problem(422, _sentence(f"{subject}{told}" + (f"; {words}" if words else "")))
        case MemoryError():
            return Problem(413, "The picture does not fit in the service's memory.")
        case LightwellError():
            return Problem(500, _sentence(str(error)))
        case _:
            return Problem(500, "The service failed at this picture; its log says more.")


def _sentence(words: str) -> str:
    line = " ".join(words.split())
    return line[:1].upper() + line[1:] + ("" if line.endswith(".") else ".")
