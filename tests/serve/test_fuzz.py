"""Two thousand requests that nobody should send: each gets an answer that is no fault, and the service goes on."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
from pathlib import Path

import pytest
from serving import Start, dark, encoded

REQUESTS = 2000
PATHS = (
    "/",
    "/v1/restore",
    "/v1/jobs",
    "/v1/jobs/x",
    "/v1/jobs/../../etc/passwd",
    "/v1/models",
    "/metrics",
    "/%00",
    "//",
)
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW")
TYPES = (
    "image/png",
    "image/jpeg",
    "application/json",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "",
    "\xff",
)
SETTINGS = (
    "strength=0.5",
    "strength=nan",
    "strength=1e999",
    "brightness=x",
    "format=exe",
    "model=../x",
    "quality=-1",
    "%",
)


def memory(process: int) -> int:
    """What the process holds, in bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))


def body(draws: random.Random, whole: bytes) -> bytes:
    """A picture, whole, cut off or damaged, or no picture; in parts of a form or not."""
    content = draws.choice((whole, whole[: draws.randrange(len(whole))], draws.randbytes(draws.randrange(3000)), b""))
    if content and draws.random() < 0.5:
        damaged = bytearray(content)
        for _ in range(draws.randrange(1, 20)):
            damaged[draws.randrange(len(damaged))] = draws.randrange(256)
        content = bytes(damaged)
    if draws.random() < 0.3:
        name = draws.choice(("a.png", "../../a", "\x00", "a" * 5000))
        head = f'--b\r\nContent-Disposition: form-data; name="picture"; filename="{name}"\r\n\r\n'.encode()
        content = head * draws.choice((1, 1, 1, 1000)) + content + draws.choice((b"\r\n--b--\r\n", b""))
    return content


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads a process's memory as Linux tells it")
def test_requests_at_random_leave_the_service_as_it_was(start: Start) -> None:
    process, port, _ = start()
    draws, whole = random.Random(0), encoded(dark())
    statuses: dict[int, int] = {}
    early = 0
    for number in range(REQUESTS):
        query = "&".join(draws.sample(SETTINGS, draws.randrange(4)))
        method, path = draws.choice(METHODS), draws.choice(PATHS[:3] * 3 + PATHS)
        headers = {
            "Content-Type": draws.choice(TYPES),
            "X-" + "a" * draws.randrange(1, 300): "b" * draws.randrange(300),
        }
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request(method, f"{path}?{query}", body=body(draws, whole), headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        assert answer.status < 500 or answer.status == 503, (method, path, query, content[:300])
        assert b"Traceback" not in content
        if answer.headers.get("Content-Type", "").startswith("application/problem+json") and method != "HEAD":
            assert json.loads(content)["status"] == answer.status
        if number == REQUESTS // 10:
            early = memory(process.pid)
    assert statuses[200] > 20
    assert sum(count for status, count in statuses.items() if 400 <= status < 500) > REQUESTS / 2
    assert memory(process.pid) < early + (40 << 20)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
