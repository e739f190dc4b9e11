"""What a codec is, and those there are, by format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal, Protocol

from lightwell.errors import PictureError

if TYPE_CHECKING:
    from lightwell.pictures.picture import Picture

__all__ = ["CODECS", "Codec", "Facts", "Field", "Format", "Limits", "check_size", "encode", "first_line", "register"]

Format = Literal["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "HEIF", "RAW"]
Field = Literal["ICC", "EXIF", "XMP", "IPTC", "dots per inch", "words"]


@dataclass(frozen=True)
class Limits:
    """What a file may take, and how it is read.

    Args:
        max_pixels: larger pictures are refused before they are decoded.
        half: a RAW file is read at half its width and height, which is quick.
    """

    max_pixels: int
    half: bool = False


@dataclass(frozen=True)
class Facts:
    """What is to be known of a format; the documentation and every message are made from it.

    Args:
        format: its key.
        name: as people write it.
        suffixes: of its files, the usual one first.
        reads: what is read of it, in words.
        depths: bits a sample that are written; none where nothing is.
        alpha: whether transparency is written.
        keeps: what is written besides pixels.
        max_side: the longest side in pixels that it holds.
        quality: whether it takes a quality.
        extra: of lightwell, whose packages it needs.
        lost: what reading or writing it loses, a phrase each, besides what the fields above say.
    """

    format: Format
    name: str
    suffixes: tuple[str, ...]
    reads: str
    depths: tuple[int, ...]
    alpha: bool
    keeps: frozenset[Field]
    max_side: int | None = None
    quality: bool = False
    extra: str | None = None
    lost: tuple[str, ...] = ()


class Codec(Protocol):
    """A format that is read, and mostly written."""

    facts: Facts

    def accepts(self, head: bytes, stream: IO[bytes], suffix: str) -> bool:
        """Whether the file is of this format.

        Args:
            head: its first 32 bytes.
            stream: the file, to look further; left anywhere.
            suffix: of its name, lower case, empty where it has none.
        """
        ...

    def size(self, stream: IO[bytes]) -> tuple[int, int]:
        """Height and width as seen upright, from the file's head alone."""
        ...

    def decode(self, stream: IO[bytes], limits: Limits) -> Picture:
        """The picture, upright; any exception that is not a PictureError means that the file is damaged."""
        ...

    def encode(self, picture: Picture, stream: IO[bytes], quality: int | None) -> tuple[str, ...]:
        """Write a picture whose side and fields are known to fit, or are told as lost; returns what else was."""
        ...


_codecs: dict[Format, Codec] = {}
CODECS: Mapping[Format, Codec] = _codecs
"""Every codec by format, in the order in which a file is tried; filled by `lightwell.pictures.formats`."""


def register(codec: Codec) -> None:
    """Make a codec known. It is looked up here so that a picture need not import what makes pictures."""
    _codecs[codec.facts.format] = codec


def check_size(width: int, height: int, limits: Limits) -> None:
    """Refuse a picture above the bound.

    Raises:
        PictureError: it is.
    """
    if width * height > limits.max_pixels:
        raise PictureError(
            f"{width}x{height} is {width * height / 1e6:.0f} million pixels, above the bound of "
            f"{limits.max_pixels / 1e6:.0f} million; if you trust the file, raise max_pixels",
            remedy="max_pixels",
        )


def encode(picture: Picture, stream: IO[bytes], format: Format, quality: int | None) -> tuple[str, ...]:
    """Write a picture in a format.

    Returns:
        What was lost, a line each.

    Raises:
        PictureError: the format cannot hold the picture, or is not written.
        ValueError: no such format or quality.
    """
    if format not in CODECS:
        raise ValueError(f"format is one of {', '.join(CODECS)}, not {format!r}")
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"quality is 1 to 100, not {quality}")
    codec = CODECS[format]
    facts = codec.facts
    height, width = picture.size
    if facts.max_side and max(height, width) > facts.max_side:
        raise PictureError(
            f"{width}x{height} is larger than {format} takes ({facts.max_side} a side): choose png or tiff",
            remedy="format",
        )
    lost = _losses(picture, facts)  # before the pixels: a full disk is told by the exception alone
    return (*lost, *codec.encode(picture, stream, quality))


def _losses(picture: Picture, facts: Facts) -> list[str]:
    lost = []
    if picture.alpha is not None and not facts.alpha:
        lost.append(f"{facts.name} holds no transparency: it was left out (png and tiff keep it)")
    depth = min(picture.depth or picture.bits, picture.bits)
    if (deepest := max(facts.depths, default=16)) < depth:
        lost.append(f"{facts.name} holds {deepest} bits a sample: {depth} were rounded (png and tiff keep 16)")
    fields: dict[Field, object] = {"ICC": picture.icc, "EXIF": picture.exif, "XMP": picture.xmp, "IPTC": picture.iptc}
    fields |= {"dots per inch": picture.dpi if "EXIF" not in facts.keeps else None, "words": picture.text}
    dropped = [name for name, value in fields.items() if value and name not in facts.keeps]
    if facts.format == "JPEG" and set(picture.text) == {"Comment"}:
        dropped.remove("words")
    if dropped:
        names = {"ICC": "colour profile", "words": "words (" + ", ".join(sorted(picture.text)) + ")"}
        lost.append(f"{facts.name} does not hold, and left out: {', '.join(names.get(name, name) for name in dropped)}")
    if picture.icc and "ICC" in facts.keeps and picture.fitting_icc() is None:
        lost.append("its colour profile is not one for these pixels: it was left out")
    return lost


def first_line(error: Exception) -> str:
    """An exception of a library as one line."""
    if error.args and isinstance(error.args[0], bytes):  # as LibRaw's are
        return error.args[0].decode("utf-8", "replace")
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
