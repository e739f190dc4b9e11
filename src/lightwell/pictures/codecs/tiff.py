"""TIFF, with 16 bits a channel in every layout; Pillow decodes, the writing is done here.

What is written is Pillow's tag directory followed by deflated strips.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

from lightwell.errors import PictureError
from lightwell.pictures import metadata
from lightwell.pictures.codecs.base import Facts, Limits, check_size
from lightwell.pictures.codecs.pillow import (
    PillowCodec,
    exif_to_write,
    is_16_bit_colour,
    plain_samples,
    whole_16_bits,
)
from lightwell.pictures.picture import Picture, Pixels

__all__ = ["TIFF"]

_STRIP_BYTES = 1 << 20
_CHUNKY, _SEPARATE = 1, 2
_FILL_ORDER = 266


class _File(TiffImagePlugin.TiffImageFile):
    """Pillow's, without its bound on pixels, which is one global for the whole process and is asked again here.

    Attributes:
        layers: how many samples of 16 bits a pixel has where Pillow cannot load them (in planes, or gray with alpha),
            else 0. Such a file opens as if it were gray, for its metadata.
        planar: whether they lie in planes.
        photometric: what their colours are (TIFF 6.0, tag 262).
    """

    layers = 0
    planar = False
    photometric: int | None = None

    def _setup(self) -> None:
        tags = self.tag_v2
        bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        self.planar = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION) == _SEPARATE and len(bits) > 1
        is_integer = set(tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))) == {1}
        if set(bits) == {16} and is_integer and len(bits) <= 4 and (self.planar or len(bits) == 2):
            self.layers = len(bits)
            tags[TiffImagePlugin.BITSPERSAMPLE] = (16,)
            tags[TiffImagePlugin.SAMPLESPERPIXEL] = 1
            tags[TiffImagePlugin.PLANAR_CONFIGURATION] = _CHUNKY
            tags[TiffImagePlugin.SAMPLEFORMAT] = (1,)
            self.photometric = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION)
            tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 1
            tags.pop(TiffImagePlugin.EXTRASAMPLES, None)
        super()._setup()

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.core.new(self.mode, self._tile_size)  # type: ignore[attr-defined]
        ImageFile.ImageFile.load_prepare(self)


class _Tiff(PillowCodec):
    turns_itself = True

    def decode(self, stream: IO[bytes], limits: Limits) -> Picture:
        with self.open(stream) as image:
            assert isinstance(image, _File)
            check_size(*image.size, limits)
            return self.picture(image, stream, _layers(image, stream) if image.layers else None)

    def samples(self, image: ImageFile.ImageFile, layout: str, stream: IO[bytes], notes: list[str]) -> Pixels:
        assert isinstance(image, _File)
        if is_16_bit_colour(image, layout):
            with self.open(stream) as again:
                return whole_16_bits(image, again)
        if layout.endswith((";16B", ";16L", ";16N")) and not image.mode.startswith("I;16"):
            notes.append(f"16-bit {image.mode} of this kind is read at 8 bits")
        image.load()
        if image.mode.startswith("I;16"):
            samples = np.asarray(image).astype(np.uint16)
            if layout == "I;12":
                samples = (samples.astype(np.uint32) * 65535 // 4095).astype(np.uint16)
            if image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:  # Pillow minds it at 8 bits alone
                samples = 65535 - samples
            return samples[..., None]
        return plain_samples(image, notes)

    def depth(self, image: ImageFile.ImageFile, layout: str) -> int | None:  # noqa: ARG002  (of the base)
        return 12 if layout == "I;12" else None

    def encode(self, picture: Picture, stream: IO[bytes], quality: int | None) -> tuple[str, ...]:  # noqa: ARG002
        exif = exif_to_write(picture, self.facts)
        tags: dict[int, Any] = {
            tag: exif.get_ifd(tag) if tag in (metadata.EXIF_IFD, metadata.GPS_IFD) else value
            for tag, value in exif.items()
            if tag not in metadata.LAYOUT_TAGS
        }
        if icc := picture.fitting_icc():
            tags[TiffImagePlugin.ICCPROFILE] = icc
        if picture.xmp:
            tags[TiffImagePlugin.XMP] = picture.xmp
        if picture.iptc:
            tags[TiffImagePlugin.IPTC_NAA_CHUNK] = picture.iptc
        if picture.dpi:
            tags[TiffImagePlugin.X_RESOLUTION], tags[TiffImagePlugin.Y_RESOLUTION] = picture.dpi
            tags[TiffImagePlugin.RESOLUTION_UNIT] = 2  # inches
        _write(picture.samples(), tags, stream)
        return ()


def _layers(image: _File, stream: IO[bytes]) -> Pixels:
    """Samples of 16 bits, ``(H, W, 2 to 4)``, in the layouts that Pillow does not load.

    Each plane, or all samples of a row as one row of gray, is read as a gray picture: by way of a directory that says
    so, put at the end of a copy of the file. So every compression that Pillow knows is taken.
    """
    stream.seek(0)
    content = bytearray(stream.read())
    tags = image.tag_v2
    width, height = tags[TiffImagePlugin.IMAGEWIDTH], tags[TiffImagePlugin.IMAGELENGTH]
    if image.planar:
        planes = [_gray(content, tags, plane, image.layers, 1) for plane in range(image.layers)]
        samples = np.stack(planes, axis=2)
    else:
        samples = _gray(content, tags, 0, 1, image.layers).reshape(height, width, image.layers)
        if tags.get(TiffImagePlugin.PREDICTOR) == 2:  # differences, which a wider row would take between other samples
            step = tags.get(TiffImagePlugin.TILEWIDTH, width)
            for left in range(0, width, step):
                part = samples[:, left : left + step]
                np.cumsum(part, axis=1, dtype=np.uint16, out=part)
    if image.photometric == 0:
        samples[..., 0] = 65535 - samples[..., 0]
    if image.photometric not in (0, 1, 2):
        raise PictureError("is a 16-bit TIFF of colours other than gray and RGB; save it as RGB")
    return samples


def _gray(content: bytearray, tags: Any, plane: int, planes: int, factor: int) -> NDArray[np.uint16]:
    """One of several planes, or with a factor the samples of a pixel side by side, ``(H, W * factor)``."""
    is_tiled = TiffImagePlugin.TILEOFFSETS in tags
    where = TiffImagePlugin.TILEOFFSETS if is_tiled else TiffImagePlugin.STRIPOFFSETS
    length = TiffImagePlugin.TILEBYTECOUNTS if is_tiled else TiffImagePlugin.STRIPBYTECOUNTS
    width, height = tags[TiffImagePlugin.IMAGEWIDTH], tags[TiffImagePlugin.IMAGELENGTH]
    pieces = len(tags[where]) // planes
    mine = slice(plane * pieces, (plane + 1) * pieces)
    entries: dict[int, tuple[int, ...]] = {
        TiffImagePlugin.IMAGEWIDTH: (width * factor,),
        TiffImagePlugin.IMAGELENGTH: (height,),
        TiffImagePlugin.BITSPERSAMPLE: (16,),
        TiffImagePlugin.COMPRESSION: (tags.get(TiffImagePlugin.COMPRESSION, 1),),
        TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: (1,),
        _FILL_ORDER: (tags.get(_FILL_ORDER, 1),),
        where: tags[where][mine],
        TiffImagePlugin.SAMPLESPERPIXEL: (1,),
        length: tags[length][mine],
    }
    if is_tiled:
        entries[TiffImagePlugin.TILEWIDTH] = (tags[TiffImagePlugin.TILEWIDTH] * factor,)
        entries[TiffImagePlugin.TILELENGTH] = (tags[TiffImagePlugin.TILELENGTH],)
    else:
        entries[TiffImagePlugin.ROWSPERSTRIP] = (min(tags.get(TiffImagePlugin.ROWSPERSTRIP, height), height),)
    if factor == 1:
        entries[TiffImagePlugin.PREDICTOR] = (tags.get(TiffImagePlugin.PREDICTOR, 1),)
    order = "<" if tags.prefix == b"II" else ">"
    start = len(content) + len(content) % 2
    head = tags.prefix + struct.pack(f"{order}HI", 42, start)
    copy = io.BytesIO()
    for part in (
        head,
        memoryview(content)[len(head) :],
        b"\0" * (start - len(content)),
        _directory(entries, start, order),
    ):
        copy.write(part)
    copy.seek(0)
    with _File(copy) as image:
        image.load()
        return np.asarray(image).astype(np.uint16)


def _directory(entries: dict[int, tuple[int, ...]], start: int, order: str) -> bytes:
    """A TIFF directory of 32-bit numbers that will lie at ``start`` (TIFF 6.0, section 2)."""
    fields, behind = b"", b""
    outside = start + 2 + 12 * len(entries) + 4
    for tag, values in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        place = packed if len(values) == 1 else struct.pack(f"{order}I", outside + len(behind))
        fields += struct.pack(f"{order}HHI", tag, 4, len(values)) + place
        behind += packed if len(values) > 1 else b""
    return struct.pack(f"{order}H", len(entries)) + fields + bytes(4) + behind


def _write(pixels: NDArray[np.uint8 | np.uint16], tags: dict[int, Any], stream: IO[bytes]) -> None:
    """Write a deflated TIFF of one picture.

    Args:
        pixels: ``(H, W, C)``: gray, gray and alpha, RGB, or RGB and alpha.
        tags: what else to write, by TIFF tag; a dict as value is a directory of its own (EXIF, GPS).
    """
    height, width, channels = pixels.shape
    colours = 3 if channels > 2 else 1
    rows = max(1, _STRIP_BYTES // (width * channels * pixels.itemsize))
    strips = [_strip(pixels[top : top + rows]) for top in range(0, height, rows)]
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


def _strip(pixels: NDArray[np.uint8 | np.uint16]) -> bytes:
    """Deflated rows, each sample as the difference to its left neighbour (TIFF 6.0, section 14)."""
    lines = pixels.copy()
    lines[:, 1:] -= pixels[:, :-1]
    return zlib.compress(lines.astype(f"<u{pixels.itemsize}", copy=False).tobytes(), 6)


TIFF = _Tiff(
    Facts(
        "TIFF",
        "TIFF",
        (".tif", ".tiff"),
        "8, 12 and 16 bits, strips or tiles, interleaved or in planes, any compression that libtiff knows; the first "
        "page of several",
        (8, 16),
        alpha=True,
        keeps=frozenset({"ICC", "EXIF", "XMP", "IPTC", "dots per inch"}),
        lost=("CMYK and RGB with multiplied alpha of 16 bits are read at 8, which is said",),
    ),
    _File,
    (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
)
