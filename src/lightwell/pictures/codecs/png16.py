"""PNG, with 16 bits a channel in colour, which Pillow neither keeps nor writes.

A 16-bit file is Pillow's own file of one pixel, which carries the metadata, with its pixels replaced.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin

from lightwell.pictures.codecs.base import Facts
from lightwell.pictures.codecs.pillow import PillowCodec, decode_as, is_16_bit_colour, plain_samples, whole_16_bits
from lightwell.pictures.picture import Picture, Pixels

__all__ = ["PNG"]

_STRIP_BYTES = 1 << 20
# Kept in fields of their own, or other writers' ways to put metadata into words.
_NO_WORDS = ("XML:com.adobe.xmp", "Software", "Raw profile type exif", "Raw profile type xmp")


class _Png(PillowCodec):
    def head_exif(self, image: ImageFile.ImageFile, stream: IO[bytes]) -> Image.Exif:
        """As Pillow reads it, but past the pixels, where EXIF data may lie, and not through them."""
        found = Image.Exif()
        if data := image.info.get("exif") or _chunk(stream, b"eXIf"):
            found.load(data)
        return found

    def samples(self, image: ImageFile.ImageFile, layout: str, stream: IO[bytes], notes: list[str]) -> Pixels:
        key = image.info.get("transparency")
        if layout == "LA;16B":  # whose four bytes a pixel are unpacked as if they were four samples
            with self.open(stream) as again:
                return np.asarray(decode_as(again, "RGBA")).view(">u2").astype(np.uint16)
        if is_16_bit_colour(image, layout):
            with self.open(stream) as again:
                samples = whole_16_bits(image, again)
            return _with_clear(samples, key) if samples.shape[2] == 3 and isinstance(key, tuple) else samples
        image.load()
        if image.mode.startswith("I;16"):
            samples = np.asarray(image).astype(np.uint16)[..., None]
            return _with_clear(samples, (key,)) if isinstance(key, int) else samples
        return plain_samples(image, notes)

    def text(self, image: ImageFile.ImageFile) -> dict[str, str]:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        return {key: str(value) for key, value in image.text.items() if key not in _NO_WORDS}

    def options(self, picture: Picture, quality: int | None, lost: list[str]) -> dict[str, Any]:
        options = super().options(picture, quality, lost)
        info = PngImagePlugin.PngInfo()
        if xmp := options.pop("xmp", None):
            info.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
        for key, value in {**picture.text, **({"Software": picture.software} if picture.software else {})}.items():
            info.add_itxt(key, value)
        return {**options, "pnginfo": info}

    def encode(self, picture: Picture, stream: IO[bytes], quality: int | None) -> tuple[str, ...]:
        if picture.bits == 8:
            return super().encode(picture, stream, quality)
        lost: list[str] = []
        head = io.BytesIO()
        Image.new("L", (1, 1)).save(head, "PNG", **self.options(picture, quality, lost))
        _splice(head.getvalue(), picture.samples(), stream)
        return tuple(lost)


def _chunk(stream: IO[bytes], wanted: bytes) -> bytes:
    """The content of a chunk, by way of the heads of those before it; empty where there is none."""
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if name == wanted:
            return stream.read(size)
        stream.seek(size + 4, os.SEEK_CUR)
    return b""


def _with_clear(samples: Pixels, key: tuple[int, ...]) -> Pixels:
    """16-bit samples with an alpha that hides the one colour that the file calls transparent."""
    seen = np.any(samples != np.array(key, np.uint16), axis=2, keepdims=True)
    return np.concatenate([samples, seen * np.uint16(65535)], axis=2)


def _splice(template: bytes, pixels: NDArray[np.uint8 | np.uint16], stream: IO[bytes]) -> None:
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


PNG = _Png(
    Facts(
        "PNG",
        "PNG",
        (".png",),
        "1 to 16 bits, with a palette or without; a transparent colour becomes alpha; the first frame of several",
        (8, 16),
        alpha=True,
        keeps=frozenset({"ICC", "EXIF", "XMP", "dots per inch", "words"}),
        lost=("the chunks gAMA and cHRM are left out: pixels without a profile are taken for sRGB",),
    ),
    PngImagePlugin.PngImageFile,
    (b"\x89PNG\r\n\x1a\n",),
)
