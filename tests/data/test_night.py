from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lightwell.cli.app import app
from lightwell.pictures import read


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    (folder / "inner").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(80, 256, (6, 8, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    exif = Image.Exif()
    exif[0x0110] = "a camera"
    Image.fromarray(pixels).save(folder / "a.jpg", exif=exif, dpi=(72, 72))
    Image.fromarray(np.dstack((pixels, pixels[..., :1]))).save(folder / "inner/b.png")
    return folder


def run(*words: object) -> int:
    return CliRunner().invoke(app, ["degrade", *map(str, words)]).exit_code


def test_copies_are_darker_keep_their_names_and_metadata_and_repeat(photographs: Path, tmp_path: Path) -> None:
    assert run(photographs, "-o", tmp_path / "night", "--seed", 3) == 0
    assert run(photographs / "a.jpg", "-o", tmp_path / "again", "--seed", 3) == 0
    assert run(photographs, "-o", tmp_path / "other", "--seed", 4) == 0
    good, dark = read(photographs / "a.jpg"), read(tmp_path / "night/a.jpg")
    assert dark.pixels.mean() < good.pixels.mean()
    assert (dark.exif, dark.dpi, dark.size) == (good.exif, good.dpi, good.size)
    alpha, kept = read(photographs / "inner/b.png").alpha, read(tmp_path / "night/inner/b.png").alpha
    assert alpha is not None
    np.testing.assert_array_equal(kept, alpha)
    assert (tmp_path / "night/a.jpg").read_bytes() == (tmp_path / "again/a.jpg").read_bytes()
    assert (tmp_path / "night/a.jpg").read_bytes() != (tmp_path / "other/a.jpg").read_bytes()


def test_copies_are_as_private_as_what_they_are_made_of(photographs: Path, tmp_path: Path) -> None:
    (photographs / "a.jpg").chmod(0o600)
    assert run(photographs, "-o", tmp_path / "night") == 0
    assert (tmp_path / "night/a.jpg").stat().st_mode & 0o777 == 0o600
    assert run("", "-o", tmp_path / "more") == 2
    assert run(photographs, "-o", "") == 2


def test_nothing_is_overwritten_and_every_failure_counts(photographs: Path, tmp_path: Path) -> None:
    assert run(photographs, "-o", photographs) == 2
    assert run(tmp_path / "gone.jpg", "-o", tmp_path / "night") == 2
    (photographs / "broken.png").write_bytes(b"no picture")
    assert run(photographs, "-o", tmp_path / "night") == 1
    assert (tmp_path / "night/a.jpg").exists()
    assert not (tmp_path / "night/broken.png").exists()
    before = (tmp_path / "night/a.jpg").read_bytes()
    assert run(photographs / "a.jpg", "-o", tmp_path / "night", "--seed", 9) == 2
    assert (tmp_path / "night/a.jpg").read_bytes() == before
    assert run(photographs / "a.jpg", "-o", tmp_path / "night", "--seed", 9, "--skip-existing") == 0
    assert (tmp_path / "night/a.jpg").read_bytes() == before
    assert run(photographs / "a.jpg", "-o", tmp_path / "night", "--seed", 9, "--overwrite") == 0
