from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from importlinter.cli import lint_imports
from PIL import Image

import lightwell
from graphs import save

HEAVY = ("torch", "onnxruntime", "scipy", "numpy", "PIL", "rich.progress")


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)


def test_import_lightwell_loads_nothing_heavy() -> None:
    result = python(f"import sys, lightwell; print([m for m in {HEAVY} if m in sys.modules])")
    assert result.stdout.strip() == "[]", result.stderr


def test_every_public_name_is_there() -> None:
    result = python("import lightwell; [getattr(lightwell, name) for name in lightwell.__all__]; lightwell.nonsense")
    assert "module 'lightwell' has no attribute 'nonsense'" in result.stderr


@pytest.mark.parametrize("words", [["--help"], ["restore", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = f"""
import sys
from lightwell.cli.app import main
try:
    main()
finally:
    print("LOADED", [m for m in {HEAVY} if m in sys.modules])
"""
    result = python(code, *words)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().endswith("LOADED []")


def test_restoring_needs_neither_torch_nor_onnx(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "night.png")
    model = save(tmp_path / "gamma.onnx", "gamma")
    code = """
import sys
for name in ("torch", "onnx", "scipy", "safetensors", "skimage", "tifffile"):
    sys.modules[name] = None
from lightwell.cli.app import main
main()
"""
    result = python(code, "restore", str(tmp_path / "night.png"), "-m", str(model))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "night_restored.png").is_file()


def test_a_missing_extra_is_one_line_that_says_which() -> None:
    code = """
import sys
sys.modules["torch"] = None
from lightwell.cli.app import app, main

@app.command("needy")
def needy() -> None:
    import torch

main()
"""
    result = python(code, "needy")
    assert result.returncode == 1
    assert result.stderr == "lightwell needy needs torch: pip install 'lightwell[train]'\n"


def test_the_runtime_half_imports_nothing_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[1])
    assert lint_imports(no_cache=True, limit_to_contracts=("runtime",)) == 0


def imported(path: Path, modules: dict[str, Path]) -> set[str]:
    """The package's modules that a file imports as it is loaded: not for types alone, nor in a function."""
    found = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{name.name}" for name in node.names}
            found |= inner if inner <= modules.keys() else {*inner, node.module}
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not (
            isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        ):
            waiting += ast.iter_child_nodes(node)
    return found & modules.keys()


def test_modules_import_in_no_circle() -> None:
    root = Path(lightwell.__file__).parent
    modules = {
        ".".join(("lightwell", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in root.rglob("*.py")
    }
    graph = {name: imported(path, modules) - {name} for name, path in modules.items()}
    assert "lightwell.restoring.controls" in graph["lightwell.restoring.restorer"]
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)
