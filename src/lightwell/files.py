"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lightwell.errors import PictureError

__all__ = ["whole_file"]


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A stream to a new file that takes its name only once it is whole, replacing what had the name.

    The bytes go to a hidden file in the same folder, which is removed if anything fails.

    Raises:
        PictureError: the folder or the disk refuses.
    """
    final = Path(os.path.realpath(path))  # a link to a file stays a link
    draft = final.with_name(f".{final.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        # os.open gives the permissions of any new file; the tempfile module would make it private.
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, final)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise PictureError(f"cannot write {path}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the folder does not exist"
    if isinstance(error, PermissionError):
        return "no permission; choose another folder with -o, or change the permissions"
    return error.strerror or str(error)
