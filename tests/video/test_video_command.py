"""The command, as it is called."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from films import frames, make, packets, times
from PIL import Image


def lightwell(*words: object, code: str = "") -> subprocess.CompletedProcess[str]:
    program = f"import sys\n{code}\nfrom lightwell.cli.app import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, check=False, timeout=900
    )


def test_a_film(tmp_path: Path, exposure: Path) -> None:
    film = make(tmp_path / "night.mov")
    done = lightwell("video", film.path, "-m", exposure)
    assert done.returncode == 0, done.stderr
    new = tmp_path / "night_restored.mov"
    assert f"{film.path} -> {new} (10 frames, " in done.stdout
    assert " frames/s)" in done.stdout
    assert done.stderr == ""
    assert times(new) == times(film.path)
    assert frames(new)[5].to_ndarray(format="rgb24").mean() == pytest.approx(127, abs=8)

    again = lightwell("video", film.path, "-m", exposure)
    assert again.returncode == 1
    assert again.stderr == f"lightwell: {new} exists; choose --overwrite or another -o\n"
    own = lightwell("video", film.path, "-o", film.path, "-m", exposure, "--overwrite")
    assert own.stderr == f"lightwell: {film.path} is the film itself; choose another -o\n"


def test_a_part_and_settings(tmp_path: Path, exposure: Path) -> None:
    film = make(tmp_path / "night.mp4")
    words = ("--from", "0:00:00.2", "--to", "0.5", "--brightness", "-1", "-q", "--quality", "60")
    done = lightwell("video", film.path, "-o", tmp_path / "new.mkv", "-m", exposure, *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(frames(tmp_path / "new.mkv")) == 3
    assert frames(tmp_path / "new.mkv")[0].to_ndarray(format="rgb24").mean() < 110


def test_a_still(tmp_path: Path, exposure: Path) -> None:
    film = make(tmp_path / "night.mp4")
    done = lightwell("video", film.path, "--preview", "-m", exposure)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "night_restored.png") as still:
        assert still.size == (64, 48)
    assert lightwell("video", film.path, "--preview", "-m", exposure).returncode == 1
    wrong = lightwell("video", film.path, "--preview", "-o", tmp_path / "new.mp4", "-m", exposure)
    assert wrong.returncode == 2
    assert "such as new.png" in " ".join(wrong.stderr.split())


@pytest.mark.parametrize("words", [("--from", "soon"), ("--to", "1:75"), ("--from", "2", "--to", "1"), ("--to", "nan")])
def test_times_that_are_none(tmp_path: Path, exposure: Path, words: tuple[str, ...]) -> None:
    film = make(tmp_path / "night.mp4", times=(0, 50))
    done = lightwell("video", film.path, "-m", exposure, *words)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path) -> None:
    done = lightwell("video", tmp_path / "night.mp4", code="sys.modules['av'] = None")
    assert done.returncode == 1
    assert done.stderr == "lightwell video needs av: pip install 'lightwell[video]'\n"


def test_a_file_that_is_no_film_is_one_line(tmp_path: Path, exposure: Path) -> None:
    (tmp_path / "night.mp4").write_text("no film")
    done = lightwell("video", tmp_path / "night.mp4", "-m", exposure)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "night.mp4 is not a film that can be read" in done.stderr


def test_a_real_film(shared: Path, tmp_path: Path, exposure: Path) -> None:
    """Of an iPhone 5: two frames of 1920x1080, with sound and where it was taken."""
    film = shared / "reference" / "files" / "phone.mov"
    done = lightwell("video", film, "-o", tmp_path / "new.mov", "-m", exposure, "--to", "0.05")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert times(tmp_path / "new.mov") == [0, Fraction(20, 600)]
    import av

    with av.open(str(film)) as old, av.open(str(tmp_path / "new.mov")) as new:
        kept = ("com.apple.quicktime.location.ISO6709", "com.apple.quicktime.creationdate", "make", "creation_time")
        assert {key: new.metadata.get(key) for key in kept} == {key: old.metadata[key] for key in kept}
    sound = packets(tmp_path / "new.mov", "audio")
    assert sound == packets(film, "audio")[: len(sound)]
    assert len(sound) == 3
    (first, _) = frames(tmp_path / "new.mov")
    assert (first.width, first.height, first.colorspace, first.color_primaries, first.color_trc) == (
        1920,
        1080,
        1,
        1,
        1,
    )
