"""Installs what `make wheel` built into environments of their own and restores a photo in each.

    python tools/installs.py [--python 3.11 --python 3.13] [--extra train] [--record] dist/*

Each file is installed on the oldest and the newest Python, with the newest dependencies and with the oldest that
pyproject.toml names; the wheel also with the oldest of most extras. With --extra only the wheel is, on the oldest
Python with the oldest of that extra: so those are tried that take gigabytes. All must restore the photo alike. With
--record docs/installs.json, which the page of installing shows, says what was tested. Pythons are those that uv finds,
or paths.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "installs.json"
UV = (sys.executable, "-m", "uv")
PHOTO = ROOT / "examples" / "coffee_dark.jpg"
WIDTH = 300
CANDIDATES = [f"3.{minor}" for minor in range(11, 20)]
AGREEMENT = 45.0  # dB, between any two environments
_KERAS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import numpy as np
from lightwell.keras import create_darkir, to_torch
model = create_darkir("darkir-s", weights="darkir-s")
low = np.full((1, 40, 60, 3), 0.1, np.float32)
assert model.predict(low, verbose=0).mean() > 2 * low.mean()
model.fit(low, 4 * low, epochs=1, verbose=0)
to_torch(model, "tuned.safetensors")
"""
_SMALL = ["stages.views.size=(32, 48)", "stages.views.batch=2", "stages.steps=2"]
# What is tried of each extra. Those of the second table take gigabytes, and are tried when --extra names them.
TRIED = {
    "heif": [["lightwell", "restore", "night.jpg", "-o", "night.heic", "--preview"]],
    "openvino": [["lightwell", "restore", "night.jpg", "-o", "openvino.png", "--device", "openvino"]],
    "detect": [["lightwell", "evaluate", "--pred", "low", "--low", "low", "--high", "low", "-o", "report"]],
    "raw": [["python", "-c", "import rawpy"]],
    "serve": [["python", "-c", "import lightwell.serve.app"]],
    "video": [["python", "-c", "import lightwell.video"]],
}
LARGE = {
    "train": [
        ["lightwell", "train", "darkir-s", "--pairs", ".", "--held-out", "held", "-o", "run"]
        + [word for setting in _SMALL for word in ("--set", setting)],
        ["lightwell", "export", "run", "-o", "mine.onnx"],
        ["lightwell", "restore", "night.jpg", "-o", "mine.png", "-m", "mine.onnx"],
        ["lightwell", "evaluate", "-m", "run", "--low", "low", "--high", "high", "-o", "report", "--metric", "fsim"],
    ],
    "keras": [
        ["python", "-c", _KERAS],
        ["lightwell", "restore", "night.jpg", "-o", "tuned.png", "-m", "tuned.safetensors"],
    ],
    "cluster": [
        ["lightwell", "cluster", "low", "bright", "--workers", "1"],
        ["lightwell", "cluster", "--status", "bright"],
        ["python", "-c", "from lightwell.cluster import final_rows; assert len(final_rows('bright')) == 2"],
    ],
}
BESIDE = {"keras": "train"}  # whose torch is the backend


@dataclass(frozen=True)
class Installed:
    """One environment in which the photo was restored."""

    file: str
    python: str
    dependencies: str
    extras: tuple[str, ...]
    versions: dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="the wheel and the source that were built")
    parser.add_argument("--python", action="append", help="a version or a path; by default the oldest and the newest")
    parser.add_argument("--extra", action="append", choices=[*TRIED, *LARGE], help="try this extra alone")
    parser.add_argument("--record", action="store_true", help="write docs/installs.json")
    arguments = parser.parse_args()
    pythons = arguments.python or _pythons()
    wheels = [file for file in arguments.files if file.suffix == ".whl"]
    if arguments.extra:
        chosen = [(name, BESIDE[name]) if name in BESIDE else (name,) for name in arguments.extra]
        plan = [(file, pythons[0], "oldest", extras) for file in wheels for extras in chosen]
    else:
        plan = [
            (file, python, age, ()) for file in arguments.files for python in pythons for age in ("newest", "oldest")
        ]
        plan += [(file, pythons[0], "oldest", tuple(TRIED)) for file in wheels]
    done, pictures = [], []
    for file, python, age, extras in plan:
        with tempfile.TemporaryDirectory(prefix="lightwell-") as scratch:
            installed, picture = _install(file.resolve(), python, age, extras, Path(scratch))
        words = ", ".join(f"{name} {version}" for name, version in installed.versions.items())
        print(f"{installed.file}, Python {installed.python}, {age}: {words}", flush=True)
        done.append(installed)
        pictures.append(picture)
        error = np.mean((pictures[0] - picture) ** 2)
        if error and 10 * np.log10(255**2 / error) < AGREEMENT:
            sys.exit("the photo came out otherwise than in the first environment")
    if arguments.record:
        tried = [each.extras for each in done]
        before = [
            each
            for each in json.loads(PAGE.read_text(encoding="utf-8"))
            # What this call did not try stays as it was recorded.
            if tuple(each["extras"]) not in tried and (arguments.extra or set(each["extras"]) & set(LARGE))
        ]
        rows = [*before, *map(asdict, done)] if arguments.extra else [*map(asdict, done), *before]
        PAGE.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _pythons() -> list[str]:
    """The oldest and the newest Python that lightwell supports and uv finds."""
    found = [
        name
        for name in CANDIDATES
        if subprocess.run([*UV, "python", "find", name], capture_output=True, check=False).returncode == 0
    ]
    if not found:
        sys.exit("uv finds no Python of 3.11 or newer: name one by --python")
    return list(dict.fromkeys((found[0], found[-1])))


def _install(
    file: Path, python: str, age: str, extras: Sequence[str], scratch: Path
) -> tuple[Installed, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    binaries = scratch / "env" / "bin"
    _run([*UV, "venv", "-q", "-p", python, scratch / "env"], scratch)
    requirements = _requirements(extras)
    # Lower bounds hold for what is asked for by name. What has no wheel for a Python is not tried there.
    named = requirements if age == "oldest" else []
    resolution = {"newest": "highest", "oldest": "lowest-direct"}[age]
    words: list[str | Path] = [*UV, "pip", "install", "-q", "--python", binaries / "python", "--resolution", resolution]
    words += [f"--only-binary={_name(each)}" for each in requirements]
    wanted = f"lightwell[{','.join(extras)}] @ {file.as_uri()}" if extras else f"lightwell @ {file.as_uri()}"
    _run([*words, wanted, *named], scratch)

    with Image.open(PHOTO) as photo:
        photo.thumbnail((WIDTH, WIDTH))
        photo.save(scratch / "night.jpg")
        # Two pairs to train on and one held out.
        for place, name, turned in (
            (".", "night.png", photo),
            (".", "mirrored.png", photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
            ("held", "turned.png", photo.transpose(Image.Transpose.ROTATE_180)),
        ):
            for half, gain in (("low", 1), ("high", 4)):
                (scratch / place / half).mkdir(parents=True, exist_ok=True)
                turned.point(lambda level, gain=gain: level * gain).save(scratch / place / half / name)
    _run([binaries / "lightwell", "restore", "night.jpg", "-o", "restored.png"], scratch)
    for extra in extras:
        for command, *rest in (TRIED | LARGE)[extra]:
            _run([binaries / command, *rest], scratch)
    listed = subprocess.run(
        [*UV, "pip", "list", "--format", "json", "--python", binaries / "python"], capture_output=True, check=True
    )
    versions = {each["name"]: each["version"] for each in json.loads(listed.stdout)}
    shown = sorted(map(_name, requirements))
    exact = subprocess.run([binaries / "python", "--version"], capture_output=True, text=True, check=True).stdout
    kind = "wheel" if file.suffix == ".whl" else "source"
    with Image.open(scratch / "restored.png") as restored:
        pixels = np.asarray(restored, np.float64)
    found = {name: versions[name] for name in shown}
    return Installed(kind, exact.split()[1], age, tuple(extras), found), pixels


def _requirements(extras: Sequence[str]) -> list[str]:
    """What pyproject.toml asks for, without and with extras, which may ask for one another."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found, waiting = list(project["dependencies"]), list(extras)
    while waiting:
        for each in project["optional-dependencies"][waiting.pop()]:
            inner = re.fullmatch(r"lightwell\[(.+)\]", each)
            waiting += inner[1].split(",") if inner else []
            found += [] if inner else [each]
    return found


def _name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    assert match is not None
    return match[0].lower()


def _run(words: Sequence[str | Path], folder: Path) -> None:
    # What the caller's environment says of Python is not for the environment that is tried.
    surroundings = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(words, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
