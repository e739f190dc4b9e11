"""Sets of pairs to train on, made of good photographs: ``low`` and ``high``, and a table of what befell each copy."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import torch

from lightwell.data.degrade import Degradation, Shots
from lightwell.data.night import by_night, darken, draws_of
from lightwell.errors import PlanError
from lightwell.files import make_folder, whole_file
from lightwell.pictures import read_named

__all__ = ["make_night_pairs"]

_TOLD = ("ev", "warmth", "lights", "defocus", "shot", "read", "quality", "hard", "grain", "gray", "blotches", "bands")


def make_night_pairs(
    photographs: Sequence[Path],
    output: Path,
    *,
    seed: int = 0,
    copies: int = 1,
    settings: Degradation | None = None,
    lamps: float = 0.0,
    done: Callable[[str], None] = lambda _: None,
) -> None:
    """Writes ``low/NAME_K.png``, the photograph itself as ``high/NAME_K`` with its suffix, and ``shots.csv``.

    Where the scene is lit by lamps, ``high/NAME_K.png`` is that scene and not the photograph.

    Args:
        photographs: good ones.
        output: a new folder.
        seed: the same seed and file name give the same copies.
        copies: of each photograph.
        settings: ranges to draw from.
        lamps: share of copies whose scene is lit by lamps, at night (:func:`lightwell.data.night.by_night`).
        done: told each photograph's name.

    Raises:
        PlanError: when the folder holds something, or two photographs have one name.
        PictureError: when a photograph cannot be read.
        FileError: when the disk refuses.
    """
    if output.exists() and any(output.iterdir()):
        raise PlanError(f"{output} holds something: choose a new folder")
    first: dict[str, Path] = {}
    for path in photographs:
        if (other := first.setdefault(path.stem, path)) is not path:
            raise PlanError(f"{other} and {path} have the same name, and a set has one folder: rename one")
    make_folder(output / "low")
    make_folder(output / "high")
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(("name", *_TOLD, "shade", "path"))
    for path in photographs:
        picture = read_named(path)
        for copy in range(copies):
            name = f"{path.stem}_{copy}"
            draws = draws_of(seed, f"{path.name}/{copy}")
            shots = (settings or Degradation()).sample(1, draws)
            scene = picture
            if lamps and torch.rand((), generator=draws) < lamps:
                scene = by_night(picture, draws)
                with whole_file(output / "high" / f"{name}.png") as stream:
                    scene.write(stream, format="PNG")
            else:
                shutil.copyfile(path, output / "high" / f"{name}{path.suffix}")
            with whole_file(output / "low" / f"{name}.png") as stream:
                darken(scene, shots).write(stream, format="PNG")
            rows.writerow((name, *_told(shots)))
        done(path.name)
    with whole_file(output / "shots.csv") as stream:
        stream.write(table.getvalue().encode())


def _told(shots: Shots) -> list[str]:
    """What befell one picture: numbers as they are, of shade the deepest in stops, of the camera's way its length."""
    known = {field.name for field in fields(shots)}
    numbers = [float(getattr(shots, name)[0]) for name in _TOLD if name in known]
    steps = shots.path[0].diff(dim=1).square().sum(0).sqrt().sum()
    return [f"{value:.6g}" for value in (*numbers, float(shots.shade.amin()), float(steps))]
