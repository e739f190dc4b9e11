"""What the tests of the pages do in Chromium."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from serving import dark

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCREENS = Path(__file__).resolve().parents[2] / "build" / "screens"
PATIENCE = 120_000  # a busy machine is no failure


def photo(folder: Path, name: str, shift: int = 0, size: tuple[int, int] = (300, 200), **options: object) -> Path:
    path = folder / name
    image = Image.fromarray(np.roll(np.asarray(dark()), shift, axis=1)).resize(size)
    image.save(path, **options)
    return path


def shot(page: Page, name: str) -> None:
    page.screenshot(path=SCREENS / f"{name}.png")


def done(page: Page) -> None:
    from playwright.sync_api import expect

    expect(page.locator("#save")).to_have_attribute("aria-disabled", "false", timeout=PATIENCE)


def saved(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.locator(button).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def by_command(path: Path, card: Path | str, *words: str) -> np.ndarray:
    """What the command line makes of a file."""
    folder = path.parent / "command"
    code = "from lightwell.cli.app import main; main()"
    command = [sys.executable, "-c", code, "restore", str(path), "-m", str(card), "-o", str(folder / "out.png"), *words]
    subprocess.run([*command, "--overwrite", "-q"], check=True)
    return pixels(folder / "out.png")


def pixels(source: Path | bytes) -> np.ndarray:
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        return np.asarray(image.convert("RGB"))


def brightness_of_stage(page: Page) -> tuple[float, float]:
    """Mean levels of the left and the right third of what the stage shows, without labels and handle."""
    image = np.asarray(Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("L"), np.float32)
    height, width = image.shape
    rows = image[int(height * 0.7) : int(height * 0.9)]
    return float(rows[:, width // 4 : width // 3].mean()), float(rows[:, 2 * width // 3 : 3 * width // 4].mean())


def until(true: Callable[[], bool]) -> None:
    for _ in range(400):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not become true")
