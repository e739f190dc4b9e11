"""The notebooks of examples/ run in any clone, and are stored with what they showed."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def pictures(content: dict) -> int:
    outputs = (output for cell in content["cells"] for output in cell.get("outputs", ()))
    return sum(any(kind.startswith("image/") for kind in output.get("data", ())) for output in outputs)


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["evaluate", "restore", "train"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_it_ran(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 300_000
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert pictures(content) >= 2
    assert str(Path.home()) not in path.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path) -> None:
    stored = json.loads(path.read_text(encoding="utf-8"))
    run = runpy.run_path(str(ROOT / "tools/notebooks.py"))["run"]
    assert pictures(run(path)) == pictures(stored)
