"""Colour profiles for tests: built here from published primaries, read by LittleCMS as the judge."""

from __future__ import annotations

import struct

# Columns of linear RGB to XYZ under D50, from the published primaries with Bradford adaptation.
PRIMARIES = {
    "display-p3": [(0.515102, 0.241182, -0.001049), (0.291965, 0.692236, 0.041882), (0.157153, 0.066582, 0.784378)],
    "adobe-rgb": [(0.609741, 0.311111, 0.019470), (0.205276, 0.625671, 0.060867), (0.149185, 0.063217, 0.744568)],
    "srgb": [(0.436075, 0.222504, 0.013932), (0.385065, 0.716879, 0.097105), (0.143080, 0.060617, 0.714173)],
}


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def gamma_curve(gamma: float) -> bytes:
    """A ``curv`` tag of one number."""
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def srgb_curve() -> bytes:
    """sRGB's curve as a ``para`` tag of type 3."""
    return (
        b"para"
        + bytes(4)
        + struct.pack(">HH", 3, 0)
        + b"".join(map(_fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    )


def build(primaries: str, curve: bytes) -> bytes:
    """A display profile of the matrix kind, ICC version 4."""
    xyz = [b"XYZ " + bytes(4) + b"".join(map(_fixed, column)) for column in PRIMARIES[primaries]]
    white = b"XYZ " + bytes(4) + b"".join(map(_fixed, (0.9642, 1.0, 0.8249)))
    words = primaries.encode("utf-16-be")
    name = b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(words), 28) + words
    tags = {b"desc": name, b"cprt": name, b"wtpt": white}
    tags |= dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), xyz, strict=True))
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    position = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for key, data in tags.items():
        table += struct.pack(">4sII", key, position + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", position + len(body), b"none", 0x04300000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    head += b"".join(map(_fixed, (0.9642, 1.0, 0.8249)))
    return head.ljust(128, b"\0") + table + body
