from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]


@pytest.fixture(scope="session")
def photo() -> Array:
    """(192, 224, 3) uint8, smooth with texture as a photograph is; no generator, so the same in every version."""
    y, x = np.mgrid[0:192, 0:224]
    smooth = 110 + 60 * np.sin(x / 17 + y / 29) + 30 * np.cos(y / 7)
    words = [
        (x * a + y * b + x * y * c) * 2654435761 % 2**32 / 2**32 for a, b, c in ((7, 11, 3), (5, 3, 7), (13, 1, 5))
    ]
    texture = 24 * (sum(words) - 1.5)
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


@pytest.fixture(scope="session")
def worse(photo: Array) -> Array:
    """`photo`, its colours shifted and its columns averaged in pairs."""
    blurred = (photo.astype(int) + np.roll(photo, 1, 1)) // 2
    return np.clip(blurred * [1.1, 1.0, 0.8] + [0, 4, 8], 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """Scores of `photo` and `worse`, computed by this package when it agreed with the official scores."""
    found: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden/metrics.json").read_text())
    return found
