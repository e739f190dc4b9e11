"""sRGB's curve, and RGB profiles as a curve for each channel and one matrix.

Colour conversion is done here in floats rather than with Pillow's ``ImageCms``, which knows RGB at 8 bits only: in a
dark photograph the rounding of one more 8-bit step is a tenth of the signal, and the network would amplify it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RgbProfile", "linear_to_srgb", "profile_space", "rgb_profile", "srgb_to_linear"]

Floats = NDArray[np.floating[Any]]

# Linear sRGB to CIE XYZ under D50, the primaries of IEC 61966-2-1 adapted with the Bradford matrix.
SRGB_TO_XYZ = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
CURVE_POINTS = 4096
# Profiles that move no colour by more than this (of 1) are sRGB under another name.
SRGB_TOLERANCE = 0.012


def srgb_to_linear(encoded: Floats) -> Floats:
    """Light of sRGB-encoded values (IEC 61966-2-1); negative values are mirrored.

    Args:
        encoded: values of any shape, nominally in [0, 1].
    """
    size = np.abs(encoded)
    light = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.copysign(light, encoded), encoded.dtype)


def linear_to_srgb(light: Floats) -> Floats:
    """The inverse of `srgb_to_linear`."""
    size = np.abs(light)
    encoded = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    return np.asarray(np.copysign(encoded, light), light.dtype)


@dataclass(frozen=True, eq=False)
class RgbProfile:
    """An RGB profile of the matrix/curve kind (ICC.1:2010, 8.3.3), as floats.

    Args:
        curves: ``(3, CURVE_POINTS)``, light of evenly spaced encoded values of each channel, increasing.
        to_srgb: ``(3, 3)``, the profile's linear RGB to linear sRGB.
    """

    curves: Floats
    to_srgb: Floats

    def to_linear_srgb(self, encoded: Floats) -> Floats:
        """Linear sRGB of ``(..., 3)`` encoded values; colours outside sRGB leave [0, 1]."""
        points = np.linspace(0, 1, self.curves.shape[1])
        light = np.stack([np.interp(encoded[..., c], points, self.curves[c]) for c in range(3)], axis=-1)
        return np.asarray(light @ self.to_srgb.T, encoded.dtype)

    def from_linear_srgb(self, light: Floats) -> Floats:
        """The inverse of `to_linear_srgb`, clipped to what the profile holds."""
        own = np.clip(light @ np.linalg.inv(self.to_srgb).T, 0, 1)
        points = np.linspace(0, 1, self.curves.shape[1])
        encoded = np.stack([np.interp(own[..., c], self.curves[c], points) for c in range(3)], axis=-1)
        return np.asarray(encoded, light.dtype)

    def is_srgb(self) -> bool:
        """Whether no colour changes visibly when the profile is read as sRGB."""
        axis = np.linspace(0, 1, 9)
        grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
        return bool(np.abs(linear_to_srgb(self.to_linear_srgb(grid)) - grid).max() <= SRGB_TOLERANCE)


def profile_space(icc: bytes) -> str:
    """The profile's device space as its header has it: ``RGB``, ``GRAY``, ``CMYK``..., or an empty word."""
    return icc[16:20].decode("ascii", "replace").strip() if icc[36:40] == b"acsp" else ""


@lru_cache(maxsize=16)
def rgb_profile(icc: bytes) -> RgbProfile | None:
    """A profile as curves and a matrix; None when it is of another kind (tables, gray, CMYK) or broken."""
    try:
        tags = _tags(icc)
        matrix = np.stack([_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
        curves = np.stack([_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")])
        to_srgb = np.linalg.inv(SRGB_TO_XYZ) @ matrix
        if profile_space(icc) != "RGB" or b"A2B0" in tags or abs(np.linalg.det(to_srgb)) < 1e-6:
            return None
    except (KeyError, ValueError, struct.error, np.linalg.LinAlgError):
        return None
    return RgbProfile(curves, to_srgb)


def _tags(icc: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", icc, 128)
    entries = (struct.unpack_from(">4sII", icc, 132 + 12 * k) for k in range(min(count, 100)))
    return {name: icc[start : start + size] for name, start, size in entries}


def _xyz(tag: bytes) -> Floats:
    if tag[:4] != b"XYZ ":
        raise ValueError("not an XYZ tag")
    return np.array(struct.unpack_from(">3i", tag, 8)) / 65536


def _curve(tag: bytes) -> Floats:
    """A tone curve sampled at CURVE_POINTS, from a ``curv`` or ``para`` tag (ICC.1:2010, 10.5 and 10.15)."""
    x = np.linspace(0, 1, CURVE_POINTS)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return x
        values = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
        light = x ** (values[0] / 256) if count == 1 else np.interp(x, np.linspace(0, 1, count), values / 65535)
    elif tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        size = (1, 3, 4, 5, 7)[kind] if kind < 5 else 0
        g, a, b, c, d, e, f = _parameters(kind, struct.unpack_from(f">{size}i", tag, 12))
        light = np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)
    else:
        raise ValueError("not a curve tag")
    light = np.clip(light, 0, 1)
    if not np.isfinite(light).all() or light[-1] <= light[0] or (np.diff(light) < 0).any():
        raise ValueError("not an increasing curve")
    return np.asarray(light)


def _parameters(kind: int, fixed: tuple[int, ...]) -> tuple[float, ...]:
    """The seven numbers g a b c d e f of ``para`` type 4, which holds the other types."""
    p = [value / 65536 for value in fixed]
    if kind == 0:
        return p[0], 1, 0, 0, 0, 0, 0
    if kind in (1, 2):
        g, a, b = p[:3]
        c = p[3] if kind == 2 else 0.0
        return g, a, b, 0, -b / a, c, c
    if kind == 3:
        g, a, b, c, d = p
        return g, a, b, c, d, 0, 0
    if kind == 4:
        return tuple(p)
    raise ValueError("an unknown kind of curve")
