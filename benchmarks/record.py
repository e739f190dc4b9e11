"""What a benchmark measured, as a file in docs/measured from which pages quote it; tests compare the two."""

from __future__ import annotations

import json
import platform
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).resolve().parents[1] / "docs" / "measured"


def record(name: str, figures: Any, *, packages: tuple[str, ...] = ()) -> None:
    """Writes figures with the call that gave them, the machine, and the versions of packages that matter.

    Args:
        name: of the file.
        figures: what JSON can hold; floats are kept to six digits.
        packages: as they are imported.
    """
    words = [word for word in sys.argv[1:] if word != "--record"]
    content = {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words]),
        "machine": f"{_processor()}, {platform.system()}, Python {platform.python_version()}",
        "versions": {package: str(import_module(package).__version__) for package in packages},
        "figures": _rounded(figures),
    }
    MEASURED.mkdir(exist_ok=True)
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (MEASURED / f"{name}.json").write_text(text, encoding="utf-8")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _rounded(figures: Any) -> Any:
    if isinstance(figures, dict):
        return {str(key): _rounded(value) for key, value in figures.items()}
    if isinstance(figures, list | tuple):
        return [_rounded(value) for value in figures]
    return float(f"{figures:.6g}") if isinstance(figures, float) else figures
