from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Path]:
    """Finds a reference file: the small ones in the repository, the others beside it; without these a test skips."""

    def find(name: str) -> Path:
        for place in (GOLDEN / name, SHARED / "reference" / name):
            if place.exists():
                return place
        pytest.skip(f"needs the reference file {name} in {SHARED / 'reference'}")

    return find


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference fixtures and data beside the repository; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference files in {SHARED}")
    return SHARED
