"""Running a service until it is told to stop."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from lightwell.engines import Device
from lightwell.errors import LightwellError
from lightwell.serve.app import Service
from lightwell.serve.limits import Limits
from lightwell.serve.work import Models

__all__ = ["Address", "is_loopback", "run"]

_TOKEN = "LIGHTWELL_TOKEN"


@dataclass(frozen=True)
class Address:
    """Where a service listens.

    Args:
        host: an address or a name.
        port: 0 for a free one.
        names: further names that it answers to.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    names: tuple[str, ...] = ()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def run(
    address: Address,
    *,
    model: str | None,
    device: Device,
    workers: int,
    max_memory: int | None,
    limits: Limits,
    threads: int | None = None,
    ready: Callable[[str, str | None, str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; what runs then is finished and answered, what waits is refused.

    Args:
        address: where to listen. One that other machines reach makes a token, or takes the one in the environment's
            ``LIGHTWELL_TOKEN``, and asks for it.
        model: as `Models` takes it, and so the next three.
        device: where to run the model.
        workers: pictures at a time.
        max_memory: bytes for all of them together; by default 2 GB for each.
        limits: of what it takes on.
        threads: of the CPU for one picture.
        ready: told the service's address, its token and the model, when it listens.

    Raises:
        LightwellError: it cannot listen there, or the model cannot run.
    """
    token = os.environ.get(_TOKEN) or (None if is_loopback(address.host) else secrets.token_urlsafe(24))
    listener = _listen(address)
    with contextlib.closing(listener):
        models = Models(model, device, workers, max_memory, threads)
        names = (*address.names, *(() if _is_address(address.host) else (address.host,)))
        service = Service(models, workers=workers, limits=limits, hosts=names, token=token)
        host, port = address.host, listener.getsockname()[1]
        shown = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        for name in ("uvicorn.error", "python_multipart"):
            logging.getLogger(name).setLevel(logging.ERROR)  # not a line for each odd request
        config = uvicorn.Config(
            service.app,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=10,
            log_config=None,
            ws="none",
        )
        ready(shown, token, models.default)
        _Server(config, service).run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Before it waits for the connections: those whose pictures wait are answered at once.
        self._service.pool.refuse()
        await super().shutdown(sockets)


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False


def _listen(address: Address) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(128)
    except OSError as error:
        raise LightwellError(
            f"cannot listen on {address.host}, port {address.port}: {error.strerror or error}; "
            "choose another --port (0 takes a free one) or --host"
        ) from error
    return listener
