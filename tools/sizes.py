"""Measures what an installation takes on the disk: installs a wheel without extras into an environment of its own.

python tools/sizes.py dist/lightwell-0.1.0-py3-none-any.whl            # writes docs/sizes.json
python tools/sizes.py --check dist/lightwell-0.1.0-py3-none-any.whl    # fails above the mark
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import Distribution, distributions
from pathlib import Path

from lightwell import zoo

PAGE = Path(__file__).resolve().parents[1] / "docs" / "sizes.json"
MARK = 200.0  # MB, all together
BARE = {"pip", "setuptools"}  # of every environment
SHOWN = 1.0  # MB, below which packages are put together


def measure(wheel: Path) -> dict[str, object]:
    """MB of each package, of each model, and with which versions."""
    with tempfile.TemporaryDirectory(prefix="lightwell-") as scratch:
        venv.create(scratch, with_pip=True)
        python = Path(scratch, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-compile", wheel], check=True)
        (packages,) = Path(scratch, "lib").glob("python*/site-packages")
        found = {
            each.name: (_size(each), each.version)
            for each in distributions(path=[str(packages)])
            if each.name not in BARE
        }
    large = {name: size for name, (size, _) in sorted(found.items(), key=lambda item: -item[1][0]) if size >= SHOWN}
    others = sum(size for size, _ in found.values()) - sum(large.values())
    models = {
        card.name: round(sum(path.stat().st_size for path in card.files if path.is_file()) / 1e6, 1)
        for card in zoo.cards()
    }
    named = ("numpy", "onnxruntime", "pillow")
    versions = ", ".join(f"{name} {found[name][1]}" for name in named)
    return {
        "parts": {name: round(size, 1) for name, size in large.items()} | {"others": round(others, 1)},
        "models": models,
        "with": f"Python {platform.python_version()}, {versions} on {platform.system()} {platform.machine()}, "
        "without compiled files",
    }


def _size(package: Distribution) -> float:
    paths = (Path(str(package.locate_file(file))) for file in package.files or ())
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    measured = measure(arguments.wheel)
    parts = measured["parts"]
    assert isinstance(parts, dict)
    for name, size in parts.items():
        print(f"{size:7.1f}  {name}")
    print(f"{sum(parts.values()):7.1f}  together")
    if not arguments.check:
        PAGE.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    elif sum(parts.values()) > MARK:
        sys.exit(f"an installation takes more than {MARK:.0f} MB")


if __name__ == "__main__":
    main()
