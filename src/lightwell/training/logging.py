"""What a run leaves to read: ``log.csv``, TensorBoard's files and pictures of held-out scenes."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from lightwell.pictures import Picture
from lightwell.training.record import flat

__all__ = ["Log"]

_TILE = (300, 200)
_SPEED = ("pictures_per_second", "waiting")


class Log:
    """The log of a run in its folder. Lines after the step that a run resumes from are dropped.

    Args:
        folder: the run's folder.
        columns: names of the numbers that a line can have, besides the step and the stage.
        step: what the run has done so far.
        recipe: what TensorBoard shows as the run's hyperparameters, as data.
        scores: those of the columns that are scores of held-out sets.
    """

    def __init__(
        self, folder: Path, columns: Sequence[str], step: int, recipe: Mapping[str, Any], scores: Sequence[str]
    ) -> None:
        self.folder = folder
        self.board = SummaryWriter(folder / "tensorboard", purge_step=step + 1)
        self._scores = set(scores)
        self._show_settings(recipe)
        path = folder / "log.csv"
        kept: list[dict[str, Any]] = []
        if step and path.exists():
            with path.open(newline="") as file:
                kept = [line for line in csv.DictReader(file) if int(line["step"]) <= step]
        self._file = path.open("w", newline="")
        self._lines = csv.DictWriter(self._file, ["step", "stage", *columns], extrasaction="ignore")
        self._lines.writeheader()
        self._lines.writerows(kept)

    def write(self, step: int, stage: str, numbers: Mapping[str, float]) -> None:
        """One line of numbers."""
        self._lines.writerow({"step": step, "stage": stage} | {key: f"{value:.6g}" for key, value in numbers.items()})
        self._file.flush()
        for key, value in numbers.items():
            group = "val" if key in self._scores else "speed" if key in _SPEED else "train"
            self.board.add_scalar(f"{group}/{key}", value, step)

    def _show_settings(self, recipe: Mapping[str, Any]) -> None:
        settings = {
            name: value if isinstance(value, int | float) else str(value) for name, value in flat(recipe).items()
        }
        # What SummaryWriter.add_hparams does, but into this run's file instead of a run of its own.
        for summary in hparams(settings, {f"val/{name}": 0.0 for name in self._scores}):  # type: ignore[no-untyped-call]
            self.board._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]

    def show(self, step: int, scenes: Sequence[Sequence[NDArray[np.uint8]]]) -> None:
        """Pictures of scenes, one scene a row: the dark picture, the restored one, the target."""
        rows = [[np.asarray(ImageOps.pad(Image.fromarray(picture), _TILE)) for picture in scene] for scene in scenes]
        sheet = np.concatenate([np.concatenate(row, 1) for row in rows])
        pictures = self.folder / "pictures"
        pictures.mkdir(exist_ok=True)
        Picture(sheet).write(pictures / f"{step:07d}.png")
        self.board.add_image("held out", sheet, step, dataformats="HWC")

    def close(self) -> None:
        self._file.close()
        self.board.close()
