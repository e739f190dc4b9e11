"""RAW files of cameras, by way of rawpy (LibRaw): the sensor's light as a 16-bit sRGB picture."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from lightwell.errors import PictureError
from lightwell.pictures import boxes, metadata, space
from lightwell.pictures.codecs.base import Facts, Limits, check_size, first_line
from lightwell.pictures.picture import Picture

__all__ = ["RAW"]

_MAGIC = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR")
_TIFF = (b"II*\0", b"MM\0*")
_ROWS = 256
_DNG_VERSION, _PHOTOMETRIC, _SUB_IFDS = 50706, 262, 330
_CFA, _LINEAR_RAW = 32803, 34892


class _Raw:
    """Every RAW format that LibRaw knows; read alone."""

    facts: Facts = Facts(
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
            linear, gain = _developed(raw, limits.half)
            preview = _preview(raw)
            depth = int(raw.white_level or 0).bit_length()
        pixels = _encoded(linear if linear.ndim == 3 else linear[..., None], gain)
        del linear
        height, width = pixels.shape[:2]
        exif = metadata.exif_of_raw(stream, notes, preview)
        if limits.half:
            notes.append("it was read at half its size")
        return Picture(
            pixels,
            exif=metadata.kept_exif(exif, height, width),
            format="TIFF",
            warnings=tuple(notes),
            depth=depth if 8 < depth < 16 else None,
        )

    def encode(self, picture: Picture, stream: IO[bytes], quality: int | None) -> tuple[str, ...]:  # noqa: ARG002
        raise PictureError("RAW files are read, not written: choose tiff or another format", remedy="format")


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
            raw.open_buffer(cast(BinaryIO, stream))
            yield raw
    except rawpy.LibRawFileUnsupportedError as error:
        raise PictureError(f"is a RAW file of a camera that is not known ({first_line(error)})") from error


def _size(raw: Any) -> tuple[int, int]:
    """Height and width, upright."""
    sizes = raw.sizes
    height, width = int(sizes.iheight or sizes.height), int(sizes.iwidth or sizes.width)
    return (width, height) if sizes.flip in (5, 6) else (height, width)


def _developed(raw: Any, half: bool) -> tuple[Any, float]:
    """Linear sRGB, ``(H, W, 3)`` uint16, and what it is to be multiplied by for white to be 65535.

    To blend clipped highlights LibRaw keeps room above white: as much as the white balance lifts one channel over
    another. And it works in whole numbers, rounded down at each step, which in a dark photograph would take a tenth of
    the shadows' light; so the brightest pixel is taken for white, and that is undone by the factor.
    """
    import rawpy

    raw.unpack()
    white = list(raw.camera_whitebalance)
    if not all(factor > 0 for factor in white[:3]):
        white = list(raw.daylight_whitebalance)
    if not all(factor > 0 for factor in white[:3]):
        white = [1.0, 1.0, 1.0, 1.0]
    white[3] = white[3] or white[1]
    level, share = _brightest(raw)
    linear = raw.postprocess(
        user_wb=white,
        no_auto_bright=True,
        adjust_maximum_thr=0.0,  # else LibRaw does the like, and does not undo it
        highlight_mode=rawpy.HighlightMode.Blend,
        user_sat=level,
        output_color=rawpy.ColorSpace.sRGB,
        output_bps=16,
        gamma=(1, 1),
        half_size=half,
    )
    return linear, share * max(white) / min(white)


def _encoded(linear: NDArray[np.uint16], gain: float) -> NDArray[np.uint16]:
    """Linear light times a factor as sRGB, what is near white or above rolled off."""
    light = np.arange(65536) * (gain / 65535)
    table = np.round(space.linear_to_srgb(np.minimum(light, 1)) * 65535).astype(np.uint16)
    pixels = np.empty(linear.shape, np.uint16)
    for row in range(0, len(pixels), _ROWS):
        part = linear[row : row + _ROWS]
        pixels[row : row + _ROWS] = table[part]
        bright = light[part.max(axis=2)] > space.KNEE
        if bright.any():
            rolled = space.linear_to_srgb(space.rolled_off(light[part[bright]]))
            pixels[row : row + _ROWS][bright] = np.round(rolled * 65535)
    return pixels


def _brightest(raw: Any) -> tuple[int | None, float]:
    """A light above all of the sensor's, less its black, also as a share of white's; None and 1 where not known."""
    import rawpy

    if raw.raw_type != rawpy.RawType.Flat:
        return None, 1.0
    black, white = min(raw.black_level_per_channel), int(raw.white_level)
    room = white - black
    level = int(1.1 * max(int(raw.raw_image_visible.max()) - black, room / 64))
    return (level, level / room) if 0 < level < room else (None, 1.0)


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
            part = TiffImagePlugin.ImageFileDirectory_v2(directory.prefix + b"*\0\0\0\0\0"[:6])
            part.load(stream)
            if part.get(_PHOTOMETRIC) in (_CFA, _LINEAR_RAW):
                return True
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error):
        return False
    return False


RAW = _Raw()
