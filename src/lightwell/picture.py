"""A picture as a file holds it: pixels, alpha, colour profile, metadata; reading and writing files.

Pillow decodes and encodes, with `lightwell.sixteen_bit` for colour at 16 bits.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

# The plug-ins are named so that Pillow registers them; its search for further ones takes 50 ms.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from lightwell import color, sixteen_bit
from lightwell.errors import PictureError
from lightwell.files import whole_file

__all__ = ["FORMATS", "MAX_PIXELS", "Format", "Picture", "format_of_name", "read"]

Format = Literal["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"]
Pixels = NDArray[np.uint8 | np.uint16]

FORMATS: Mapping[Format, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "AVIF": (".avif",),
}
"""The formats that are read and written, with their files' suffixes; the first is the usual one."""

MAX_PIXELS = 256_000_000
"""Above this a file is taken for a decompression bomb unless the caller raises the bound; phones reach 200 million."""

_PLUGINS = (
    AvifImagePlugin,
    BmpImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
_READABLE = "JPEG, PNG, WebP, TIFF, BMP and AVIF"
_MAX_SIDE = {"JPEG": 65500, "WEBP": 16383, "AVIF": 65535}
_JPEG_SEGMENT = 65533

_EXIF, _GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
# TIFF tags that say how a file stores its pixels, or that this module writes from a field of their own.
_LAYOUT_TAGS = frozenset(
    {*range(254, 267), 273, *range(277, 282), 284, *range(288, 294), 301, *range(317, 326), *range(330, 343), 347}
    | {*range(512, 522), *range(529, 533), 700, 33723, 34377, 34675, 37724, 40965}
)


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture with all that its file says of it, upright.

    Args:
        pixels: ``(H, W, 3)`` RGB or ``(H, W, 1)`` gray, uint8 or uint16, encoded as ``icc`` says (sRGB without one).
        alpha: ``(H, W)`` of the same type, not multiplied into the pixels.
        icc: the colour profile.
        exif: EXIF data as Pillow keeps it, its orientation 1.
        xmp: the XMP packet.
        dpi: dots per inch, across and down.
        format: of the file it came from, and goes to where no name or option says otherwise.
        subsampling: of a JPEG's colour: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0.
        lossless: whether a WebP file was.
        text: a PNG's words by keyword, a JPEG's ``Comment``.
        software: what made the picture; replaces what ``exif`` says.
        warnings: what of the file could not be kept, a line each.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    format: Format = "PNG"
    subsampling: int = 0
    lossless: bool = False
    text: Mapping[str, str] = field(default_factory=dict)
    software: str | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape, dtype = self.pixels.shape, self.pixels.dtype
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape or dtype not in (np.uint8, np.uint16):
            raise ValueError(f"pixels must be (H, W, 3 or 1) uint8 or uint16, not {shape} {dtype}")
        if self.alpha is not None and (self.alpha.shape != shape[:2] or self.alpha.dtype != dtype):
            raise ValueError(f"alpha must be {shape[:2]} {dtype}, not {self.alpha.shape} {self.alpha.dtype}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def bits(self) -> int:
        """Bits a sample: 8 or 16."""
        return 8 * self.pixels.itemsize

    def write(
        self,
        target: str | os.PathLike[str] | IO[bytes],
        *,
        format: Format | None = None,
        quality: int | None = None,
    ) -> tuple[str, ...]:
        """Write a file, whole or not at all; an existing one is replaced.

        Args:
            target: a path, whose suffix names the format unless ``format`` does, or a binary stream.
            format: one of `FORMATS`; by default the target's suffix, then the format the picture came in.
            quality: 1 to 100 for JPEG, WebP and AVIF; by default 95, and lossless where a WebP was.

        Returns:
            What the format could not keep, a line each.

        Raises:
            PictureError: it cannot be written there, or not in this format.
        """
        if not isinstance(target, str | os.PathLike):
            return self._encode(target, format or self.format, quality)
        path = Path(target)
        with whole_file(path, error=PictureError) as stream:
            return self._encode(stream, format or format_of_name(path) or self.format, quality)

    def _encode(self, stream: IO[bytes], format: Format, quality: int | None) -> tuple[str, ...]:
        longest = _MAX_SIDE.get(format)
        if longest and max(self.size) > longest:
            raise PictureError(
                f"{self.size[1]}x{self.size[0]} is larger than {format} takes ({longest} a side): choose png or tiff"
            )
        if format not in FORMATS:
            raise ValueError(f"format is one of {', '.join(FORMATS)}, not {format!r}")
        if quality is not None and not 1 <= quality <= 100:
            raise ValueError(f"quality is 1 to 100, not {quality}")
        exif, xmp, lost = self._exif_to_write(), self.xmp, []
        if format in ("JPEG", "BMP") and self.alpha is not None:
            lost.append(f"{format} holds no transparency: it was left out (--format png keeps it)")
        if format == "JPEG" and len(exif) and len(exif.tobytes()) > _JPEG_SEGMENT:
            exif = Image.Exif()
            lost.append("its EXIF data is too long for JPEG and was left out")
        if format == "JPEG" and xmp and len(xmp) > _JPEG_SEGMENT - 29:
            xmp = None
            lost.append("its XMP data is too long for JPEG and was left out")
        options = self._options(format, exif, xmp, quality)
        if format == "TIFF":
            sixteen_bit.write_tiff(self._samples(), self._tiff_tags(exif), stream)
        elif format == "PNG" and self.bits == 16:
            head = io.BytesIO()
            Image.new("L", (1, 1)).save(head, "PNG", **options)
            sixteen_bit.splice_png(head.getvalue(), self._samples(), stream)
        else:
            image = self._image(with_alpha=format not in ("JPEG", "BMP"))
            try:
                image.save(stream, format, **options)
            except (OSError, ValueError, struct.error) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # of the disk, not of the picture
                raise PictureError(f"cannot be written as {format}: {error}") from error
        return tuple(lost)

    def _samples(self) -> Pixels:
        """Pixels and alpha as one ``(H, W, C)`` array."""
        if self.alpha is None:
            return self.pixels
        return np.concatenate([self.pixels, self.alpha[..., None]], axis=2, dtype=self.pixels.dtype)

    def _image(self, *, with_alpha: bool = True) -> Image.Image:
        """The picture at 8 bits, for Pillow to encode."""
        samples = self._samples() if with_alpha else self.pixels
        if self.bits == 16:
            small = np.empty(samples.shape, np.uint8)
            for top in range(0, len(samples), 256):
                small[top : top + 256] = (samples[top : top + 256].astype(np.uint32) + 128) // 257
            samples = small
        return Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)

    def _exif_to_write(self) -> Image.Exif:
        exif = Image.Exif()
        if self.exif:
            exif.load(self.exif)
        if self.software:
            exif[ExifTags.Base.Software] = self.software
        return exif

    def _fitting_icc(self) -> bytes | None:
        """The profile, unless it is one for pixels of another kind, which readers refuse or misread."""
        space = "GRAY" if self.pixels.shape[2] == 1 else "RGB"
        return self.icc if self.icc and color.profile_space(self.icc) == space else None

    def _options(self, format: Format, exif: Image.Exif, xmp: bytes | None, quality: int | None) -> dict[str, Any]:
        """What Pillow is told besides the pixels."""
        options: dict[str, Any] = {}
        if self.dpi:
            options["dpi"] = self.dpi
        if format == "BMP":
            return options
        if icc := self._fitting_icc():
            options["icc_profile"] = icc
        if len(exif):
            options["exif"] = exif.tobytes()
        if format == "PNG":
            info = PngImagePlugin.PngInfo()
            if xmp:
                info.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
            for key, value in {**self.text, **({"Software": self.software} if self.software else {})}.items():
                info.add_itxt(key, value)
            return {**options, "pnginfo": info}
        if xmp:
            options["xmp"] = xmp
        if format == "WEBP":
            lossless = self.lossless and quality is None
            return {**options, "lossless": lossless, "quality": 75 if lossless else quality or 95, "exact": True}
        options["quality"] = quality or 95
        if format == "JPEG":
            options["subsampling"] = self.subsampling if self.format == "JPEG" else 0
            if comment := self.text.get("Comment"):
                options["comment"] = comment
        return options

    def _tiff_tags(self, exif: Image.Exif) -> dict[int, Any]:
        tags: dict[int, Any] = {
            tag: exif.get_ifd(tag) if tag in (_EXIF, _GPS) else value
            for tag, value in exif.items()
            if tag not in _LAYOUT_TAGS
        }
        if icc := self._fitting_icc():
            tags[TiffImagePlugin.ICCPROFILE] = icc
        if self.xmp:
            tags[TiffImagePlugin.XMP] = self.xmp
        if self.dpi:
            tags[TiffImagePlugin.X_RESOLUTION], tags[TiffImagePlugin.Y_RESOLUTION] = self.dpi
            tags[TiffImagePlugin.RESOLUTION_UNIT] = 2  # inches
        return tags


def format_of_name(path: str | os.PathLike[str]) -> Format | None:
    """The format that a file's suffix names, None for a suffix not in `FORMATS`."""
    suffix = Path(path).suffix.lower()
    return next((format for format, suffixes in FORMATS.items() if suffix in suffixes), None)


def read(source: str | os.PathLike[str] | bytes | IO[bytes], *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture, turned upright as its EXIF orientation says; of several frames the first.

    Args:
        source: a path, a file's bytes, or a binary stream.
        max_pixels: refuse larger pictures before they are decoded.

    Raises:
        PictureError: the file is missing, not a picture of a format in `FORMATS`, damaged, or too large.
    """
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), max_pixels)
    if not isinstance(source, str | os.PathLike):
        return _decode(source if source.seekable() else io.BytesIO(source.read()), max_pixels)
    try:
        with Path(source).open("rb") as stream:
            return _decode(stream, max_pixels)
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


def _decode(stream: IO[bytes], max_pixels: int) -> Picture:
    if not stream.read(1):
        raise PictureError("is empty (0 bytes); copy it again from where it came")
    stream.seek(0)
    try:
        with _open(stream) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise PictureError(
                    f"{width}x{height} is {width * height / 1e6:.0f} million pixels, above the bound of "
                    f"{max_pixels / 1e6:.0f} million; if you trust the file, raise the bound with max_pixels "
                    "(--max-pixels)"
                )
            return _picture(image, stream)
    except (PictureError, KeyboardInterrupt):
        raise
    except UnidentifiedImageError as error:
        raise PictureError(f"is not a picture that can be read (taken are {_READABLE})") from error
    except MemoryError as error:
        raise PictureError("does not fit in memory") from error
    except Exception as error:  # a damaged file can make a decoder raise anything
        word = "is cut short" if "truncated" in str(error).lower() else "is damaged"
        raise PictureError(f"{word} ({_first_line(error)}); copy it again from where it came") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_pillow_bound = threading.Lock()


@contextlib.contextmanager
def _without_pillow_bound() -> Iterator[None]:
    """Pillow's own bound is a global that warns at 89 million pixels; ours is `read`'s argument."""
    with _pillow_bound:
        bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = bound


def _open(stream: IO[bytes]) -> ImageFile.ImageFile:
    """Read the header only."""
    stream.seek(0)
    with _without_pillow_bound():
        image = Image.open(stream, formats=list(FORMATS))
    if not isinstance(image, ImageFile.ImageFile):
        raise PictureError(f"is not a picture that can be read (taken are {_READABLE})")
    return image


def _load(image: ImageFile.ImageFile) -> None:
    if image.format == "TIFF" and image.width * image.height > (Image.MAX_IMAGE_PIXELS or 0):
        with _without_pillow_bound():  # TIFF's decoder asks again
            image.load()
    else:
        image.load()


def _picture(image: ImageFile.ImageFile, stream: IO[bytes]) -> Picture:
    format: Format = "JPEG" if image.format == "MPO" else image.format  # type: ignore[assignment]
    notes = []
    layout = sixteen_bit.raw_mode(image)  # gone once anything has loaded the pixels
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        notes.append(f"only the first of {frames} frames was taken")
    orientation, exif = _orientation_and_exif(image, notes)
    space = image.mode
    subsampling = 0
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        subsampling = max(JpegImagePlugin.get_sampling(image), 0)
    lossless = format == "WEBP" and _is_lossless_webp(stream)
    samples = _samples(image, layout, stream, notes)
    # Pillow has turned a TIFF as it loaded it.
    samples = np.ascontiguousarray(_turned(samples, 1 if format == "TIFF" else orientation))
    height, width, channels = samples.shape
    alpha = np.ascontiguousarray(samples[..., -1]) if channels in (2, 4) else None
    pixels = samples if alpha is None else np.ascontiguousarray(samples[..., :-1])
    dpi = _dpi(image)
    return Picture(
        pixels,
        alpha,
        None if space == "CMYK" else image.info.get("icc_profile") or None,  # CMYK became sRGB
        _kept_exif(exif, height, width),
        _upright_xmp(image.info.get("xmp")),
        dpi[::-1] if dpi and orientation >= 5 else dpi,
        format,
        subsampling,
        lossless,
        _text(image),
        None,
        tuple(notes),
    )


def _samples(image: ImageFile.ImageFile, layout: str, stream: IO[bytes], notes: list[str]) -> Pixels:
    """The file's samples as ``(H, W, 1 to 4)``, 16 bits where it has them."""
    if image.format == "PNG" and layout == "LA;16B":
        with _open(stream) as again:
            return sixteen_bit.gray_alpha_bytes(again).view(">u2").astype(np.uint16)
    planar = _tiff_tag(image, TiffImagePlugin.PLANAR_CONFIGURATION) == 2
    if planar and _tiff_tag(image, TiffImagePlugin.BITSPERSAMPLE) == (16, 16, 16):  # which Pillow reads as noise
        raise PictureError("is a 16-bit TIFF with its colours in separate planes; save it interleaved (chunky)")
    if layout[:-1] in ("RGB;16", "RGBA;16") and image.mode == layout[:-4] and layout[-1] in "BLN":
        _load(image)
        samples = np.asarray(image).astype(np.uint16)
        samples <<= 8
        with _open(stream) as again:
            samples |= np.asarray(sixteen_bit.lower_bytes(again))
        key = image.info.get("transparency")
        if isinstance(key, tuple) and samples.shape[2] == 3:
            seen = np.any(samples != np.array(key, np.uint16), axis=2, keepdims=True)
            samples = np.concatenate([samples, seen * np.uint16(65535)], axis=2)
        return samples
    if layout.endswith((";16B", ";16L", ";16N")) and not image.mode.startswith("I;16"):
        notes.append(f"16-bit {image.mode} of this kind is read at 8 bits")
    _load(image)
    if image.mode.startswith("I;16"):
        samples = np.asarray(image).astype(np.uint16)
        if layout == "I;12":
            samples = (samples.astype(np.uint32) * 65535 // 4095).astype(np.uint16)
        if (
            _tiff_tag(image, TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
        ):  # white is zero; Pillow minds it at 8 bits
            samples = 65535 - samples
        return samples[..., None]
    samples = np.asarray(_plain(image, notes))
    return samples[..., None] if samples.ndim == 2 else samples


def _tiff_tag(image: ImageFile.ImageFile, tag: int) -> object:
    return image.tag_v2.get(tag) if isinstance(image, TiffImagePlugin.TiffImageFile) else None


def _plain(image: Image.Image, notes: list[str]) -> Image.Image:
    """A loaded 8-bit picture as L, LA, RGB or RGBA."""
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


def _orientation_and_exif(image: ImageFile.ImageFile, notes: list[str]) -> tuple[int, bytes | None]:
    """How the pixels are to be turned, and the EXIF data without the tags that only fit the file it came from."""
    try:
        found = image.getexif()
        orientation = found.get(ExifTags.Base.Orientation, 1)
        exif = Image.Exif()  # a new one: that of a BigTIFF has a head that only fits there
        for tag, value in found.items():
            if tag not in _LAYOUT_TAGS:
                exif[tag] = found.get_ifd(tag) if tag in (_EXIF, _GPS) else value
        data = exif.tobytes() if len(exif) else None
    except Exception as error:  # broken EXIF is common and no reason to refuse a photo
        notes.append(f"its EXIF data is broken and was left out ({_first_line(error)})")
        return 1, None
    return orientation if orientation in range(1, 9) else 1, data


def _kept_exif(data: bytes | None, height: int, width: int) -> bytes | None:
    """EXIF data that is true of the upright picture."""
    if not data:
        return None
    exif = Image.Exif()
    exif.load(data)
    if ExifTags.Base.Orientation in exif:
        exif[ExifTags.Base.Orientation] = 1
    inner = exif.get_ifd(_EXIF)
    for tag, value in ((ExifTags.Base.ExifImageWidth, width), (ExifTags.Base.ExifImageHeight, height)):
        if tag in inner:
            inner[tag] = value
    return exif.tobytes()


def _upright_xmp(xmp: bytes | None) -> bytes | None:
    if not xmp:
        return None
    return re.sub(rb'(tiff:Orientation(?:="|>))[1-8]', rb"\g<1>1", xmp)


def _turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The upright view of stored pixels (EXIF 2.3, tag 274)."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    dpi = image.info.get("dpi")
    if not dpi:
        return None
    across, down = (float(value) for value in dpi)
    return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None


def _text(image: ImageFile.ImageFile) -> dict[str, str]:
    if isinstance(image, PngImagePlugin.PngImageFile):
        skipped = ("XML:com.adobe.xmp", "Software", "Raw profile type exif", "Raw profile type xmp")
        return {key: str(value) for key, value in image.text.items() if key not in skipped}
    comment = image.info.get("comment")
    return {"Comment": comment.decode("utf-8", "replace")} if isinstance(comment, bytes) and comment else {}


def _is_lossless_webp(stream: IO[bytes]) -> bool:
    """Whether the first picture chunk of a WebP file is of the lossless kind."""
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name in (b"VP8 ", b"VP8L", b"ANMF"):
            return bool(name == b"VP8L")
        stream.seek(size + size % 2, os.SEEK_CUR)
    return False
