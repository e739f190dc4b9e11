"""RAW files of cameras, by way of rawpy (LibRaw): the sensor's light as a 16-bit sRGB picture."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from PIL import TiffImagePlugin

from lightwell.errors import PictureError
from lightwell.pictures import boxes, metadata, space
from lightwell.pictures.codecs.base import Facts, Limits, check_size, first_line
from lightwell.pictures.picture import Picture

__all__ = ["RAW"]

_MAGIC = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR")
_TIFF = (b"II*\0", b"MM\0*")
_DNG_VERSION, _PHOTOMETRIC, _SUB_IFDS = 50706, 262, 330
_CFA, _LINEAR_RAW = 32803, 34892


class _Raw:
    """Every RAW format that LibRaw knows; read alone."""

    facts = Facts(
        "RAW",
        "RAW",
        (
            *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf"),
            *(".pef", ".srw", ".rwl", ".3fr", ".fff", ".iiq", ".erf", ".mef", ".mos", ".mrw", ".kdc", ".dcr", ".x3f"),
        ),
        "the sensor's own bits as 16 of sRGB: the camera's white balance and matrix, no automatic brightness, clipped "
        "highlights blended, turned upright; at half size by choice",
        (),
        alpha=False,
        keeps=frozenset(),
        extra="raw",
        lost=(
            "written as TIFF of 16 bits by default",
            "EXIF data comes from the file's own TIFF structure, else from its preview; the maker's note is left out",
            "XMP, IPTC and the settings of RAW developers are left out",
        ),
    )

    def accepts(self, head: bytes, stream: IO[bytes], suffix: str) -> bool:
        if head.startswith(_MAGIC) or b"crx " in boxes.brands(head):
            return True
        return head.startswith(_TIFF) and (suffix in self.facts.suffixes or _is_raw_tiff(stream))

    def size(self, stream: IO[bytes]) -> tuple[int, int]:
        with _opened(stream) as raw:
            return _size(raw)

    def decode(self, stream: IO[bytes], limits: Limits) -> Picture:
        notes: list[str] = []
        with _opened(stream) as raw:
            height, width = _size(raw)
            check_size(width, height, limits)
            linear = _developed(raw, limits.half)
            preview = _preview(raw)
        pixels = _SRGB[linear] if linear.ndim == 3 else _SRGB[linear][..., None]
        height, width = pixels.shape[:2]
        exif = metadata.exif_of_raw(stream, notes, preview)
        if limits.half:
            notes.append("it was read at half its size")
        return Picture(
            pixels,
            exif=metadata.kept_exif(exif, height, width),
            format="TIFF",
            warnings=tuple(notes),
        )


_SRGB = np.round(space.linear_to_srgb(np.arange(65536) / 65535) * 65535).astype(np.uint16)


@contextlib.contextmanager
def _opened(stream: IO[bytes]) -> Iterator[Any]:
    try:
        import rawpy
    except ImportError as error:
        raise PictureError(
            "is a RAW file, which needs a further package: pip install 'lightwell[raw]'", remedy="lightwell[raw]"
        ) from error
    stream.seek(0)
    try:
        with rawpy.RawPy() as raw:
            raw.open_buffer(stream)
            yield raw
    except rawpy.LibRawFileUnsupportedError as error:
        raise PictureError(f"is a RAW file of a camera that is not known ({first_line(error)})") from error


def _size(raw: Any) -> tuple[int, int]:
    """Height and width, upright."""
    sizes = raw.sizes
    height, width = int(sizes.iheight or sizes.height), int(sizes.iwidth or sizes.width)
    return (width, height) if sizes.flip in (5, 6) else (height, width)


def _developed(raw: Any, half: bool) -> Any:
    """Linear sRGB, ``(H, W, 3)`` uint16."""
    import rawpy

    raw.unpack()
    has_white = any(raw.camera_whitebalance[:3])
    return raw.postprocess(
        use_camera_wb=has_white,
        no_auto_bright=True,
        highlight_mode=rawpy.HighlightMode.Blend,
        output_color=rawpy.ColorSpace.sRGB,
        output_bps=16,
        gamma=(1, 1),
        half_size=half,
    )


def _preview(raw: Any) -> bytes | None:
    """The JPEG that the camera made, for its EXIF data."""
    import rawpy

    try:
        found = raw.extract_thumb()
    except (rawpy.LibRawError, ValueError):
        return None
    return found.data if found.format == rawpy.ThumbFormat.JPEG else None


def _is_raw_tiff(stream: IO[bytes]) -> bool:
    """Whether a TIFF structure is that of a RAW file: a DNG, or with a picture of a sensor's pixels in it."""
    stream.seek(0)
    try:
        directory = TiffImagePlugin.ImageFileDirectory_v2(stream.read(8))
        stream.seek(directory.next)
        directory.load(stream)
        if _DNG_VERSION in directory or directory.get(_PHOTOMETRIC) in (_CFA, _LINEAR_RAW):
            return True
        inner = directory.get(_SUB_IFDS, ())
        for place in (inner if isinstance(inner, tuple) else (inner,))[:8]:
            stream.seek(place)
            part = TiffImagePlugin.ImageFileDirectory_v2(directory.prefix + b"*\0\0\0\0\0"[: 6])
            part.load(stream)
            if part.get(_PHOTOMETRIC) in (_CFA, _LINEAR_RAW):
                return True
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error):
        return False
    return False


RAW = _Raw()
