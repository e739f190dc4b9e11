"""Reading files: which codec takes which, and what is told when none does."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TypeVar

from PIL import Image

from lightwell.errors import PictureError
from lightwell.pictures.codecs.base import CODECS, Codec, Format, Limits, first_line, register
from lightwell.pictures.codecs.heif import AVIF, HEIF
from lightwell.pictures.codecs.pillow import BMP, JPEG, WEBP
from lightwell.pictures.codecs.png16 import PNG
from lightwell.pictures.codecs.raw import RAW
from lightwell.pictures.codecs.tiff import TIFF
from lightwell.pictures.picture import Picture, format_of_name

__all__ = ["FORMATS", "MAX_PIXELS", "WRITTEN", "is_picture_name", "read", "read_named", "result_name", "size_of"]

# RAW before TIFF, whose structure most RAW files have.
_CODECS: tuple[Codec, ...] = (JPEG, PNG, WEBP, RAW, TIFF, BMP, AVIF, HEIF)
for _codec in _CODECS:
    register(_codec)

FORMATS: Mapping[Format, tuple[str, ...]] = {format: codec.facts.suffixes for format, codec in CODECS.items()}
"""The formats that are read, with their files' suffixes; the first is the usual one."""

_SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)

WRITTEN: tuple[Format, ...] = tuple(format for format, codec in CODECS.items() if codec.facts.depths)
"""The formats that are written."""

MAX_PIXELS = 256_000_000
"""Above this a file is taken for a decompression bomb unless the caller raises the bound; phones reach 200 million."""

Source = str | os.PathLike[str] | bytes | IO[bytes]
_T = TypeVar("_T")


def read(source: Source, *, max_pixels: int = MAX_PIXELS, half: bool = False) -> Picture:
    """Read a picture, turned upright as its file says; of several frames the first.

    Args:
        source: a path, a file's bytes, or a binary stream.
        max_pixels: refuse larger pictures before they are decoded.
        half: read a RAW file at half its width and height, quickly; other files are read whole.

    Raises:
        PictureError: the file is missing, not a picture of a format in `FORMATS`, damaged, or too large, or its format
            needs a package that is not installed.
    """
    limits = Limits(max_pixels, half)
    return _with_codec(source, lambda codec, stream: codec.decode(stream, limits))


def read_named(source: Source) -> Picture:
    """Read a picture, so that an error names its file.

    Raises:
        PictureError: as `read`, with the path where there is one.
    """
    try:
        return read(source)
    except PictureError as error:
        if isinstance(source, str | os.PathLike):
            raise PictureError(f"{os.fspath(source)}: {error}", remedy=error.remedy) from error
        raise


def size_of(source: Source) -> tuple[int, int]:
    """Height and width of a picture as `read` gives it, upright, from the file's head alone.

    Raises:
        PictureError: as `read`.
    """
    return _with_codec(source, lambda codec, stream: codec.size(stream))


def is_picture_name(name: str) -> bool:
    """Whether a name's suffix is one of `FORMATS`, looked at quickly, as there may be a million."""
    return name.lower().endswith(_SUFFIXES)


def result_name(name: str, format: Format | None = None) -> str:
    """The name of what a picture becomes: its own, with another suffix where it is written in another format.

    Args:
        name: of the picture.
        format: that is asked for; by default its own, and TIFF for RAW.
    """
    named = format_of_name(name)
    wanted = format or ("TIFF" if named == "RAW" else named)
    if wanted is None or wanted == named:
        return name
    return (os.path.splitext(name)[0] if named else name) + FORMATS[wanted][0]  # noqa: PTH122


def _with_codec(source: Source, work: Callable[[Codec, IO[bytes]], _T]) -> _T:
    if isinstance(source, bytes):
        return _guarded(io.BytesIO(source), "", work)
    if not isinstance(source, str | os.PathLike):
        return _guarded(source if source.seekable() else io.BytesIO(source.read()), "", work)
    try:
        with Path(source).open("rb") as stream:
            # A pipe has a path too, and is read once.
            return _guarded(stream if stream.seekable() else io.BytesIO(stream.read()), Path(source).suffix, work)
    except FileNotFoundError as error:
        raise PictureError("there is no such file") from error
    except IsADirectoryError as error:
        raise PictureError("is a folder, not a picture") from error
    except PermissionError as error:
        if Path(source).is_dir():
            raise PictureError("is a folder, not a picture") from error
        raise PictureError("no permission to read it; change its permissions (chmod u+r)") from error
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror or error}") from error


def _guarded(stream: IO[bytes], suffix: str, work: Callable[[Codec, IO[bytes]], _T]) -> _T:
    """Work on a stream with its codec; whatever a decoder raises becomes one line."""
    head = stream.read(32)
    if not head:
        raise PictureError("is empty (0 bytes); copy it again from where it came")
    try:
        codec = next((codec for codec in CODECS.values() if codec.accepts(head, stream, suffix.lower())), None)
        if codec is None:
            raise PictureError(f"is not a picture that can be read (taken are {_names()})")
        return work(codec, stream)
    except (PictureError, KeyboardInterrupt):
        raise
    except MemoryError as error:
        raise PictureError("does not fit in memory", remedy="memory") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"is larger than its decoder takes ({first_line(error)})") from error
    except Exception as error:  # a damaged file can make a decoder raise anything
        word = "is cut short" if "truncated" in str(error).lower() else "is damaged"
        raise PictureError(f"{word} ({first_line(error)}); copy it again from where it came") from error


def _names() -> str:
    *names, last = (codec.facts.name for codec in CODECS.values())
    return f"{', '.join(names)} and {last}"
