"""Files that appear whole or not at all, and input that comes through a pipe."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import select
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from lightwell.errors import FileError, LightwellError

__all__ = ["MAX_PIPED_BYTES", "is_pipe", "make_folder", "read_pipe", "whole_file"]

MAX_PIPED_BYTES = 2 << 30
"""The most that is read from a pipe, whose end cannot be foreseen: more than the largest picture that is taken."""

_WAIT_FOR_WRITER, _LOOK = 10.0, 0.2  # seconds


@contextlib.contextmanager
def whole_file(
    path: Path,
    *,
    replace: bool = True,
    like: Path | None = None,
    error: type[LightwellError] = FileError,
) -> Iterator[IO[bytes]]:
    """A stream to a new file that takes its name only once it is whole.

    The bytes go to a hidden file in the same folder, which is removed if anything fails. A pipe or a character device
    such as ``/dev/null`` stays one: it gets the bytes once there are all.

    Args:
        path: the file's name.
        replace: what had the name; otherwise a file that has it, even since a moment ago, stays and is an error.
        like: a file whose rights the new one does not exceed; those of a file that it replaces it never does.
        error: what is raised in place of `FileError`.

    Raises:
        FileError: the folder or the disk refuses, or the name is taken.
    """
    try:
        kind = _mode(path)
        if kind is None or stat.S_ISREG(kind):
            with _draft(path, replace, like) as stream:
                yield stream
        elif stat.S_ISFIFO(kind) or stat.S_ISCHR(kind):
            buffer = io.BytesIO()
            yield buffer
            _pour(buffer, path)
        else:
            what = "a folder" if stat.S_ISDIR(kind) else "neither a file nor a pipe"
            raise error(f"cannot write {path}: it is {what}")
    except FileExistsError as refusal:
        raise error(f"{path} exists since a moment ago and was left as it is", remedy="exists") from refusal
    except OSError as refusal:
        reason, remedy = _reason(refusal)
        raise error(f"cannot write {path}: {reason}", remedy=remedy) from refusal


@contextlib.contextmanager
def _draft(path: Path, replace: bool, like: Path | None) -> Iterator[IO[bytes]]:
    final = Path(os.path.realpath(path))  # a link to a file stays a link
    # Names are bounded in bytes: 255 on most file systems.
    start = os.fsencode(final.name)[:100].decode("utf-8", "ignore")
    draft = final.with_name(f".{start}.{secrets.token_hex(4)}.part")
    # os.open gives the permissions of any new file; the tempfile module would make it private.
    rights = 0o666
    for other in (final, like):
        if other is not None and (mode := _mode(other)) is not None:
            rights &= mode | 0o600
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), rights)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            os.replace(draft, final)
        else:
            _take_name(draft, final)
    finally:
        draft.unlink(missing_ok=True)


def _take_name(draft: Path, final: Path) -> None:
    """Gives a file a second name, which nothing must have."""
    try:
        os.link(draft, final)
    except FileExistsError:
        raise
    except OSError:  # a file system without second names, such as FAT: an empty file holds the place
        os.close(os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            os.replace(draft, final)
        except BaseException:
            final.unlink(missing_ok=True)
            raise


def _pour(buffer: io.BytesIO, path: Path) -> None:
    # Without waiting for a reader, which may never come: a thread that waits here could not be stopped.
    descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(buffer.getbuffer())


def _mode(path: Path) -> int | None:
    try:
        return os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return None  # what is wrong with it, writing will tell


def _reason(error: OSError) -> tuple[str, str | None]:
    """What is wrong, and the remedy's code."""
    if isinstance(error, FileNotFoundError):
        return "the folder does not exist", None
    if isinstance(error, PermissionError):
        return "no permission", "permission"
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long", "name"
    if error.errno == errno.ENXIO:
        return "nothing reads from it", None
    return error.strerror or str(error), None


def make_folder(path: Path) -> None:
    """Makes a folder with those that it is in, where they are missing.

    Raises:
        FileError: the disk or a file in the way refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason, remedy = _reason(error)
        raise FileError(f"cannot make the folder {path}: {reason}", remedy=remedy) from error


def is_pipe(path: Path) -> bool:
    """Whether a name is that of a FIFO, such as the shell gives for ``<(command)``."""
    mode = _mode(path)
    return mode is not None and stat.S_ISFIFO(mode)


def read_pipe(path: Path, check: Callable[[], None] = lambda: None) -> bytes:
    """All that comes through a FIFO.

    Args:
        path: its name.
        check: called while nothing comes; what it raises ends the wait. Where nobody has opened the pipe to write
            within ten seconds, nothing came.

    Raises:
        FileError: it cannot be read, or holds more than `MAX_PIPED_BYTES`.
    """
    data = bytearray()
    patience = _WAIT_FOR_WRITER
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            while len(data) <= MAX_PIPED_BYTES:
                piece = stream.read(1 << 20)
                if piece:
                    data += piece
                    continue
                if piece is not None:  # nobody writes: any more, or not yet
                    if data or patience <= 0:
                        return bytes(data)
                    patience -= _LOOK
                check()
                select.select([stream], [], [], _LOOK)
            raise FileError(f"{path}: more than {MAX_PIPED_BYTES >> 30} GB came through the pipe")
    except OSError as error:
        raise FileError(f"cannot be read: {_reason(error)[0]}") from error
