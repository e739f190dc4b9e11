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

__all__ = [
    "KNEE",
    "RgbProfile",
    "checked",
    "from_hdr",
    "gray_curve",
    "linear_to_srgb",
    "named_profile",
    "profile_space",
    "rgb_profile",
    "rolled_off",
    "srgb_to_linear",
]

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


def gray_curve(icc: bytes) -> Floats | None:
    """Light of evenly spaced values of a gray profile; None when it is of another kind or broken."""
    try:
        return _curve(_tags(icc)[b"kTRC"]) if profile_space(icc) == "GRAY" else None
    except (KeyError, ValueError, struct.error):
        return None


def checked(icc: bytes | None, channels: int, notes: list[str]) -> bytes | None:
    """A file's profile, unless it is broken or for pixels of another kind, which is noted.

    Args:
        icc: the profile, if there is one.
        channels: of the file's pixels, 1 or 3.
        notes: gets a line where the profile is left out.
    """
    if icc is None:
        return None
    kind = profile_space(icc)
    if not kind or not _is_whole(icc):
        notes.append("its colour profile is broken and was left out: its colours were taken for sRGB")
        return None
    if kind != ("GRAY" if channels == 1 else "RGB"):
        notes.append(f"its colour profile is one for {kind} pixels and was left out: its colours were taken for sRGB")
        return None
    return icc


def _is_whole(icc: bytes) -> bool:
    """Whether a profile's length and the places of its tags agree with its bytes."""
    try:
        (length,), (count,) = struct.unpack_from(">I", icc, 0), struct.unpack_from(">I", icc, 128)
        if length > len(icc) or not 0 < count <= 100:
            return False
        places = [struct.unpack_from(">4sII", icc, 132 + 12 * k)[1:] for k in range(count)]
    except struct.error:
        return False
    return all(start + size <= len(icc) for start, size in places)


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
        if a == 0:
            raise ValueError("a curve without a slope")
        c = p[3] if kind == 2 else 0.0
        return g, a, b, 0, -b / a, c, c
    if kind == 3:
        g, a, b, c, d = p
        return g, a, b, c, d, 0, 0
    if kind == 4:
        return tuple(p)
    raise ValueError("an unknown kind of curve")


# ---- colours named by number (ITU-T H.273), as HEIF and AVIF files do

# Chromaticities of red, green, blue and white.
_PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), (0.3127, 0.3290)),  # BT.709, sRGB
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), (0.3127, 0.3290)),  # BT.2020
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),  # DCI-P3
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290)),  # Display P3
}
_NAMES = {1: "sRGB", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
PQ, HLG = 16, 18
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_WHITE_NITS = 203.0  # diffuse white of HDR pictures (ITU-R BT.2408)
_HLG_NITS = 1000.0  # the display that HLG is graded for (ITU-R BT.2100)
KNEE = 0.8
"""The light, of white's 1, above which it is rolled off."""


def named_profile(primaries: int, transfer: int) -> bytes | None:
    """The ICC profile of colours named by number; None where that is sRGB or unknown.

    The transfer curves of video (BT.709, BT.2020) are taken for sRGB's, which is how pictures with them are shown.

    Args:
        primaries: H.273's colour primaries.
        transfer: H.273's transfer characteristics, not one of HDR.
    """
    gamma = _GAMMAS.get(transfer)
    primaries = primaries if primaries in _PRIMARIES else 1
    if primaries == 1 and gamma is None:
        return None
    curve = (
        b"para\0\0\0\0" + struct.pack(">HH5i", 3, 0, *_fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
        if gamma is None
        else b"para\0\0\0\0" + struct.pack(">HHi", 0, 0, *_fixed(gamma))
    )
    matrix = _to_xyz(primaries)
    white = _PRIMARIES[primaries][3]
    tags = {
        b"desc": _words(_NAMES[primaries] + (f" gamma {gamma:g}" if gamma else "")),
        b"cprt": _words("CC0"),
        b"wtpt": _xyz_tag(_D50),
        b"chad": b"sf32\0\0\0\0" + struct.pack(">9i", *_fixed(*_adaptation(white).ravel())),
        **{name: _xyz_tag(matrix[:, k]) for k, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x04300000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + struct.pack(">3i", *_fixed(*_D50))
    return head + bytes(128 - len(head)) + table + body


def from_hdr(encoded: Floats, primaries: int, transfer: int) -> Floats:
    """sRGB of PQ or HLG values: diffuse white (203 nits) is 1, and what is brighter is rolled off towards it.

    Args:
        encoded: ``(..., 3)`` in [0, 1].
        primaries: H.273's colour primaries.
        transfer: ``PQ`` or ``HLG``.
    """
    light = _pq_nits(encoded) if transfer == PQ else _hlg_nits(encoded)
    to_srgb = np.linalg.inv(_to_xyz(1)) @ _to_xyz(primaries if primaries in _PRIMARIES else 9)
    light = np.maximum(light / _WHITE_NITS @ to_srgb.T, 0)
    return np.asarray(linear_to_srgb(rolled_off(light)), encoded.dtype)


def rolled_off(light: Floats) -> Floats:
    """Light of at least 0 that may pass 1, ``(..., channels)``, brought below 1; up to `KNEE` it stays as it is."""
    # One factor for the channels, so that a bright light keeps its hue.
    most = np.maximum(light.max(axis=-1, keepdims=True), 1e-9)
    rolled = KNEE + (1 - KNEE) * (1 - np.exp(-np.maximum(most - KNEE, 0) / (1 - KNEE)))
    return np.asarray(light * np.where(most > KNEE, rolled / most, 1), light.dtype)


def _pq_nits(encoded: Floats) -> Floats:
    """SMPTE ST 2084."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = np.clip(encoded, 0, 1) ** (1 / m2)
    return np.asarray(10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))


def _hlg_nits(encoded: Floats) -> Floats:
    """ITU-R BT.2100: the scene's light, then what a display of 1000 nits makes of it."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    values = np.clip(encoded, 0, 1)
    scene = np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
    luma = np.maximum(scene @ np.array([0.2627, 0.6780, 0.0593]), 1e-9)[..., None]
    return np.asarray(_HLG_NITS * luma**0.2 * scene)


def _to_xyz(primaries: int) -> Floats:
    """Linear RGB of named primaries to XYZ under D50."""
    *colours, white = _PRIMARIES[primaries]
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in colours]).T
    return np.asarray(_adaptation(white) @ columns * np.linalg.solve(columns, _white_xyz(white)))


def _white_xyz(white: tuple[float, float]) -> Floats:
    x, y = white
    return np.array([x / y, 1, (1 - x - y) / y])


def _adaptation(white: tuple[float, float]) -> Floats:
    """Bradford's matrix from a white to D50."""
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ _white_xyz(white))
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD)


def _fixed(*values: float) -> list[int]:
    return [round(value * 65536) for value in values]


def _xyz_tag(xyz: Floats) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *_fixed(*xyz))


def _words(text: str) -> bytes:
    words = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(words), 28) + words
