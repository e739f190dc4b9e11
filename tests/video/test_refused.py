"""What cannot be restored is told in one line, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from films import frames, make, scene

from graphs import save
from lightwell.errors import LightwellError, VideoError
from lightwell.video import restore_still, restore_video


def test_a_film_without_pictures(tmp_path: Path, identity: Path) -> None:
    with av.open(str(tmp_path / "song.mp4"), "w") as film:
        voice = film.add_stream("aac", rate=16000)
        part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        part.sample_rate = 16000
        film.mux([*voice.encode(part), *voice.encode(None)])
    with pytest.raises(VideoError, match="has no pictures: it is sound alone"):
        restore_video(tmp_path / "song.mp4", tmp_path / "new.mp4", model=identity)
    assert os.listdir(tmp_path) == ["song.mp4"]  # noqa: PTH208


@pytest.mark.parametrize("content", [b"", b"no film at all", bytes(5000)])
def test_what_is_no_film(tmp_path: Path, identity: Path, content: bytes) -> None:
    (tmp_path / "old.mp4").write_bytes(content)
    with pytest.raises(VideoError, match="is not a film that can be read"):
        restore_video(tmp_path / "old.mp4", tmp_path / "new.mp4", model=identity)
    with pytest.raises(VideoError, match="no such file"):
        restore_still(tmp_path / "none.mp4", model=identity)
    with pytest.raises(VideoError):
        restore_still(tmp_path, model=identity)


def test_a_list_that_names_other_files_is_no_film(tmp_path: Path, identity: Path) -> None:
    make(tmp_path / "secret.mp4")
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile secret.mp4\n")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n")
    for name in ("list.ffconcat", "list.m3u8"):
        with pytest.raises(VideoError, match="is not a film that can be read"):
            restore_video(tmp_path / name, tmp_path / "new.mp4", model=identity)


def test_a_name_that_looks_like_an_address_is_a_file(tmp_path: Path, identity: Path) -> None:
    with pytest.raises(VideoError, match="no such file"):
        restore_still(f"concat:{tmp_path / 'a.mp4'}", model=identity)


@pytest.mark.parametrize("name", ["old.mkv", "old.ts"])
def test_a_film_cut_short_is_restored_as_far_as_it_goes(tmp_path: Path, identity: Path, name: str) -> None:
    film = make(tmp_path / name, times=range(0, 1500, 50), options={"crf": "4", "g": "5"})
    data = film.path.read_bytes()
    film.path.write_bytes(data[: len(data) // 2])
    done = restore_video(film.path, tmp_path / "new.mkv", model=identity)
    assert 5 < done.frames < 30
    assert len(frames(tmp_path / "new.mkv")) == done.frames
    if name == "old.mkv":  # a transport stream does not say how long it is
        assert any("cut short" in note or "cannot be read to its end" in note for note in done.notes)


def test_a_film_cut_short_before_its_index(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4")
    film.path.write_bytes(film.path.read_bytes()[:-2000])
    with pytest.raises(VideoError, match="cut short or damaged"):
        restore_video(film.path, tmp_path / "new.mp4", model=identity)


def test_a_film_whose_size_changes(tmp_path: Path, identity: Path) -> None:
    """Two raw streams, one after the other."""
    one = make(tmp_path / "one.h264", sound=False, format="h264")
    two = make(tmp_path / "two.h264", lambda _: scene(32, 32), sound=False, format="h264")
    (tmp_path / "both.h264").write_bytes(one.path.read_bytes() + two.path.read_bytes())
    with pytest.raises(VideoError, match=r"size changes from 64x48 to 32x32 at 0\.\d+ s"):
        restore_video(tmp_path / "both.h264", tmp_path / "new.mp4", model=identity)
    assert not (tmp_path / "new.mp4").exists()


def test_an_output_that_exists_stays(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4")
    (tmp_path / "new.mp4").write_text("mine")
    with pytest.raises(VideoError, match=r"new\.mp4 exists"):
        restore_video(film.path, tmp_path / "new.mp4", model=identity)
    assert (tmp_path / "new.mp4").read_text() == "mine"
    restore_video(film.path, tmp_path / "new.mp4", model=identity, overwrite=True)
    assert len(frames(tmp_path / "new.mp4")) == 10


def test_the_film_itself_is_no_output(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4")
    (tmp_path / "link.mp4").symlink_to(film.path)
    before = film.path.read_bytes()
    for name in ("old.mp4", "link.mp4"):
        with pytest.raises(VideoError, match="is the film itself"):
            restore_video(film.path, tmp_path / name, model=identity, overwrite=True)
    assert film.path.read_bytes() == before


def test_settings_are_checked_first(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4")
    with pytest.raises(VideoError, match=r"ends in one of \.mp4"):
        restore_video(film.path, tmp_path / "new.gif", model=identity)
    for settings in ({"quality": 0}, {"strength": 2}, {"start": -1}, {"start": 3, "stop": 2}, {"denoise": 0.5}):
        with pytest.raises(ValueError, match=r"between|begins|denoise"):
            restore_video(film.path, tmp_path / "new.mp4", model=identity, **settings)
    with pytest.raises(VideoError, match="no frame after 60 s"):
        restore_video(film.path, tmp_path / "new.mp4", model=identity, start=60)
    with pytest.raises(VideoError, match="folder does not exist"):
        restore_video(film.path, tmp_path / "none" / "new.mp4", model=identity)
    assert [path.name for path in tmp_path.iterdir()] == ["old.mp4"]


def test_an_interruption_leaves_nothing(tmp_path: Path, identity: Path) -> None:
    film = make(tmp_path / "old.mp4")

    def stop(frames: int, share: float) -> None:
        assert 0 < share <= 1
        if frames == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore_video(film.path, tmp_path / "new.mp4", model=identity, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["old.mp4"]


def test_a_request_to_terminate_leaves_nothing(tmp_path: Path) -> None:
    film = make(tmp_path / "old.mp4", lambda _: scene(480, 640) * 0.1, times=range(0, 1600, 20))
    model = save(tmp_path / "m.onnx", "identity")
    words = [sys.executable, "-m", "lightwell.cli.app", "video", str(film.path), "-m", str(model)]
    code = "import sys; from lightwell.cli.app import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code, *words[3:]], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob(".*part")) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert list(tmp_path.glob(".*part"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 143
    finally:
        process.kill()
        process.communicate()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "old.mp4"]


def test_a_disk_that_is_full_is_told(tmp_path: Path, identity: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    film = make(tmp_path / "old.mp4")
    (tmp_path / "new.mp4").symlink_to("/dev/full")
    with pytest.raises(LightwellError, match="cannot"):
        restore_video(film.path, tmp_path / "new.mp4", model=identity, overwrite=True)


KINDS = {
    "old.mp4": "libx264",
    "old.mov": "libx265",
    "old.mkv": "libx264",
    "old.webm": "libvpx-vp9",
    "old.avi": "libx264",
    "old.ts": "libx264",
}


def ends_of(path: Path, model: Path, count: int) -> dict[str, float]:
    """How so many damaged copies of a film ended, in a process of their own."""
    make(path, times=range(0, 300, 50), codec=KINDS[path.name], sound=path.suffix not in (".avi", ".webm"))
    script = Path(__file__).parents[1] / "mutate.py"
    words = [sys.executable, str(script), str(path), str(count), str(model)]
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=3600)
    assert result.returncode == 0, result.stderr[-3000:]
    ends: dict[str, float] = json.loads(result.stdout)
    return ends


@pytest.mark.parametrize("name", ["old.mp4", "old.mkv", "old.avi"])
def test_damaged_films_are_restored_or_refused_in_a_line(tmp_path: Path, identity: Path, name: str) -> None:
    ends = ends_of(tmp_path / name, identity, 25)
    assert ends["whole"] + ends["refused"] == 25
    assert ends["lines"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_many_damaged_films_within_bounds(tmp_path: Path, identity: Path, name: str) -> None:
    ends = ends_of(tmp_path / name, identity, 100)
    assert ends["whole"] > 10
    assert ends["refused"] > 10
    assert ends["lines"] == 1
    assert ends["slowest"] < 30
    assert ends["megabytes"] < 400
