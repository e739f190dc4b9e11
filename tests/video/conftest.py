from __future__ import annotations

from pathlib import Path

import pytest

from graphs import save


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that leaves pictures as they are."""
    return save(tmp_path_factory.mktemp("models") / "identity.onnx", "identity")


@pytest.fixture(scope="session")
def exposure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that brings the mean of whatever it is given to one half."""
    return save(tmp_path_factory.mktemp("models") / "exposure.onnx", "exposure")
