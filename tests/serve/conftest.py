from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Serve, browser, two_stages
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
