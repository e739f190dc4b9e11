from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graphs import save

HERE = Path(__file__).parent
Command = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The plain development environment lacks Ray; that of make test-cluster has it.
    lacking = [name for name in ("fsspec", "pyarrow", "ray") if find_spec(name) is None]
    for item in items:
        if lacking and HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(lacking)}: make test-cluster"))


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that takes the square root."""
    return str(save(tmp_path_factory.mktemp("model") / "gamma.onnx", "gamma"))


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """In which processes find the `faulty` file system, as fsspec finds every installed one."""
    site = tmp_path_factory.mktemp("site")
    package = site / "faulty-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[fsspec.specs]\nfaulty = faulty:FaultyFileSystem\n")
    (site / "faulty.py").write_text((HERE / "faulty.py").read_text())
    paths = [str(site), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    # Ray's workers give way to all other programs, and stand still beside many.
    ray = {"RAY_worker_niceness": "0"}
    return {**os.environ, **ray, "PYTHONPATH": os.pathsep.join(paths), "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="session")
def program() -> list[str]:
    return [sys.executable, "-c", "from lightwell.cli.app import main; main()", "cluster"]


@pytest.fixture(scope="session")
def cluster(program: list[str], environment: dict[str, str]) -> Command:
    """`lightwell cluster` in a process of its own."""

    def run(*words: object, **more: str) -> subprocess.CompletedProcess[str]:
        command = [*program, *map(str, words)]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=540, env={**environment, **more}
        )

    return run


@pytest.fixture
def make() -> Callable[[Path, list[str]], Path]:
    """Makes small dark pictures of these names in a folder, no two alike."""

    def make(folder: Path, names: list[str]) -> Path:
        random = np.random.default_rng(len(names))
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 60, (12, 16, 3), np.uint8)).save(path)
        return folder

    return make
