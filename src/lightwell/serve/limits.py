"""What one service takes on."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of a service.

    Args:
        body: bytes of one request.
        pixels: of one picture.
        queue: pictures that wait for a worker.
        held: bytes of all bodies and results together.
        seconds: that the work on one picture may take, looked at after each tile.
        upload: seconds that a body may take to arrive.
        idle: seconds without a byte, in either direction, after which a client is given up.
        keep: seconds that a job's result stays.
    """

    body: int = 128 << 20
    pixels: int = 100_000_000
    queue: int = 32
    held: int = 1 << 30
    seconds: float = 600.0
    upload: float = 300.0
    idle: float = 20.0
    keep: float = 600.0
