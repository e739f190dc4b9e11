"""A DNG file as a camera would make it, from light whose colours are known (Adobe DNG 1.4)."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

NEUTRAL = np.array([0.5, 1.0, 0.625])
"""What the camera's red, green and blue make of white."""

BLACK, WHITE = 512, 16383

# IEC 61966-2-1: CIE XYZ under D65 to linear sRGB.
_XYZ_TO_SRGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SRATIONAL = 1, 2, 3, 4, 5, 7, 10


def mosaic(light: np.ndarray) -> np.ndarray:
    """What a sensor's pixels, red green over green blue, see of ``(H, W, 3)`` linear sRGB light in [0, 1]."""
    seen = light * NEUTRAL
    height, width = light.shape[:2]
    channel = np.array([[0, 1], [1, 2]])[np.arange(height)[:, None] % 2, np.arange(width)[None] % 2]
    return np.take_along_axis(seen, channel[..., None], axis=2)[..., 0]


def exposed(
    light: np.ndarray, *, electrons: float = 60000, read_noise: float = 3.0, seed: int | None = 0
) -> np.ndarray:
    """14-bit numbers of a sensor, with the noise of counted electrons and of reading them unless ``seed`` is None."""
    seen = mosaic(light)
    if seed is not None:
        rng = np.random.default_rng(seed)
        seen = (rng.poisson(seen * electrons) + rng.normal(0, read_noise, seen.shape)) / electrons
    return np.clip(np.round(BLACK + seen * (WHITE - BLACK)), 0, WHITE).astype(np.uint16)


def dng(numbers: np.ndarray, *, orientation: int = 1, maker_note: bytes = b"") -> bytes:
    """A little-endian DNG of a sensor's numbers, uncompressed."""
    height, width = numbers.shape
    pixels = numbers.astype("<u2").tobytes()
    matrix = np.diag(NEUTRAL) @ _XYZ_TO_SRGB
    exif: dict[int, tuple[int, Any]] = {
        33434: (_RATIONAL, [(1, 60)]),
        34855: (_SHORT, [6400]),
        36867: (_ASCII, b"2024:01:02 03:04:05\0"),
    }
    if maker_note:
        exif[37500] = (_UNDEFINED, maker_note)
    start = 8 + len(pixels)
    inner = _directory(exif, start)
    tags: dict[int, tuple[int, Any]] = {
        254: (_LONG, [0]),
        256: (_LONG, [width]),
        257: (_LONG, [height]),
        258: (_SHORT, [16]),
        259: (_SHORT, [1]),
        262: (_SHORT, [32803]),
        271: (_ASCII, b"Lumen\0"),
        272: (_ASCII, b"Night 1\0"),
        273: (_LONG, [8]),
        274: (_SHORT, [orientation]),
        277: (_SHORT, [1]),
        278: (_LONG, [height]),
        279: (_LONG, [len(pixels)]),
        33421: (_SHORT, [2, 2]),
        33422: (_BYTE, bytes([0, 1, 1, 2])),
        34665: (_LONG, [start]),
        50706: (_BYTE, bytes([1, 4, 0, 0])),
        50708: (_ASCII, b"Lumen Night 1\0"),
        50714: (_LONG, [BLACK]),
        50717: (_LONG, [WHITE]),
        50721: (_SRATIONAL, [(round(value * 10000), 10000) for value in matrix.ravel()]),
        50728: (_RATIONAL, [(round(value * 10000), 10000) for value in NEUTRAL]),
        50778: (_SHORT, [21]),
    }
    main = start + len(inner)
    return b"II*\0" + struct.pack("<I", main) + pixels + inner + _directory(tags, main)


def _directory(tags: dict[int, tuple[int, Any]], start: int) -> bytes:
    fields, behind = b"", b""
    outside = start + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in sorted(tags.items()):
        if isinstance(values, bytes):
            data, count = values, len(values)
        elif kind in (_RATIONAL, _SRATIONAL):
            data, count = b"".join(struct.pack("<ii", *pair) for pair in values), len(values)
        else:
            data, count = b"".join(struct.pack("<H" if kind == _SHORT else "<I", v) for v in values), len(values)
        place = data.ljust(4, b"\0")
        if len(data) > 4:
            place = struct.pack("<I", outside + len(behind))
            behind += data + bytes(len(data) % 2)
        fields += struct.pack("<HHI", tag, kind, count) + place
    return struct.pack("<H", len(tags)) + fields + bytes(4) + behind
