"""A picture as a file holds it: pixels, alpha, colour profile, metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from lightwell.errors import PictureError
from lightwell.files import whole_file
from lightwell.pictures import space
from lightwell.pictures.codecs.base import CODECS, Format, encode

__all__ = ["Picture", "Pixels", "format_of_name", "to_8_bits", "to_srgb"]

Pixels = NDArray[np.uint8 | np.uint16]
_ROWS = 256  # converted at a time: floats of a whole picture take as much memory as the network


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
        iptc: the IPTC records (IIM).
        depth: bits a sample that the file had where they are not those of ``pixels``: 10, 12 or 14 of 16.
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
    iptc: bytes | None = None
    depth: int | None = None

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
            format: a key of `FORMATS`; by default the target's suffix, then the format the picture came in.
            quality: 1 to 100 for JPEG, WebP, AVIF and HEIF; by default 95, and lossless where a WebP was.

        Returns:
            What the format could not keep, a line each.

        Raises:
            PictureError: it cannot be written there, or not in this format.
            ValueError: no such format or quality.
        """
        if not isinstance(target, str | os.PathLike):
            return encode(self, target, format or self.format, quality)
        path = Path(target)
        with whole_file(path, error=PictureError) as stream:
            return encode(self, stream, format or format_of_name(path) or self.format, quality)

    def samples(self) -> Pixels:
        """Pixels and alpha as one ``(H, W, C)`` array."""
        if self.alpha is None:
            return self.pixels
        return np.concatenate([self.pixels, self.alpha[..., None]], axis=2, dtype=self.pixels.dtype)

    def fitting_icc(self) -> bytes | None:
        """The profile, unless it is one for pixels of another kind, which readers refuse or misread."""
        wanted = "GRAY" if self.pixels.shape[2] == 1 else "RGB"
        return self.icc if self.icc and space.profile_space(self.icc) == wanted else None


def to_8_bits(samples: Pixels) -> NDArray[np.uint8]:
    """Samples of 16 bits rounded to 8; those of 8 as they are."""
    if samples.dtype == np.uint8:
        return samples  # type: ignore[return-value]
    small = np.empty(samples.shape, np.uint8)
    for top in range(0, len(samples), _ROWS):
        small[top : top + _ROWS] = (samples[top : top + _ROWS].astype(np.uint32) + 128) // 257
    return small


def to_srgb(picture: Picture) -> Picture:
    """The picture with its colours as sRGB has them, clipped to what sRGB holds; at the same depth, without a profile.

    A picture without a profile, or whose profile is sRGB, keeps its pixels. One whose profile is not of the matrix
    kind is taken for sRGB, with a line in its warnings.
    """
    if not picture.icc:
        return picture
    if picture.pixels.shape[2] == 1:
        curve = space.gray_curve(picture.icc)
        if curve is None:
            return replace(picture, icc=None)
        top = np.iinfo(picture.pixels.dtype).max
        linear = np.interp(np.linspace(0, 1, top + 1), np.linspace(0, 1, len(curve)), curve)
        table = np.round(space.linear_to_srgb(linear) * top).astype(picture.pixels.dtype)
        return replace(picture, pixels=table[picture.pixels], icc=None)
    profile = space.rgb_profile(picture.icc)
    if profile is None:
        note = "its colour profile is not of the matrix kind; its colours were taken for sRGB"
        return replace(picture, icc=None, warnings=(*picture.warnings, note))
    if profile.is_srgb():
        return replace(picture, icc=None)
    white = np.float32(np.iinfo(picture.pixels.dtype).max)
    pixels = np.empty_like(picture.pixels)
    for row in range(0, len(pixels), _ROWS):
        rows = slice(row, row + _ROWS)
        light = profile.to_linear_srgb(picture.pixels[rows].astype(np.float32) / white)
        pixels[rows] = space.linear_to_srgb(np.clip(light, 0, 1)) * white + np.float32(0.5)
    return replace(picture, pixels=pixels, icc=None)


def format_of_name(path: str | os.PathLike[str]) -> Format | None:
    """The format that a file's suffix names, None for a suffix of none."""
    suffix = Path(path).suffix.lower()
    return next((format for format, codec in CODECS.items() if suffix in codec.facts.suffixes), None)
