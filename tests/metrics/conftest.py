from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]


@pytest.fixture(scope="session")
def photo() -> Array:
    """(96, 128, 3) uint8 that is smooth with texture, as a photograph is; the same everywhere."""
    y, x = np.mgrid[0:96, 0:128]
    smooth = 110 + 60 * np.sin(x / 17 + y / 29) + 30 * np.cos(y / 7)
    texture = np.random.default_rng(5).normal(0, 12, (96, 128))
    planes = [smooth + texture, 0.8 * smooth + 20 + texture, 0.6 * smooth + 50 + 0.5 * texture]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def calibration(shared: Path) -> dict[str, dict[str, Any]]:
    """Five pictures of TID2013 by name: "restored", "target" and the official score of every metric."""
    folder = shared / "reference/metrics/pyiqa_calibration"
    with (folder / "results_official.csv").open() as file:
        header, *rows = list(csv.reader(file))
    found: dict[str, dict[str, Any]] = {}
    for column, name in enumerate(header[1:], 1):
        stem = Path(name).stem
        found[stem] = {row[0]: float(row[column]) for row in rows}
        found[stem]["restored"] = np.asarray(Image.open(folder / "dist" / f"{stem}.png"))
        found[stem]["target"] = np.asarray(Image.open(folder / "ref" / f"{stem}.png"))
    return found
