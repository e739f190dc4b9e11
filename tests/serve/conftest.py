from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import PATIENCE, SCREENS
from serving import Serve, Start, browser, two_stages
from starlette.testclient import TestClient

from lightwell.serve.app import Service
from lightwell.serve.limits import Limits
from lightwell.serve.work import Models


@pytest.fixture(scope="session")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_stages(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def models(card: Path) -> Models:
    return Models(str(card), "cpu", workers=1, max_memory=2 << 30, threads=1)


@pytest.fixture
def start(card: Path) -> Iterator[Start]:
    """Starts the command; gives the process, its port and what it printed first."""
    processes = []

    def start(*words: str, **environment: str) -> tuple[subprocess.Popen[str], int, str]:
        code = "from lightwell.cli.app import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, "serve", "--port", "0", "-m", str(card), "--threads", "1", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        )
        processes.append(process)
        line = process.stdout.readline()
        assert "lightwell serves dusk at" in line, process.stderr.read()
        port = int(re.search(r":(\d+)/", line)[1])
        return process, port, line

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def serve(models: Models) -> Iterator[Serve]:
    """Makes services; what their pools run is waited for."""
    made: list[Service] = []

    def make(limits: Limits | None = None, **options: object) -> Service:
        service = Service(models, limits=limits, **options)  # type: ignore[arg-type]
        made.append(service)
        return service

    yield make
    for service in made:
        service.pool.close()


@pytest.fixture
def client(serve: Serve) -> Iterator[TestClient]:
    with browser(serve()) as client:
        yield client


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    SCREENS.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--disable-sync"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: object) -> Iterator[Callable[..., object]]:
    """Opens pages; what a page complains about, or asks of another address than its own, fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_page(address: str, *, expected: str = "never", **options: object) -> object:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 820}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda line: (
                complaints.append(line.text)
                if line.type in ("error", "warning") and expected not in line.text
                else None
            ),
        )
        own = ("/".join(address.split("/")[:3]), "blob:")
        context.on("request", lambda request: None if request.url.startswith(own) else complaints.append(request.url))
        page.goto(address)
        page.wait_for_selector("main:not([aria-busy])")
        return page

    yield open_page
    heard = list(complaints)  # what a page still loads when it is closed is not its fault
    for context in contexts:
        context.close()
    assert not heard
