"""HEIF by way of pillow-heif, and AVIF by way of Pillow: depth, colours named by number, films beside the picture."""

from __future__ import annotations

from dataclasses import replace
from typing import IO, Any

import numpy as np
from PIL import AvifImagePlugin, ImageFile

from lightwell.errors import PictureError
from lightwell.pictures import boxes, metadata, space
from lightwell.pictures.codecs import av1
from lightwell.pictures.codecs.base import Facts, Limits, check_size
from lightwell.pictures.codecs.pillow import PillowCodec, exif_to_write
from lightwell.pictures.picture import Picture, Pixels

__all__ = ["AVIF", "HEIF"]

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_ROWS = 256


def working_colours(picture: Picture, named: boxes.Named | None) -> Picture:
    """The picture with the profile that its file names by number; in sRGB where the curve is one of HDR."""
    if named is None or picture.pixels.shape[2] == 1:
        return picture
    if named.transfer not in (space.PQ, space.HLG):
        return replace(picture, icc=picture.icc or space.named_profile(named.primaries, named.transfer))
    top = np.iinfo(picture.pixels.dtype).max
    pixels = np.empty(picture.pixels.shape, np.uint16)
    for row in range(0, len(pixels), _ROWS):
        rows = slice(row, row + _ROWS)
        encoded = space.from_hdr(picture.pixels[rows] / np.float64(top), named.primaries, named.transfer)
        pixels[rows] = np.round(encoded * 65535)
    alpha = picture.alpha
    if alpha is not None and alpha.dtype == np.uint8:
        alpha = alpha * np.uint16(257)
    curve = "PQ" if named.transfer == space.PQ else "HLG"
    note = f"its HDR light ({curve}) was converted to sRGB: 203 nits are white, brighter lights are rolled off"
    depth = picture.depth or (10 if picture.bits == 8 else None)
    return replace(picture, pixels=pixels, alpha=alpha, icc=None, depth=depth, warnings=(*picture.warnings, note))


def spread(samples: Pixels, depth: int) -> Pixels:
    """Samples of 9 to 15 bits, in the lower bits of 16, over all 16."""
    top = (1 << depth) - 1
    return ((samples.astype(np.uint32) * 65535 + top // 2) // top).astype(np.uint16)


class _Heif:
    """HEIF, by pillow-heif."""

    facts: Facts = Facts(
        "HEIF",
        "HEIF",
        (".heic", ".heif", ".hif"),
        "8, 10 and 12 bits, the deeper ones as 16; the main picture of several; turned upright; colours by ICC profile "
        "or by number (Display P3, BT.2020); HDR light (PQ, HLG) converted to sRGB, which is said",
        (8, 10, 12),
        alpha=True,
        keeps=frozenset({"ICC", "EXIF", "XMP"}),
        max_side=16384,
        quality=True,
        extra="heif",
        lost=(
            "a depth map, a gain map and the film of a live or motion photo are left out",
            "16 bits are written as 12, and as 10 where the picture came with 10",
            "gray with alpha is written as RGB",
        ),
    )

    def accepts(self, head: bytes, stream: IO[bytes], suffix: str) -> bool:  # noqa: ARG002  (of the protocol)
        found = boxes.brands(head)
        return bool(found & _HEIF_BRANDS) and not found & _AVIF_BRANDS

    def size(self, stream: IO[bytes]) -> tuple[int, int]:
        width, height = self._open(stream).size
        return height, width

    def decode(self, stream: IO[bytes], limits: Limits) -> Picture:
        file = self._open(stream)
        width, height = file.size
        check_size(width, height, limits)
        return self._picture(file, stream)

    def _open(self, stream: IO[bytes]) -> Any:
        stream.seek(0)
        return _library().open_heif(stream, convert_hdr_to_8bit=False, hdr_to_16bit=False)

    def _picture(self, file: Any, stream: IO[bytes]) -> Picture:
        notes: list[str] = []
        if len(file) > 1:
            notes.append(f"only the main one of {len(file)} pictures was taken")
        info = file.info
        width, height = file.size
        file[file.primary_index].load()
        channels = {"L": 1, "I": 1, "LA": 2, "RGB": 3, "RGBA": 4, "La": 2, "RGBa": 4}[file.mode.partition(";")[0]]
        depth = int(info["bit_depth"])
        dtype = np.uint16 if ";" in file.mode else np.uint8
        samples: Any = np.frombuffer(file.data, dtype).reshape(height, width, channels)
        if dtype == np.uint16:
            samples = spread(samples, depth) if depth < 16 else samples
        # The file's own properties say how it is turned, and the decoder has done so.
        _, data = metadata.orientation_and_exif(info.get("exif"), notes)
        xmp = metadata.without_parts((info.get("xmp") or b"").rstrip(b"\0") or None, notes)
        if metadata.FILM_NOTE not in notes and (boxes.has_film(stream) or metadata.is_live_photo(data)):
            notes.append(metadata.FILM_NOTE)
        if metadata.GAIN_MAP_NOTE not in notes and any("gainmap" in kind.lower() for kind in info.get("aux", {})):
            notes.append(metadata.GAIN_MAP_NOTE)
        if info.get("depth_images"):
            notes.append("its depth map was left out")
        alpha = np.array(samples[..., -1]) if channels in (2, 4) else None
        pixels = np.array(samples[..., :-1] if alpha is not None else samples)
        if file.mode.partition(";")[0] in ("La", "RGBa") and alpha is not None:
            pixels = _unmultiplied(pixels, alpha)
        exif = metadata.kept_exif(data, height, width)
        picture = Picture(
            pixels,
            alpha,
            space.checked(info.get("icc_profile") or None, 1 if channels < 3 else 3, notes),
            exif,
            metadata.upright_xmp(xmp),
            metadata.dpi_in_exif(exif),
            "HEIF",
            warnings=tuple(notes),
            depth=depth if dtype == np.uint16 and depth < 16 else None,
        )
        named = info.get("nclx_profile")
        if named and not info.get("icc_profile"):
            return working_colours(
                picture, boxes.Named(int(named["color_primaries"]), int(named["transfer_characteristics"]))
            )
        return picture

    def encode(self, picture: Picture, stream: IO[bytes], quality: int | None) -> tuple[str, ...]:
        library = _library()
        samples = picture.samples()
        mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[samples.shape[2]]
        options: dict[str, Any] = {"quality": quality or 95}
        if picture.bits == 16:
            mode += ";16"
            options["bit_depth"] = 10 if picture.depth == 10 else 12
        exif = exif_to_write(picture, self.facts)
        file = library.from_bytes(mode, (picture.size[1], picture.size[0]), np.ascontiguousarray(samples).tobytes())
        if icc := picture.fitting_icc():
            file[0].info["icc_profile"] = icc
        file.save(stream, exif=exif.tobytes() if len(exif) else None, xmp=picture.xmp, **options)
        return ()


def _unmultiplied(pixels: Pixels, alpha: Pixels) -> Pixels:
    top = np.iinfo(pixels.dtype).max
    whole = np.maximum(alpha, 1).astype(np.uint64)[..., None]
    whole_colours: Pixels = np.minimum((pixels.astype(np.uint64) * top + whole // 2) // whole, top).astype(pixels.dtype)
    return whole_colours


def _library() -> Any:
    try:
        import pillow_heif
    except ImportError as error:
        raise PictureError(
            "is a HEIF file, which needs a further package: pip install 'lightwell[heif]'", remedy="lightwell[heif]"
        ) from error
    return pillow_heif


class _Avif(PillowCodec):
    turns_itself = False

    def accepts(self, head: bytes, stream: IO[bytes], suffix: str) -> bool:  # noqa: ARG002
        return bool(boxes.brands(head) & _AVIF_BRANDS)

    def picture(self, image: ImageFile.ImageFile, stream: IO[bytes], stored: Pixels | None = None) -> Picture:
        found = boxes.properties(stream)
        named = boxes.colours(found)
        depth = boxes.depth_of_av1(found)
        notes = []
        if depth > 8 and stored is None:
            stored, note = _deep(image, stream, depth, named)
            notes += [note] if note else []
        picture = super().picture(image, stream, stored)
        if metadata.FILM_NOTE not in picture.warnings and boxes.has_film(stream):
            notes.append(metadata.FILM_NOTE)
        picture = replace(picture, warnings=(*picture.warnings, *notes), depth=depth if picture.bits == 16 else None)
        return working_colours(picture, None if picture.icc else named)

    def encode(self, picture: Picture, stream: IO[bytes], quality: int | None) -> tuple[str, ...]:
        if picture.bits == 8:
            return super().encode(picture, stream, quality)
        if picture.alpha is not None:
            why = "with transparency it is written at 8 bits"
        elif not av1.is_installed():
            why = "it was written at 8 bits: pip install 'lightwell[heif]' to write 10"
        elif coded := av1.encode(np.broadcast_to(picture.pixels, (*picture.size, 3)), quality or 95):
            stream.write(self._file(picture, *coded))
            return ()
        else:
            why = "its encoder refused it at 10 bits: it was written at 8"
        return (why, *super().encode(picture, stream, quality))

    def _file(self, picture: Picture, coded: bytes, described: list[tuple[bytes, bytes]]) -> bytes:
        items = []
        if icc := picture.fitting_icc():
            described = [*described, (b"colr", b"prof" + icc)]
        if len(exif := exif_to_write(picture, self.facts)):
            items.append(boxes.Item(b"Exif", bytes(4) + exif.tobytes().removeprefix(b"Exif\0\0")))
        if picture.xmp:
            items.append(boxes.Item(b"mime", picture.xmp, b"application/rdf+xml"))
        return boxes.still(coded, described, items)


def _deep(
    image: ImageFile.ImageFile, stream: IO[bytes], depth: int, named: boxes.Named | None
) -> tuple[Pixels | None, str]:
    """The samples of a picture of more than 8 bits as they lie in the file, or why they are read at 8."""
    shortened = f"its {depth} bits a sample were read as 8"
    if not av1.is_installed():
        return None, f"{shortened}: pip install 'lightwell[heif]' to read them all"
    colours = av1.decode(stream, (image.height, image.width), depth, named)
    if colours is None:
        return None, f"{shortened}: it is put together from several pictures"
    if "A" not in image.mode:
        return colours, ""
    image.load()
    alpha = np.asarray(image)[..., -1:].astype(np.uint16) * np.uint16(257)
    return np.concatenate([colours, alpha], axis=2), "its transparency was read at 8 bits"


HEIF = _Heif()
AVIF = _Avif(
    Facts(
        "AVIF",
        "AVIF",
        (".avif",),
        "8 bits, and with the extra 10 and 12 bits as 16; colours by ICC profile or by number (Display P3, BT.2020); "
        "HDR light (PQ, HLG) converted to sRGB, which is said; the first frame of several",
        (8, 10),
        alpha=True,
        keeps=frozenset({"ICC", "EXIF", "XMP"}),
        max_side=65535,
        quality=True,
        extra="heif",
        lost=(
            "without the extra, and where a picture is put together from several, 10 and 12 bits are read as 8, "
            "which is said",
            "a gain map is left out",
            "without the extra, and with transparency, deeper pictures are written at 8 bits, which is said",
            "10 bits are written with colour at half the resolution; gray is written as RGB then",
        ),
    ),
    AvifImagePlugin.AvifImageFile,
    (b"",),
)
