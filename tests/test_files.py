from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lightwell.errors import FileError, PictureError
from lightwell.files import read_pipe, whole_file
from lightwell.folders import natural, walk

posix = pytest.mark.skipif(os.name == "nt", reason="rights, pipes and signals of POSIX")


def put(path: Path, data: bytes = b"new", **options: object) -> None:
    with whole_file(path, **options) as stream:  # type: ignore[arg-type]
        stream.write(data)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix
def test_a_new_file_is_no_more_open_than_what_it_is_made_of(tmp_path: Path) -> None:
    private, shared, locked = tmp_path / "private", tmp_path / "shared", tmp_path / "locked"
    for path, mode in ((private, 0o600), (shared, 0o640), (locked, 0o400)):
        path.touch()
        path.chmod(mode)
    before = os.umask(0o022)
    try:
        put(tmp_path / "a", like=private)
        put(tmp_path / "b", like=shared)
        put(tmp_path / "c", like=locked)
        put(tmp_path / "d", like=tmp_path / "gone")
        put(private)
    finally:
        os.umask(before)
    assert [rights(tmp_path / name) for name in "abcd"] == [0o600, 0o640, 0o600, 0o644]
    assert rights(private) == 0o600  # replaced, not opened to others


def test_a_file_made_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.png"

    def late() -> None:
        with whole_file(path, replace=False) as stream:
            stream.write(b"ours")
            path.write_bytes(b"theirs")

    with pytest.raises(FileError, match="exists since a moment ago"):
        late()
    assert path.read_bytes() == b"theirs"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
    put(tmp_path / "b.png", replace=False)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_a_disk_without_second_names_loses_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)  # as FAT does
    put(tmp_path / "a.png", replace=False)
    assert (tmp_path / "a.png").read_bytes() == b"new"
    with pytest.raises(FileError, match="exists"):
        put(tmp_path / "a.png", b"newer", replace=False)
    assert (tmp_path / "a.png").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["夜" * 78 + ".png", "n" * 251 + ".png"])
def test_names_are_measured_in_bytes(tmp_path: Path, name: str) -> None:
    put(tmp_path / name)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@posix
def test_pipes_and_devices_stay_what_they_are(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with pytest.raises(FileError, match="nothing reads from it"):
        put(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    while True:  # until the reader has opened it
        try:
            put(pipe, b"x" * 200_000)
            break
        except FileError:
            pass
    reader.join()
    assert received == [b"x" * 200_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    put(Path("/dev/null"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(FileError, match="it is a folder"):
        put(tmp_path / "folder.png")


@posix
def test_what_comes_through_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"y" * 300_000,))
    writer.start()
    assert read_pipe(pipe) == b"y" * 300_000
    writer.join()

    class Enough(Exception):
        pass

    def stop() -> None:
        raise Enough

    with pytest.raises(Enough):
        read_pipe(pipe, stop)  # nobody writes


def test_pictures_say_so_in_their_own_error(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="folder does not exist"):
        put(tmp_path / "none" / "a.png", error=PictureError)
    with pytest.raises(FileError, match="folder does not exist"):
        put(tmp_path / "none" / "a.safetensors")


@posix
def test_nothing_is_left_when_the_process_is_asked_to_end(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from lightwell.cli.app import app, main

@app.command("hold")
def hold(path: str) -> None:
    from lightwell.files import whole_file
    with whole_file(Path(path)) as stream:
        stream.write(b"half")
        print("writing", flush=True)
        time.sleep(60)

main()
"""
    command = [sys.executable, "-c", code, "hold", str(tmp_path / "a.png")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 143
    assert errors == b""
    assert list(tmp_path.iterdir()) == []


# ---- folders


def test_numbers_in_names_are_sorted_as_numbers() -> None:
    names = ["b", "a10", "a2", "A1", "a010b", "img 9.png", "img 10.png", "10", "9", "007"]
    assert sorted(names, key=natural) == [
        "007", "9", "10", "A1", "a2", "a10", "a010b", "b", "img 9.png", "img 10.png"
    ]  # fmt: skip


def seen(folder: Path, **options: object) -> list[str]:
    found = []
    for inner in walk(folder, lambda name: name.endswith(".png"), **options):  # type: ignore[arg-type]
        assert inner.error is None
        found += [f"{inner.place}/{name}".lstrip("/") for name in inner.names]
    return found


def test_a_walk_goes_in_natural_order_and_past_what_is_hidden(tmp_path: Path) -> None:
    for name in (
        "10.png",
        "9.png",
        "b/1.png",
        "a/x/2.png",
        ".h/3.png",
        "a/.h/4.png",
        ".5.png",
        "a/6.txt",
        "z.png/7.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert seen(tmp_path) == ["9.png", "10.png", "a/x/2.png", "b/1.png", "z.png/7.png"]
    assert seen(tmp_path, recursive=False) == ["9.png", "10.png"]
    assert seen(tmp_path, leave_out=tmp_path / "a") == ["9.png", "10.png", "b/1.png", "z.png/7.png"]
    (tmp_path / "b/round").symlink_to(tmp_path)
    (tmp_path / "b/link.png").symlink_to(tmp_path / "9.png")
    assert seen(tmp_path / "b") == ["1.png", "link.png"]


def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    found = walk(tmp_path, lambda _: True)
    assert next(found).error is None
    (tmp_path / "gone").rmdir()
    (inner,) = found
    assert inner.place == "gone"
    assert inner.error == "there is no such folder"
