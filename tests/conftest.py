from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference fixtures and data beside the repository; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference files in {SHARED}")
    return SHARED
