"""16 bits a channel in colour, which Pillow neither keeps nor writes, by way of Pillow and zlib.

Reading: Pillow's decoders unpack a 16-bit file (any compression, interlaced or not) to its upper bytes. Told that the
file has the other byte order, the same decoder gives the lower bytes; both together are the whole. No other reader of
the size of a few lines knows every compression of TIFF, and undoing PNG's filters in Python takes minutes.

Writing: a PNG is Pillow's own file of one pixel, which carries the metadata, with its pixels replaced; a TIFF is
Pillow's tag directory followed by deflated strips.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

__all__ = ["gray_alpha_bytes", "lower_bytes", "raw_mode", "splice_png", "write_tiff"]

_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_STRIP_BYTES = 1 << 20


def raw_mode(image: ImageFile.ImageFile) -> str:
    """The layout in which the file holds its pixels, in Pillow's words: ``RGB;16B`` for instance."""
    if not image.tile:
        return ""
    args = image.tile[0].args
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def lower_bytes(image: ImageFile.ImageFile) -> Image.Image:
    """Decode a freshly opened 16-bit colour file to the lower bytes of its samples.

    Args:
        image: a file whose `raw_mode` ends in ``;16B``, ``;16L`` or ``;16N``, its pixels not loaded.
    """
    mode = raw_mode(image)
    return _decode_as(image, mode[:-1] + _SWAPPED[mode[-1]])


def gray_alpha_bytes(image: ImageFile.ImageFile) -> NDArray[np.uint8]:
    """Decode a freshly opened 16-bit PNG of gray and alpha to its four bytes a pixel, ``(H, W, 4)``."""
    return np.asarray(_decode_as(image, "RGBA"))


def _decode_as(image: ImageFile.ImageFile, mode: str) -> Image.Image:
    image.tile = [
        tile._replace(args=(mode, *tile.args[1:]) if isinstance(tile.args, tuple) else mode) for tile in image.tile
    ]
    image.load()
    return image


def splice_png(template: bytes, pixels: NDArray[np.uint8 | np.uint16], stream: IO[bytes]) -> None:
    """Write a 16-bit PNG with the metadata of another.

    Args:
        template: a whole PNG file; all but its header and pixels is kept.
        pixels: ``(H, W, C)`` uint16: gray, gray and alpha, RGB, or RGB and alpha.
    """
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    stream.write(template[:8])
    written = False
    for name, data in _png_chunks(template):
        if name == b"IHDR":
            _write_png_chunk(stream, name, struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
        elif name != b"IDAT":
            _write_png_chunk(stream, name, data)
        elif not written:
            written = True
            for part in _png_pixels(pixels):
                _write_png_chunk(stream, name, part)


def _png_chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position < len(file):
        size, name = struct.unpack_from(">I4s", file, position)
        yield name, file[position + 8 : position + 8 + size]
        position += size + 12


def _write_png_chunk(stream: IO[bytes], name: bytes, data: bytes) -> None:
    stream.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))


def _png_pixels(pixels: NDArray[np.uint8 | np.uint16]) -> Iterator[bytes]:
    """The deflated rows, each as the difference to its left neighbour (filter 1 of the PNG specification)."""
    height, width, channels = pixels.shape
    unit = 2 * channels
    rows = max(1, _STRIP_BYTES // (width * unit))
    packer = zlib.compressobj(6)
    for top in range(0, height, rows):
        raw = pixels[top : top + rows].astype(">u2").view(np.uint8).reshape(-1, width * unit)
        lines = np.empty((len(raw), width * unit + 1), np.uint8)
        lines[:, 0] = 1
        lines[:, 1:] = raw
        lines[:, 1 + unit :] -= raw[:, :-unit]
        if part := packer.compress(lines.tobytes()):
            yield part
    yield packer.flush()


def write_tiff(pixels: NDArray[np.uint8 | np.uint16], tags: dict[int, Any], stream: IO[bytes]) -> None:
    """Write a deflated TIFF of one picture.

    Args:
        pixels: ``(H, W, C)``: gray, gray and alpha, RGB, or RGB and alpha.
        tags: what else to write, by TIFF tag; a dict as value is a directory of its own (EXIF, GPS).
    """
    height, width, channels = pixels.shape
    colours = 3 if channels > 2 else 1
    rows = max(1, _STRIP_BYTES // (width * channels * pixels.itemsize))
    strips = [_tiff_strip(pixels[top : top + rows]) for top in range(0, height, rows)]
    sizes = [len(strip) for strip in strips]

    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    for tag, value in tags.items():
        directory[tag] = value
    directory[TiffImagePlugin.IMAGEWIDTH] = width
    directory[TiffImagePlugin.IMAGELENGTH] = height
    directory[TiffImagePlugin.BITSPERSAMPLE] = (8 * pixels.itemsize,) * channels
    directory[TiffImagePlugin.COMPRESSION] = 8  # Adobe deflate
    directory[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 2 if colours == 3 else 1
    directory[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    directory[TiffImagePlugin.ROWSPERSTRIP] = rows
    directory[TiffImagePlugin.PLANAR_CONFIGURATION] = 1
    directory[TiffImagePlugin.PREDICTOR] = 2
    if channels > colours:
        directory[TiffImagePlugin.EXTRASAMPLES] = 2  # alpha, colours not multiplied by it
    directory.tagtype[TiffImagePlugin.STRIPOFFSETS] = 4  # 32 bits, also where the first offsets would fit 16
    directory.tagtype[TiffImagePlugin.STRIPBYTECOUNTS] = 4
    # Counted from the first strip; the directory adds where that lies.
    directory[TiffImagePlugin.STRIPOFFSETS] = tuple(sum(sizes[:k]) for k in range(len(sizes)))
    directory[TiffImagePlugin.STRIPBYTECOUNTS] = tuple(sizes)
    head = io.BytesIO()
    directory.save(head)
    stream.write(head.getvalue())
    for strip in strips:
        stream.write(strip)


def _tiff_strip(pixels: NDArray[np.uint8 | np.uint16]) -> bytes:
    """Deflated rows, each sample as the difference to its left neighbour (TIFF 6.0, section 14)."""
    lines = pixels.copy()
    lines[:, 1:] -= pixels[:, :-1]
    return zlib.compress(lines.astype(f"<u{pixels.itemsize}", copy=False).tobytes(), 6)
