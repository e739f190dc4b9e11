"""The boxes of HEIF and AVIF files (ISO/IEC 14496-12 and 23008-12).

Reading, what the decoders do not tell of the picture; writing, what FFmpeg does not put into an AVIF file: a profile,
EXIF and XMP data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

__all__ = ["Item", "Named", "brands", "colours", "content", "depth_of_av1", "has_film", "properties", "still"]

_MOST = 4 << 20  # of a box that is read into memory
_PARTS = 1000


@dataclass(frozen=True)
class Named:
    """Colours named by number (ITU-T H.273)."""

    primaries: int
    transfer: int
    matrix: int = 2
    is_full: bool = True


def brands(head: bytes) -> set[bytes]:
    """What the first bytes of a file call it; empty where it is no such file."""
    if len(head) < 12 or head[4:8] != b"ftyp":
        return set()
    end = min(len(head), int.from_bytes(head[:4], "big"))
    return {head[8:12], *(head[k : k + 4] for k in range(16, end - 3, 4))}


def properties(stream: IO[bytes]) -> list[tuple[bytes, bytes]]:
    """Names and contents of the properties of the file's main picture; empty where they cannot be made out."""
    try:
        meta = next(data for name, data in _top(stream, b"meta") if name == b"meta")
        parts = dict(_boxes(meta[4:]))
        main = int.from_bytes(parts[b"pitm"][4 : 6 if parts[b"pitm"][0] == 0 else 8], "big")
        inner = list(_boxes(parts[b"iprp"]))
        known = list(_boxes(dict(inner)[b"ipco"]))
        indices = [index for name, data in inner if name == b"ipma" for index in _associated(data, main)]
        return [known[index - 1] for index in indices if 0 < index <= len(known)]
    except (StopIteration, KeyError, IndexError, struct.error):
        return []


def colours(found: list[tuple[bytes, bytes]]) -> Named | None:
    """The colours that a picture names by number; a profile, if there is one too, goes before all but the matrix."""
    kinds = (data for name, data in found if name == b"colr")
    named = next((data for data in kinds if data[:4] == b"nclx" and len(data) >= 11), None)
    if named is None:
        return None
    primaries, transfer, matrix = struct.unpack_from(">HHH", named, 4)
    return Named(primaries, transfer, matrix, bool(named[10] & 0x80))


def depth_of_av1(found: list[tuple[bytes, bytes]]) -> int:
    """Bits a sample of an AV1 picture."""
    flags = next((data[2] for name, data in found if name == b"av1C" and len(data) >= 4), 0)
    return (12 if flags & 0x20 else 10) if flags & 0x40 else 8


def has_film(stream: IO[bytes]) -> bool:
    """Whether a film lies behind the picture, as Samsung's and Google's motion photos have it."""
    return any(name == b"mpvd" for name, _ in _top(stream, b""))


def _top(stream: IO[bytes], wanted: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The file's outermost boxes, with the contents of those of one name."""
    position = 0
    for _ in range(_PARTS):
        stream.seek(position)
        head = stream.read(16)
        if len(head) < 8:
            return
        size, name = struct.unpack_from(">I4s", head)
        start = 8
        if size == 1 and len(head) == 16:
            (size,), start = struct.unpack_from(">Q", head, 8), 16
        if name == wanted and 8 < size <= _MOST:
            stream.seek(position + start)
            yield name, stream.read(size - start)
        elif name != wanted:
            yield name, b""
        if size < 8 or position + size > 1 << 40:
            return
        position += size


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if size < 8:
            return
        yield name, data[position + 8 : position + size]
        position += size


def _associated(data: bytes, item: int) -> list[int]:
    """The numbers of the properties that an ``ipma`` box gives to an item."""
    version, wide = data[0], data[3] & 1
    (count,) = struct.unpack_from(">I", data, 4)
    position = 8
    for _ in range(min(count, 1 << 16)):
        (found,) = struct.unpack_from(">H" if version < 1 else ">I", data, position)
        position += 2 if version < 1 else 4
        size, position = data[position], position + 1
        step = 2 if wide else 1
        if found == item:
            numbers = (
                int.from_bytes(data[position + step * k : position + step * (k + 1)], "big") for k in range(size)
            )
            return [number & (0x7FFF if wide else 0x7F) for number in numbers]
        position += step * size
    return []


@dataclass(frozen=True)
class Item:
    """What a HEIF file holds besides its picture: ``Exif``, or ``mime`` with a content type."""

    kind: bytes
    data: bytes
    content_type: bytes = b""


def content(file: bytes) -> bytes:
    """The bytes of all pictures of a file."""
    return b"".join(data for name, data in _boxes(file) if name == b"mdat")


def still(picture: bytes, described: list[tuple[bytes, bytes]], items: list[Item]) -> bytes:
    """An AVIF file of one picture.

    Args:
        picture: its AV1 data.
        described: names and contents of its properties.
        items: what is told of it.
    """
    parts = [(b"av01", picture, b""), *((item.kind, item.data, item.content_type + b"\0") for item in items)]
    infos = b"".join(
        _full(b"infe", struct.pack(">HH4s", k, 0, kind) + b"\0" + (words if kind == b"mime" else b""), 2)
        for k, (kind, _, words) in enumerate(parts, 1)
    )
    references = b"".join(_box(b"cdsc", struct.pack(">HHH", k, 1, 1)) for k in range(2, len(parts) + 1))
    essential = [0x80 * (name == b"av1C") | k for k, (name, _) in enumerate(described, 1)]
    associated = _full(b"ipma", struct.pack(">IHB", 1, 1, len(essential)) + bytes(essential))
    listed = _box(b"iprp", _box(b"ipco", b"".join(_box(*each) for each in described)) + associated)
    head = _box(b"ftyp", b"avif" + bytes(4) + b"avifmif1miaf")

    def meta(start: int) -> bytes:
        places = struct.pack(">BBH", 0x44, 0, len(parts))
        for k, (_, data, _) in enumerate(parts, 1):
            places += struct.pack(">HHHII", k, 0, 1, start, len(data))
            start += len(data)
        boxes = (
            _full(b"hdlr", bytes(4) + b"pict" + bytes(13)),
            _full(b"pitm", struct.pack(">H", 1)),
            _full(b"iloc", places),
            _full(b"iinf", struct.pack(">H", len(parts)) + infos),
            _full(b"iref", references) if references else b"",
            listed,
        )
        return _full(b"meta", b"".join(boxes))

    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + _box(b"mdat", b"".join(data for _, data, _ in parts))


def _box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", len(data) + 8, name) + data


def _full(name: bytes, data: bytes, version: int = 0) -> bytes:
    return _box(name, bytes([version, 0, 0, 0]) + data)
