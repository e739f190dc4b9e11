from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from lightwell.errors import WeightsError
from lightwell.metrics import load_niqe, niqe
from lightwell.metrics.__main__ import app
from lightwell.metrics.niqe import OWN, fit_niqe, niqe_features

Array = NDArray[Any]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTWELL_CACHE", str(tmp_path / "cache"))


def test_official_scores(shared: Path, calibration: dict[str, dict[str, Any]]) -> None:
    """Within 0.6 % of the table, and to nine digits where no surface is flat.

    In flat surfaces the authors' program fits the rounding errors of its own filter, which nobody can reproduce; here
    they count as flat.
    """
    published = load_niqe(shared / "reference/metrics/niqe_pris_params.npz")
    assert published.name == "published"
    for official in calibration.values():
        assert niqe(official["restored"], published) == pytest.approx(official["niqe"], rel=6e-3)
    assert niqe(calibration["I04"]["restored"], published) == pytest.approx(calibration["I04"]["niqe"], rel=1e-9)


def test_own_parameters_rank_as_the_published_ones(shared: Path, calibration: dict[str, dict[str, Any]]) -> None:
    published, own = load_niqe(shared / "reference/metrics/niqe_pris_params.npz"), load_niqe(OWN)
    pictures = [official[key] for official in calibration.values() for key in ("restored", "target")]
    scores = np.array([[niqe(picture, parameters) for picture in pictures] for parameters in (published, own)])
    ranks = scores.argsort(1).argsort(1)
    assert np.corrcoef(ranks)[0, 1] > 0.9


def test_goldens(photo: Array, golden: dict[str, Any]) -> None:
    assert niqe(photo, load_niqe(OWN)) == pytest.approx(golden[f"niqe ({OWN})"], rel=1e-3)
    assert niqe_features(photo).mean(0) == pytest.approx(golden["niqe features"], rel=1e-3, abs=1e-4)


def test_what_lies_beyond_whole_blocks_does_not_count(photo: Array) -> None:
    larger = np.pad(photo, ((0, 50), (0, 60), (0, 0)), "reflect")
    assert niqe_features(photo).shape == (4, 36)
    assert niqe_features(larger[:250, :287]) == pytest.approx(niqe_features(photo[:, :192]))


def test_constant_pictures_have_no_score() -> None:
    own = load_niqe(OWN)
    for level in (0, 1, 128, 255):
        assert np.isnan(niqe(np.full((192, 200, 3), level, np.uint8), own))


def test_small_and_bad_pictures() -> None:
    own = load_niqe(OWN)
    for shape in ((1, 1, 3), (96, 191, 3), (95, 400)):
        with pytest.raises(ValueError, match="two whole blocks"):
            niqe(np.zeros(shape, np.uint8), own)
    with pytest.raises(ValueError, match="NaN"):
        niqe(np.full((192, 192), np.nan), own)


def test_bit_depth_does_not_matter(photo: Array) -> None:
    own = load_niqe(OWN)
    expected = niqe(photo, own)
    assert niqe(photo.astype(np.uint16) * 257, own) == expected
    assert niqe(photo / 255, own) == expected


@pytest.mark.usefixtures("empty_cache")
def test_published_parameters_are_never_taken_from_elsewhere(photo: Array) -> None:
    with pytest.raises(WeightsError, match="download niqe_pris_params"):
        niqe(photo)
    assert load_niqe(OWN).name == OWN


def test_fitted_parameters_bear_their_file_name(tmp_path: Path, photo: Array) -> None:
    for k in range(40):
        Image.fromarray(np.roll(photo, k * 17, 1) // (1 + k % 3)).save(tmp_path / f"{k:02}.png")
    output = tmp_path / "mine.npz"
    result = CliRunner().invoke(app, ["fit-niqe", str(tmp_path), "-o", str(output)])
    assert result.exit_code == 0, result.output
    mine = load_niqe(output)
    assert mine.name == "mine.npz"
    pictures = [np.asarray(Image.open(path)) for path in sorted(tmp_path.glob("*.png"))]
    expected = fit_niqe(pictures, "x")
    assert (mine.mean == expected.mean).all()
    assert (mine.covariance == expected.covariance).all()
    # Photographs like those of the fit are nearer than noise.
    noise = np.random.default_rng(0).integers(0, 256, photo.shape, dtype=np.uint8)
    assert niqe(photo, mine) < niqe(noise, mine)


def test_fit_needs_more_blocks_than_features(photo: Array) -> None:
    with pytest.raises(ValueError, match="too few"):
        fit_niqe([photo], "x")
    with pytest.raises(ValueError, match="too few"):
        fit_niqe([], "x")


def test_no_file_passes_for_the_published_one_by_its_name(tmp_path: Path) -> None:
    for name in ("published", OWN):
        load_niqe(OWN).save(tmp_path / f"{name}.npz")
        assert load_niqe(tmp_path / f"{name}.npz").name not in ("published", OWN)


def test_command_line_tells_what_is_wrong_in_a_line(tmp_path: Path) -> None:
    def run(folder: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lightwell.metrics", "fit-niqe", str(folder), "-o", str(tmp_path / "x.npz")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    empty = run(tmp_path)
    assert empty.returncode == 1
    assert empty.stderr.startswith(f"error: {tmp_path}: no pictures in it")
    assert empty.stderr.count("\n") == 1
    Image.new("RGB", (20, 20)).save(tmp_path / "small.png")
    small = run(tmp_path)
    assert small.returncode == 1
    assert "at least two whole blocks" in small.stderr
    assert small.stderr.count("\n") == 1
    assert not (tmp_path / "x.npz").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_files_that_hold_no_parameters(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="does not hold NIQE parameters"):
        load_niqe(path)
    with pytest.raises(WeightsError, match="no NIQE parameters at"):
        load_niqe(tmp_path / "none.npz")


def test_wrong_shapes_in_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", mu_pris_param=np.zeros(36), cov_pris_param=np.zeros((35, 36)))
    np.savez(tmp_path / "b.npz", mu_pris_param=np.zeros(36))
    np.savez(tmp_path / "c.npz", mu_pris_param=np.array([None] * 36), cov_pris_param=np.zeros((36, 36)))
    for name in "abc":
        with pytest.raises(WeightsError, match="does not hold"):
            load_niqe(tmp_path / f"{name}.npz")
