"""The command itself, on real connections."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from serving import Start, dark, encoded

from lightwell.errors import LightwellError
from lightwell.serve.server import Address, is_loopback, run

PATIENCE = 120.0


def ask(port: int, body: bytes) -> http.client.HTTPConnection:
    """Sends a picture, and does not wait for the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("POST", "/v1/restore", body)
    return connection


def answer(connection: http.client.HTTPConnection) -> tuple[int, bytes]:
    with contextlib.closing(connection), connection.getresponse() as response:
        return response.status, response.read()


def post(port: int, body: bytes) -> tuple[int, bytes]:
    return answer(ask(port, body))


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", path, headers=headers)
    status, body = answer(connection)
    return status, body.decode()


def gauge(port: int, name: str) -> float:
    return float(re.search(rf"^lightwell_{name} (\S+)$", get(port, "/metrics")[1], re.MULTILINE)[1])


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def large() -> bytes:
    """A picture of many tiles, which takes some seconds."""
    return encoded(Image.new("RGB", (5000, 5000), (20, 30, 40)))


def test_a_client_that_leaves_cancels_its_work(start: Start) -> None:
    _, port, _ = start()
    running = ask(port, large())
    until(lambda: gauge(port, "running") == 1)
    waiting = ask(port, encoded(dark()))
    until(lambda: gauge(port, "waiting") == 1)
    waiting.close()
    until(lambda: gauge(port, "waiting") == 0)
    assert gauge(port, "running") == 1
    running.close()
    until(lambda: gauge(port, "running") == 0)
    assert gauge(port, "held_bytes") == 0
    assert "lightwell_restore_seconds_count 0" in get(port, "/metrics")[1]
    assert post(port, encoded(dark()))[0] == 200


def test_sigterm_finishes_what_runs_and_refuses_the_rest(start: Start) -> None:
    process, port, _ = start()
    running = ask(port, large())
    until(lambda: gauge(port, "running") == 1)
    waiting = ask(port, encoded(dark()))
    until(lambda: gauge(port, "waiting") == 1)
    process.send_signal(signal.SIGTERM)
    status, body = answer(waiting)
    assert status == 503
    assert "stopping" in json.loads(body)["detail"]
    status, body = answer(running)
    assert status == 200
    assert body.startswith(b"\x89PNG")
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert said == ""


def test_one_that_never_ends_costs_nobody_anything(start: Start) -> None:
    _, port, _ = start("--queue", "1")
    stuck = []
    for opening in (b"", b"POST /v1/restore HTTP/1.1\r\nHo", b"GARBAGE\r\n\r\n"):
        stuck.append(socket.create_connection(("127.0.0.1", port)))
        stuck[-1].sendall(opening)
    for _ in range(20):
        sender = socket.create_connection(("127.0.0.1", port))
        sender.sendall(
            b"POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        )
        stuck.append(sender)
    assert post(port, encoded(dark()))[0] == 200
    for sender in stuck:
        sender.close()
    until(lambda: gauge(port, "held_bytes") == 0)


@pytest.mark.slow
def test_two_thousand_wrong_requests(start: Start) -> None:
    """Afterwards it answers as before, has said nothing, and takes no more memory than it did."""
    process, port, _ = start()
    random = np.random.default_rng(7)
    good = encoded(dark())
    heads = [
        b"POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n",
        b"POST /v1/jobs?format=webp HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n",
        b"POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: %d\r\n\r\n--x\r\nContent-Disposition: form-data; name=p; filename=p\r\n\r\n",
        b"GET /v1/jobs/%d/result HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]

    def wrong() -> None:
        body = bytearray(good)
        for place in random.integers(0, len(body), random.integers(1, 30)):
            body[place] = random.integers(256)
        body = body[: random.integers(0, len(body))] if random.random() < 0.3 else body
        request = bytearray(heads[random.integers(len(heads))] % len(body) + body)
        if random.random() < 0.5:
            for place in random.integers(0, min(120, len(request)), 3):
                request[place] = random.integers(256)
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answered = b""
            with contextlib.suppress(ConnectionResetError):
                while part := connection.recv(1 << 16):
                    answered += part
            assert b"Traceback" not in answered
            assert not re.match(rb"HTTP/1.1 500", answered)

    def memory() -> int:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1])

    for _ in range(300):
        wrong()
    before = memory()
    for _ in range(1700):
        wrong()
    assert post(port, good)[0] == 200
    assert memory() - before < 20_000  # in kB
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=PATIENCE)[1] == ""


def test_a_body_that_is_refused_is_still_answered(start: Start) -> None:
    _, port, _ = start("--max-body", "1M")
    status, body = post(port, bytes(8 << 20))
    assert status == 413
    assert "1 MB" in json.loads(body)["detail"]


def test_another_host_asks_for_a_token(start: Start) -> None:
    _, port, line = start("--host", "0.0.0.0")
    token = re.search(r"#token=(\S+)", line)[1]
    assert len(token) >= 32
    assert get(port, "/v1/models")[0] == 401
    assert get(port, "/healthz")[0] == 200
    assert get(port, "/v1/models", Authorization=f"Bearer {token}")[0] == 200
    assert get(port, "/v1/models", Authorization=f"Bearer {token}", Host="evil.com")[0] == 421


def test_the_environment_may_hold_the_token(start: Start) -> None:
    _, port, _ = start(LIGHTWELL_TOKEN="mine")
    assert get(port, "/v1/models")[0] == 401
    assert get(port, "/v1/models", Authorization="Bearer mine")[0] == 200


def test_a_port_that_is_taken_is_one_line(start: Start, card: Path) -> None:
    _, port, _ = start()
    code = "from lightwell.cli.app import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", str(port), "-m", str(card)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert re.fullmatch(r"lightwell: cannot listen on 127\.0\.0\.1, port \d+: .*\n", result.stderr)


def test_without_the_extra_one_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['fastapi'] = None; from lightwell.cli.app import main; main()"
    result = subprocess.run([sys.executable, "-c", code, "serve"], capture_output=True, text=True, check=False)
    assert result.stderr == "lightwell serve needs fastapi: pip install 'lightwell[serve]'\n"


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), ("0.0.0.0", False)],
)
def test_loopback(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


def test_a_name_that_is_none() -> None:
    from lightwell.serve.limits import Limits

    with pytest.raises(LightwellError, match="cannot listen"):
        run(
            Address("no.such.host.invalid", 0),
            model=None,
            device="cpu",
            workers=1,
            max_memory=1 << 30,
            limits=Limits(),
            ready=lambda *_: None,
        )
