"""Formats that Pillow decodes and encodes, and what the codecs built upon it share."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Any

import numpy as np
from PIL import BmpImagePlugin, ExifTags, Image, ImageCms, ImageFile, JpegImagePlugin, WebPImagePlugin

from lightwell.errors import PictureError
from lightwell.pictures import metadata, space
from lightwell.pictures.codecs.base import Facts, Limits, check_size, first_line
from lightwell.pictures.picture import Picture, Pixels, to_8_bits

__all__ = ["BMP", "JPEG", "WEBP", "PillowCodec", "exif_to_write", "raw_mode"]

Plugin = Callable[[IO[bytes]], ImageFile.ImageFile]

_JPEG_SEGMENT = 65533
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


class PillowCodec:
    """A format that Pillow reads.

    Args:
        facts: of the format.
        plugin: opens a file's head. Called itself and not by ``Image.open``, whose bound on pixels is one global for
            the whole process; the bound here is an argument.
        magic: what a file starts with, one of them.
    """

    def __init__(self, facts: Facts, plugin: Plugin, magic: tuple[bytes, ...]) -> None:
        self.facts = facts
        self._plugin = plugin
        self._magic = magic

    def accepts(self, head: bytes, stream: IO[bytes], suffix: str) -> bool:  # noqa: ARG002  (of the protocol)
        return head.startswith(self._magic)

    def open(self, stream: IO[bytes]) -> ImageFile.ImageFile:
        """Read the head only."""
        stream.seek(0)
        return self._plugin(stream)

    def size(self, stream: IO[bytes]) -> tuple[int, int]:
        with self.open(stream) as image:
            width, height = image.size
            orientation = 1
            with contextlib.suppress(Exception):  # broken EXIF is no reason to refuse a photo
                orientation, _ = metadata.orientation_and_exif(self.head_exif(image, stream), [])
        return (width, height) if orientation >= 5 and not self.turns_itself else (height, width)

    def head_exif(self, image: ImageFile.ImageFile, stream: IO[bytes]) -> Image.Exif:  # noqa: ARG002
        """The EXIF data of an opened file whose pixels are not to be loaded."""
        return image.getexif()

    turns_itself = False
    """Whether Pillow gives the size and the pixels upright."""

    def decode(self, stream: IO[bytes], limits: Limits) -> Picture:
        with self.open(stream) as image:
            check_size(*image.size, limits)
            return self.picture(image, stream)

    def picture(self, image: ImageFile.ImageFile, stream: IO[bytes], stored: Pixels | None = None) -> Picture:
        """The picture of an opened file.

        Args:
            image: the file, its pixels not loaded.
            stream: the same file.
            stored: its samples as they lie in the file, where Pillow cannot load them.
        """
        notes: list[str] = []
        layout = raw_mode(image)  # gone once anything has loaded the pixels
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            notes.append(f"only the first of {frames} frames was taken")
        orientation, exif = self._orientation_and_exif(image, notes)
        kind = image.mode
        subsampling = 0
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            subsampling = max(JpegImagePlugin.get_sampling(image), 0)
        samples = self.samples(image, layout, stream, notes) if stored is None else stored
        is_upright = self.turns_itself and stored is None
        samples = np.ascontiguousarray(metadata.turned(samples, 1 if is_upright else orientation))
        height, width, channels = samples.shape
        alpha = np.ascontiguousarray(samples[..., -1]) if channels in (2, 4) else None
        pixels = samples if alpha is None else np.ascontiguousarray(samples[..., :-1])
        dpi = metadata.dpi_of(image, exif)
        xmp = metadata.without_parts(image.info.get("xmp"), notes)
        if metadata.FILM_NOTE not in notes and metadata.is_live_photo(exif):
            notes.append(metadata.FILM_NOTE)
        icc = None if kind == "CMYK" else image.info.get("icc_profile") or None  # CMYK became sRGB
        return Picture(
            pixels,
            alpha,
            space.checked(icc, 1 if pixels.shape[2] == 1 else 3, notes),
            metadata.kept_exif(exif, height, width),
            metadata.upright_xmp(xmp),
            dpi[::-1] if dpi and orientation >= 5 else dpi,
            self.facts.format,
            subsampling,
            self.is_lossless(stream),
            self.text(image),
            None,
            tuple(notes),
            metadata.iptc_of(image),
            self.depth(image, layout),
        )

    def _orientation_and_exif(self, image: ImageFile.ImageFile, notes: list[str]) -> tuple[int, bytes | None]:
        try:
            found = image.getexif()
        except Exception as error:
            notes.append(f"its EXIF data is broken and was left out ({first_line(error)})")
            return 1, None
        return metadata.orientation_and_exif(found, notes)

    def samples(self, image: ImageFile.ImageFile, layout: str, stream: IO[bytes], notes: list[str]) -> Pixels:  # noqa: ARG002
        """The file's samples as ``(H, W, 1 to 4)``, 16 bits where it has them."""
        image.load()
        return plain_samples(image, notes)

    def text(self, image: ImageFile.ImageFile) -> dict[str, str]:
        """The file's words."""
        comment = image.info.get("comment")
        return {"Comment": comment.decode("utf-8", "replace")} if isinstance(comment, bytes) and comment else {}

    def is_lossless(self, stream: IO[bytes]) -> bool:  # noqa: ARG002
        """Whether the file's pixels are stored without loss where the format knows both."""
        return False

    def depth(self, image: ImageFile.ImageFile, layout: str) -> int | None:  # noqa: ARG002
        """Bits a sample of the file, where they are neither 8 nor 16."""
        return None

    def options(self, picture: Picture, quality: int | None, lost: list[str]) -> dict[str, Any]:  # noqa: ARG002
        """What Pillow is told besides the pixels; a line is added to ``lost`` for what does not fit."""
        options: dict[str, Any] = {}
        if picture.dpi and "dots per inch" in self.facts.keeps:
            options["dpi"] = picture.dpi
        if "ICC" in self.facts.keeps and (icc := picture.fitting_icc()):
            options["icc_profile"] = icc
        if "EXIF" in self.facts.keeps and len(exif := exif_to_write(picture, self.facts)):
            options["exif"] = exif.tobytes()
        if "XMP" in self.facts.keeps and picture.xmp:
            options["xmp"] = picture.xmp
        if self.facts.quality:
            options["quality"] = quality or 95
        return options

    def encode(self, picture: Picture, stream: IO[bytes], quality: int | None) -> tuple[str, ...]:
        lost: list[str] = []
        options = self.options(picture, quality, lost)
        samples = to_8_bits(picture.samples() if self.facts.alpha else picture.pixels)
        image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
        try:
            image.save(stream, self.facts.format, **options)
        except (OSError, ValueError, struct.error) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the disk, not of the picture
            raise PictureError(f"cannot be written as {self.facts.name}: {error}") from error
        return tuple(lost)


def raw_mode(image: ImageFile.ImageFile) -> str:
    """The layout in which the file holds its pixels, in Pillow's words: ``RGB;16B`` for instance."""
    if not image.tile:
        return ""
    args = image.tile[0].args
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def is_16_bit_colour(image: ImageFile.ImageFile, layout: str) -> bool:
    """Whether `whole_16_bits` can read it."""
    return layout[:-1] in ("RGB;16", "RGBA;16") and image.mode == layout[:-4] and layout[-1] in "BLN"


def whole_16_bits(image: ImageFile.ImageFile, again: ImageFile.ImageFile) -> Pixels:
    """16 bits a channel in colour, of which Pillow keeps the upper 8.

    Pillow's decoders unpack such a file (any compression, interlaced or not) to its upper bytes. Told that the file
    has the other byte order, the same decoder gives the lower bytes; both together are the whole. No other reader of
    the size of a few lines knows every compression of TIFF, and undoing PNG's filters in Python takes minutes.

    Args:
        image: a file whose `raw_mode` ends in ``;16B``, ``;16L`` or ``;16N``.
        again: the same file, freshly opened, its pixels not loaded.
    """
    image.load()
    samples = np.asarray(image).astype(np.uint16)
    samples <<= 8
    mode = raw_mode(again)
    samples |= np.asarray(decode_as(again, mode[:-1] + _SWAPPED[mode[-1]]))
    return samples


def decode_as(image: ImageFile.ImageFile, mode: str) -> Image.Image:
    """Load a freshly opened file as if its pixels had another layout."""
    image.tile = [
        tile._replace(args=(mode, *tile.args[1:]) if isinstance(tile.args, tuple) else mode) for tile in image.tile
    ]
    image.load()
    return image


def plain_samples(image: Image.Image, notes: list[str]) -> Pixels:
    """A loaded 8-bit picture as ``(H, W, 1 to 4)``."""
    samples = np.asarray(_plain(image, notes))
    return samples[..., None] if samples.ndim == 2 else samples


def _plain(image: Image.Image, notes: list[str]) -> Image.Image:
    transparent = "transparency" in image.info
    match image.mode:
        case "L" | "1":
            return image.convert("LA" if transparent else "L")
        case "RGB" | "P" | "PA" | "RGBX":
            return image.convert("RGBA" if transparent or image.mode == "PA" else "RGB")
        case "LA" | "RGBA":
            return image
        case "La":
            return image.convert("LA")
        case "RGBa":
            return image.convert("RGBA")
        case "YCbCr":
            return image.convert("RGB")
        case "CMYK":
            notes.append("CMYK was converted to sRGB")
            return _cmyk_to_srgb(image)
    raise PictureError(f"has pixels of a kind that is not taken ({image.mode}); save it with 8 or 16 bits a channel")


def _cmyk_to_srgb(image: Image.Image) -> Image.Image:
    icc = image.info.get("icc_profile")
    if icc:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):
            converted = ImageCms.profileToProfile(
                image, ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            if converted is not None:
                return converted
    return image.convert("RGB")


def exif_to_write(picture: Picture, facts: Facts) -> Image.Exif:
    """The picture's EXIF data with what made it, and with its resolution where the format has no field for that."""
    exif = Image.Exif()
    if picture.exif:
        exif.load(picture.exif)
    if picture.software:
        exif[ExifTags.Base.Software] = picture.software
    if picture.dpi and "dots per inch" not in facts.keeps:
        exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = picture.dpi
        exif[ExifTags.Base.ResolutionUnit] = 2  # inches
    return exif


class _Jpeg(PillowCodec):
    def picture(self, image: ImageFile.ImageFile, stream: IO[bytes], stored: Pixels | None = None) -> Picture:
        picture = super().picture(image, stream, stored)
        if metadata.FILM_NOTE not in picture.warnings and _has_samsung_film(stream):
            return replace(picture, warnings=(*picture.warnings, metadata.FILM_NOTE))
        return picture

    def options(self, picture: Picture, quality: int | None, lost: list[str]) -> dict[str, Any]:
        options = super().options(picture, quality, lost)
        options["subsampling"] = picture.subsampling if picture.format == "JPEG" else 0
        if comment := picture.text.get("Comment"):
            options["comment"] = comment
        if len(options.get("exif", b"")) > _JPEG_SEGMENT:
            del options["exif"]
            lost.append("its EXIF data is too long for JPEG and was left out")
        if len(options.get("xmp", b"")) > _JPEG_SEGMENT - 29:
            del options["xmp"]
            lost.append("its XMP data is too long for JPEG and was left out")
        if picture.iptc:
            block = metadata.iptc_block(picture.iptc)
            if len(block) > _JPEG_SEGMENT:
                lost.append("its IPTC data is too long for JPEG and was left out")
            else:
                options["extra"] = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
        return options


def _has_samsung_film(stream: IO[bytes]) -> bool:
    """Whether Samsung's trailer, which names its parts at the file's end, names a film."""
    stream.seek(0, os.SEEK_END)
    stream.seek(max(0, stream.tell() - 4096))
    tail = stream.read(4096)
    return tail.endswith(b"SEFT") and b"MotionPhoto_Data" in tail


class _WebP(PillowCodec):
    def accepts(self, head: bytes, stream: IO[bytes], suffix: str) -> bool:
        return super().accepts(head, stream, suffix) and head[8:12] == b"WEBP"

    def is_lossless(self, stream: IO[bytes]) -> bool:
        """Whether its first picture chunk is of the lossless kind."""
        stream.seek(12)
        while len(head := stream.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name in (b"VP8 ", b"VP8L", b"ANMF"):
                return bool(name == b"VP8L")
            stream.seek(size + size % 2, os.SEEK_CUR)
        return False

    def options(self, picture: Picture, quality: int | None, lost: list[str]) -> dict[str, Any]:
        lossless = picture.lossless and quality is None
        options = super().options(picture, quality, lost)
        return {**options, "lossless": lossless, "quality": 75 if lossless else quality or 95, "exact": True}


JPEG = _Jpeg(
    Facts(
        "JPEG",
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        "8 bits; gray, RGB, and CMYK converted to sRGB; the first picture of an MPO file",
        (8,),
        alpha=False,
        keeps=frozenset({"ICC", "EXIF", "XMP", "IPTC", "dots per inch"}),
        max_side=65500,
        quality=True,
        lost=(
            "of the words, the comment alone is written",
            "EXIF, XMP and IPTC data above 64 KB each are left out",
            "a gain map (Ultra HDR) and the film of a motion photo are left out",
        ),
    ),
    JpegImagePlugin.jpeg_factory,
    (b"\xff\xd8\xff",),
)
WEBP = _WebP(
    Facts(
        "WEBP",
        "WebP",
        (".webp",),
        "8 bits, lossy or lossless; the first frame of several",
        (8,),
        alpha=True,
        keeps=frozenset({"ICC", "EXIF", "XMP"}),
        max_side=16383,
        quality=True,
        lost=("gray is written as RGB",),
    ),
    WebPImagePlugin.WebPImageFile,
    (b"RIFF",),
)
BMP = PillowCodec(
    Facts(
        "BMP",
        "BMP",
        (".bmp",),
        "1 to 8 bits a sample, with a palette or without",
        (8,),
        alpha=False,
        keeps=frozenset({"dots per inch"}),
    ),
    BmpImagePlugin.BmpImageFile,
    (b"BM",),
)
