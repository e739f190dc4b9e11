"""The service's routes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

import lightwell
from lightwell.restoring.controls import Controls
from lightwell.serve.bodies import Held, receive_picture
from lightwell.serve.counters import Counters
from lightwell.serve.guards import Guards
from lightwell.serve.jobs import Jobs, follow
from lightwell.serve.limits import Limits
from lightwell.serve.pool import Made, Pool, Task
from lightwell.serve.problems import Problem, problem_of
from lightwell.serve.work import Models, Wanted, format_named, restoring

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

__all__ = ["Service"]

_PAGE = Path(__file__).parent / "page"
_MEDIA = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_NAMES = ("app.js", "service.js", "trouble.js", "viewer.js", "zip.js", "style.css", "icon.svg")
_FILES = {
    "/": "index.html",
    **{f"/{name}": name for name in _NAMES},
}
_SLICE = 256 << 10
# FastAPI would send traces to wherever the environment's OTEL_... variables say; nothing leaves this machine.
_SILENT: TelemetryConfig = {
    "auto_configure": False,
    "logs": False,
    "metrics": False,
    "operation_spans": False,
    "tracing": False,
}
_PICTURE_IN: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"picture": {"type": "string", "format": "binary"}}}
            },
        },
    }
}
_PROBLEM: dict[str, Any] = {
    "description": "A problem (RFC 9457).",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                },
            }
        }
    },
}
_PICTURE_OUT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The restored picture.",
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    },
    422: _PROBLEM,
    "default": _PROBLEM,
}
_JSON_OUT: dict[int | str, dict[str, Any]] = {422: _PROBLEM, "default": _PROBLEM}


class Ask(BaseModel):
    """The query of a restoration."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str | None, Field(description="One of /v1/models; the service's default without.")] = None
    strength: Annotated[float, Field(ge=0, le=1, description="How much of the light; 0 leaves the picture.")] = 1.0
    brightness: Annotated[float, Field(ge=-4, le=4, description="Stops on top of the model's choice.")] = 0.0
    warmth: Annotated[float, Field(ge=-1, le=1, description="-1 cooler, 1 warmer.")] = 0.0
    denoise: Annotated[float, Field(ge=0, le=1, description="How much noise and shake goes (two stages).")] = 1.0
    preview: Annotated[bool, Field(description="The light alone, in a tenth of the time (two stages).")] = False
    format: Annotated[str | None, Field(description="jpeg, png, webp, tiff, ...; the picture's own without.")] = None
    quality: Annotated[int | None, Field(ge=1, le=100, description="Of JPEG, WebP and AVIF.")] = None

    def wanted(self) -> Wanted:
        controls = Controls(self.strength, self.brightness, self.warmth, self.denoise, self.preview)
        return Wanted(self.model, controls, format_named(self.format), self.quality)


class Service:
    """The page and the service, as an ASGI application in ``app``.

    Args:
        models: that it offers.
        workers: pictures at a time.
        limits: of what it takes on.
        hosts: names that it answers to, besides ``localhost`` and plain addresses.
        token: that requests must bear; None where none is needed.
    """

    def __init__(
        self,
        models: Models,
        *,
        workers: int = 1,
        limits: Limits | None = None,
        hosts: tuple[str, ...] = (),
        token: str | None = None,
    ) -> None:
        self.models, self.limits = models, limits or Limits()
        self.held = Held(self.limits.held)
        self.pool = Pool(workers, self.limits.queue, self.limits.seconds)
        self.jobs = Jobs(self.pool, self.held, self.limits)
        self.counters = Counters()
        self.app: ASGIApp = Guards(
            self._routes(),
            hosts=hosts,
            token=token,
            free={*_FILES, "/healthz"},
            counters=self.counters,
            idle=self.limits.idle,
        )

    def _routes(self) -> FastAPI:
        app = FastAPI(
            title="lightwell",
            version=lightwell.__version__,
            summary="Restores dark photographs.",
            docs_url=None,  # those pages load their scripts from elsewhere
            redoc_url=None,
            lifespan=self._lifespan,
            telemetry=_SILENT,
        )
        app.add_exception_handler(Problem, _answer_problem)
        app.add_exception_handler(HTTPException, _answer_http)
        app.add_exception_handler(RequestValidationError, _answer_invalid)
        app.add_exception_handler(ClientDisconnect, _answer_gone)
        app.add_exception_handler(Exception, _answer_problem)
        for path in _FILES:
            app.add_api_route(path, _file(path), methods=["GET", "HEAD"], include_in_schema=False)
        picture: dict[str, Any] = {"response_model": None, "openapi_extra": _PICTURE_IN}
        plain: dict[str, Any] = {"response_model": None, "responses": _JSON_OUT}
        app.post("/v1/restore", responses=_PICTURE_OUT, **picture)(self.restore)
        app.post("/v1/jobs", status_code=202, responses=_JSON_OUT, **picture)(self.add_job)
        app.get("/v1/jobs/{id}", **plain)(self.job)
        app.get("/v1/jobs/{id}/events", **plain)(self.job_events)
        app.get("/v1/jobs/{id}/result", response_model=None, responses=_PICTURE_OUT)(self.job_result)
        app.delete("/v1/jobs/{id}", status_code=204, **plain)(self.remove_job)
        app.get("/v1/models", **plain)(self.list_models)
        app.get("/metrics", **plain)(self.metrics)
        app.get("/healthz", **plain)(self.healthz)
        app.head("/healthz", include_in_schema=False)(self.healthz)
        return app

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(self.pool.close)

    async def restore(self, request: Request, ask: Annotated[Ask, Query()]) -> Response:
        """Restore the picture in the body; the answer is the restored one, its metadata kept."""
        task = await self._task(request, ask)
        try:
            self.pool.submit(task)
        except Problem:
            task.future.cancel()
            raise
        made = await self._result(task, request)
        if made is None:
            return Response(status_code=499)  # nobody is there to read it
        self.held.total += len(made.data)
        return self._picture(made, counted=True)

    async def add_job(self, request: Request, ask: Annotated[Ask, Query()]) -> Response:
        """Put the picture in the body into the queue; the answer says where its progress and its result are."""
        task = await self._task(request, ask)
        try:
            job = self.jobs.add(task)
        except Problem:
            task.future.cancel()
            raise
        return JSONResponse(job.content(), 202, {"Location": f"/v1/jobs/{job.id}"})

    async def job(self, id: str) -> Response:
        """A job's state: waiting, running, done or failed."""
        return JSONResponse(self.jobs[id].content())

    async def job_events(self, id: str) -> Response:
        """A job's state, each time that it changes, as server-sent events; the last is done or failed."""
        return StreamingResponse(follow(self.jobs[id]), media_type="text/event-stream")

    async def job_result(self, id: str) -> Response:
        """A job's restored picture."""
        job = self.jobs[id]
        if job.problem is not None:
            raise job.problem
        if job.made is None:
            raise Problem(409, "The job has not ended yet.", {"Retry-After": "1"})
        return self._picture(job.made)

    async def remove_job(self, id: str) -> Response:
        """Cancel a job, or forget its result."""
        self.jobs.remove(id)
        return Response(status_code=204)

    async def list_models(self) -> Response:
        """The models on offer, the default first, and the bounds of this service."""
        bounds = {"bytes": self.limits.body, "pixels": self.limits.pixels, "queue": self.limits.queue}
        return JSONResponse({"models": self.models.offered(), "limits": bounds})

    async def healthz(self) -> Response:
        """Whether the service takes pictures."""
        if self.pool.closed:
            raise Problem(503, "The service is stopping.")
        return JSONResponse({"status": "ok", "version": lightwell.__version__})

    async def metrics(self) -> Response:
        """Counters and gauges in Prometheus' text format."""
        gauges = {
            "waiting": ("Pictures in the queue.", self.pool.waiting),
            "running": ("Pictures being restored.", self.pool.running),
            "jobs": ("Jobs that are known.", len(self.jobs)),
            "held_bytes": ("Bytes of pictures in memory.", self.held.total),
        }
        return PlainTextResponse(self.counters.text(gauges), media_type="text/plain; version=0.0.4")

    async def _task(self, request: Request, ask: Ask) -> Task:
        """Read the body; its bytes are counted until the work on it ends."""
        wanted = ask.wanted()
        self.models.refuse_unknown(wanted.model)
        self.pool.refuse_more()
        data = await receive_picture(request, self.limits, self.held)
        task = Task(restoring(self.models, data, wanted, self.limits.pixels), urgent=wanted.controls.preview)
        loop, size = asyncio.get_running_loop(), len(data)

        def ended() -> None:
            self.held.give(size)
            future = task.future
            if not future.cancelled() and future.exception() is None:
                self.counters.picture(future.result().seconds)

        def call(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(ended)

        task.future.add_done_callback(call)
        return task

    async def _result(self, task: Task, request: Request) -> Made | None:
        """What the task makes; None when the client has left, and then the work ends too."""
        gone = asyncio.ensure_future(_gone(request))
        result = asyncio.wrap_future(task.future)
        try:
            both: set[asyncio.Future[Any]] = {gone, result}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not result.done():
                return None
            return result.result()
        except Exception as error:  # what is unforeseen has been logged by the pool
            raise problem_of(error) from error
        finally:
            if not result.done():
                self.pool.cancel(task)
                result.cancel()
            gone.cancel()

    def _picture(self, made: Made, *, counted: bool = False) -> Response:
        headers = {
            "Content-Length": str(len(made.data)),
            "Lightwell-Model": made.model.encode("ascii", "replace").decode(),
            "Server-Timing": f"restore;dur={made.seconds * 1000:.0f}",
        }
        if made.notes:
            headers["Lightwell-Notes"] = json.dumps(made.notes)[:4096]
        return _Slices(made, headers, (lambda: self.held.give(len(made.data))) if counted else None)


class _Slices(Response):
    """A picture sent bit by bit, so that a client that takes none of it is noticed."""

    def __init__(self, made: Made, headers: Mapping[str, str], ended: Callable[[], None] | None) -> None:
        super().__init__(headers=headers, media_type=made.media)
        self._data, self._ended = made.data, ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            for start in range(0, len(self._data), _SLICE):
                more = start + _SLICE < len(self._data)
                part = self._data[start : start + _SLICE]
                await send({"type": "http.response.body", "body": part, "more_body": more})
        finally:
            if self._ended is not None:
                self._ended()


async def _gone(request: Request) -> None:
    """Returns when the client has left; for a request whose body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _file(path: str) -> Callable[[Request], Awaitable[Response]]:
    """A route of one of the page's files, which are read once."""
    source = _PAGE / _FILES[path]
    content, media = source.read_bytes(), _MEDIA[source.suffix]
    headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:16]}"', "Cache-Control": "no-cache"}

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media)

    return answer


async def _answer_problem(_: Request, error: Exception) -> Response:
    return problem_of(error).response()


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {
        404: "There is nothing at this address; /openapi.json lists what there is.",
        405: f"{request.method} is not for this address.",
    }
    detail = details.get(error.status_code, "The request cannot be read.")
    return Problem(error.status_code, detail, dict(error.headers or {})).response()


async def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])[:40]
    if first["type"] == "extra_forbidden":
        detail = f"There is no setting {name!r}; there are {', '.join(Ask.model_fields)}."
    else:
        detail = f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}."
    return Problem(422, detail).response()


async def _answer_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nobody is there to read it
