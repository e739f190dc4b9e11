"""What a file says about its picture besides the pixels: EXIF, XMP, IPTC, resolution, orientation."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Container
from typing import IO, Any

from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from lightwell.pictures.codecs.base import first_line

__all__ = [
    "EXIF_IFD",
    "FILM_NOTE",
    "GAIN_MAP_NOTE",
    "GPS_IFD",
    "LAYOUT_TAGS",
    "dpi_in_exif",
    "dpi_of",
    "exif_of_raw",
    "iptc_block",
    "iptc_of",
    "is_live_photo",
    "kept_exif",
    "orientation_and_exif",
    "turned",
    "upright_xmp",
    "without_parts",
]

EXIF_IFD, GPS_IFD = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
LAYOUT_TAGS = frozenset(
    {*range(254, 267), 273, *range(277, 282), 284, *range(288, 294), 301, *range(317, 326), *range(330, 343), 347}
    | {*range(512, 522), *range(529, 533), 700, 33723, 34377, 34675, 37724, 40965}
)
"""TIFF tags that say how a file stores its pixels, or that are written from a field of their own."""

# A RAW file's own directory also holds how its sensor is to be read; these tags speak of the photograph.
_RAW_TAGS = frozenset({270, 271, 272, 274, 305, 306, 315, 33432, EXIF_IFD, GPS_IFD})
_MAKER_NOTE, _INTEROPERABILITY = 0x927C, 0xA005
# Exif tags of how the RAW file stores its pixels: size, compression, component order.
_RAW_EXIF_LEFT_OUT = frozenset({_MAKER_NOTE, _INTEROPERABILITY, 0xA002, 0xA003, 0x9101, 0x9102})
FILM_NOTE = "it has a film beside its picture (a live or motion photo): the picture was taken, the film left alone"

GAIN_MAP_NOTE = "its gain map for HDR screens was left out: the picture is that for others"


def orientation_and_exif(found: Image.Exif | bytes | None, notes: list[str]) -> tuple[int, bytes | None]:
    """How the pixels are to be turned, and the EXIF data without the tags that only fit the file it came from."""
    if not found:
        return 1, None
    try:
        if isinstance(found, bytes):
            data, found = found, Image.Exif()
            found.load(data)
        orientation = found.get(ExifTags.Base.Orientation, 1)
        exif = Image.Exif()  # a new one: that of a BigTIFF has a head that only fits there
        for tag, value in found.items():
            if tag not in LAYOUT_TAGS:
                exif[tag] = found.get_ifd(tag) if tag in (EXIF_IFD, GPS_IFD) else value
        kept = exif.tobytes() if len(exif) else None
    except Exception as error:  # broken EXIF is common and no reason to refuse a photo
        notes.append(f"its EXIF data is broken and was left out ({first_line(error)})")
        return 1, None
    return orientation if orientation in range(1, 9) else 1, kept


def kept_exif(data: bytes | None, height: int, width: int) -> bytes | None:
    """EXIF data that is true of the upright picture."""
    if not data:
        return None
    exif = Image.Exif()
    exif.load(data)
    if ExifTags.Base.Orientation in exif:
        exif[ExifTags.Base.Orientation] = 1
    inner = exif.get_ifd(EXIF_IFD)
    for tag, value in ((ExifTags.Base.ExifImageWidth, width), (ExifTags.Base.ExifImageHeight, height)):
        if tag in inner:
            inner[tag] = value
    return exif.tobytes()


def exif_of_raw(stream: IO[bytes], notes: list[str], preview: bytes | None = None) -> bytes | None:
    """The EXIF data of a RAW file: from its TIFF structure, which most kinds have, else from its JPEG preview.

    The maker's note is left out: its offsets hold in the RAW file alone.
    """
    for source in (_tiff_like(stream), io.BytesIO(preview) if preview else None):
        if source is None:
            continue
        try:
            found = Image.Exif()
            if source.read(2) == b"\xff\xd8":
                source.seek(0)
                found = _jpeg_exif(source)
            else:
                source.seek(0)
                found.load_from_fp(source)
            kept = _chosen(found, _RAW_TAGS)
        except Exception:  # whatever the file holds there, it is no EXIF data
            continue
        if len(kept):
            return kept.tobytes()
    notes.append("EXIF data of this kind of RAW file is not read: it was left out")
    return None


def _chosen(found: Image.Exif, tags: Container[int]) -> Image.Exif:
    kept = Image.Exif()
    for tag, value in found.items():
        if tag not in tags:
            continue
        if tag in (EXIF_IFD, GPS_IFD):
            inner = {key: part for key, part in found.get_ifd(tag).items() if key not in _RAW_EXIF_LEFT_OUT}
            if inner:
                kept[tag] = inner
        else:
            kept[tag] = value
    return kept


def _jpeg_exif(stream: IO[bytes]) -> Image.Exif:
    from PIL import JpegImagePlugin

    with JpegImagePlugin.JpegImageFile(stream) as image:
        return image.getexif()


def _tiff_like(stream: IO[bytes]) -> IO[bytes] | None:
    """The file as a TIFF reader takes it; Olympus and Panasonic differ in the magic number alone."""
    stream.seek(0)
    head = stream.read(4)
    stream.seek(0)
    if head in (b"II*\0", b"MM\0*"):
        return stream
    if head in (b"IIRO", b"IIRS", b"IIU\0"):
        return io.BytesIO(b"II*\0" + stream.read()[4:])
    if head == b"MMOR":
        return io.BytesIO(b"MM\0*" + stream.read()[4:])
    return None


def upright_xmp(xmp: bytes | None) -> bytes | None:
    """The XMP packet with its orientation, as an attribute in either quote or an element, set to upright."""
    if not xmp:
        return None
    return re.sub(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)[1-8](?=\s*["'<])""", rb"\g<1>1", xmp)


_FILM_NAMES = rb"(?:GCamera|Camera):(?:MotionPhoto|MicroVideo)\w*"
_GAIN_MAP_NAMES = rb"(?:hdrgm:\w+|HDRGainMap:\w+)"


# What points to a part behind the picture: the names of attributes and elements, and an item of the file's directory.
_PARTS = {FILM_NOTE: (_FILM_NAMES, b"MotionPhoto"), GAIN_MAP_NOTE: (_GAIN_MAP_NAMES, b"GainMap")}
_ITEM = rb"""<rdf:li\b(?:(?!</rdf:li>|<rdf:li\b).)*?Semantic\s*(?:=\s*["']|>)\s*%b\b.*?</rdf:li>\s*"""
_ATTRIBUTE = rb"""%b\s*=\s*(?:"[^"]*"|'[^']*')\s*"""
_ELEMENT = rb"<(%b)>[^<]*</\1>\s*"


def without_parts(xmp: bytes | None, notes: list[str]) -> bytes | None:
    """The XMP packet without what points to a film or a gain map behind the picture; a line is noted for each.

    Readers that find it would look for the part in a file that has none.
    """
    for note, (names, semantic) in _PARTS.items() if xmp else ():
        found = 0
        for pattern in (_ITEM % semantic, _ATTRIBUTE % names, _ELEMENT % names):
            xmp, count = re.subn(pattern, b"", xmp or b"", flags=re.DOTALL)
            found += count
        if found:
            notes.append(note)
    return xmp


def is_live_photo(exif: bytes | None) -> bool:
    """Whether Apple's maker note names a film of its own file (its tag 17 is what pairs them)."""
    if not exif:
        return False
    try:
        found = Image.Exif()
        found.load(exif)
        note = found.get_ifd(EXIF_IFD).get(_MAKER_NOTE)
        if not isinstance(note, bytes) or note[:10] != b"Apple iOS\0" or note[12:14] != b"MM":
            return False
        (count,) = struct.unpack_from(">H", note, 14)
        return any(struct.unpack_from(">H", note, 16 + 12 * k)[0] == 17 for k in range(min(count, 200)))
    except Exception:  # a broken note says nothing
        return False


def dpi_of(image: Image.Image, exif: bytes | None) -> tuple[float, float] | None:
    """Dots per inch, across and down, from the file or, where its format has no field for them, its EXIF data."""
    dpi = image.info.get("dpi")
    if not dpi:
        return dpi_in_exif(exif) if image.format in ("WEBP", "AVIF") else None
    across, down = (float(value) for value in dpi)
    return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None


def dpi_in_exif(exif: bytes | None) -> tuple[float, float] | None:
    """Dots per inch, across and down, that EXIF data tells."""
    if not exif:
        return None
    found = Image.Exif()
    found.load(exif)
    scale = 2.54 if found.get(ExifTags.Base.ResolutionUnit) == 3 else 1.0
    try:
        across = float(found[ExifTags.Base.XResolution]) * scale
        down = float(found[ExifTags.Base.YResolution]) * scale
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None


_IPTC_RESOURCE = 0x0404


def iptc_of(image: ImageFile.ImageFile) -> bytes | None:
    """The IPTC records (IIM) of a JPEG's Photoshop segment or a TIFF's tag."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        data = image.tag_v2.get(TiffImagePlugin.IPTC_NAA_CHUNK)
        if isinstance(data, tuple):  # some writers call the bytes 32-bit numbers
            data = b"".join(struct.pack("<I" if image.tag_v2.prefix == b"II" else ">I", part) for part in data)
    else:
        blocks = image.info.get("photoshop")
        data = blocks.get(_IPTC_RESOURCE) if isinstance(blocks, dict) else None
    return data if isinstance(data, bytes) and data[:1] == b"\x1c" else None


def iptc_block(iptc: bytes) -> bytes:
    """IPTC records as the content of a JPEG's APP13 segment."""
    block = b"8BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(iptc)) + iptc
    return b"Photoshop 3.0\0" + block + b"\0" * (len(iptc) % 2)


def turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The upright view of stored pixels (EXIF 2.3, tag 274)."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
