"""AVIF of more than 8 bits, which Pillow reads and writes at 8: coded by PyAV, its colours converted here."""

from __future__ import annotations

import io
import os
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lightwell.pictures import boxes
from lightwell.pictures.picture import Pixels

__all__ = ["decode", "encode", "is_installed"]

Floats = NDArray[np.float32]

# The shares of red and blue in luma, by H.273's matrix coefficients; an unnamed matrix is taken for BT.601.
_LUMA = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
_IDENTITY, _FULL = 0, 2
# What SVT-AV1 takes; of some smaller sizes, such as 8x200, it never comes back.
_SMALLEST, _HIGHEST, _WIDEST = 64, 8704, 16384


def is_installed() -> bool:
    """Whether PyAV is there."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def decode(stream: IO[bytes], size: tuple[int, int], depth: int, named: boxes.Named | None) -> Pixels | None:
    """The colours of the file's main picture as it lies there, ``(H, W, 3 or 1)`` uint16, alpha left out.

    Args:
        stream: the file.
        size: height and width that it must have.
        depth: bits a sample.
        named: what the file names its colours by; without it what its pixels' own head says.

    Returns:
        None where the picture is put together from several, which PyAV gives one by one.
    """
    import av

    stream.seek(0)
    with av.open(io.BytesIO(stream.read()), "r", format="mov") as container:
        frame = next(container.decode(video=0))
    if (frame.height, frame.width) != size:
        return None
    planes = [_plane(plane) for plane in frame.planes]
    matrix = int(frame.colorspace) if named is None else named.matrix
    is_full = int(frame.color_range) == _FULL if named is None else named.is_full
    top = np.float32((1 << depth) - 1)
    black, scale = (0, top) if is_full else (16 << (depth - 8), np.float32(219 << (depth - 8)))
    luma = (planes[0].astype(np.float32) - np.float32(black)) / scale
    if len(planes) == 1:
        return _to_16_bits(luma[..., None])
    if matrix == _IDENTITY:  # the planes are green, blue and red
        others = [(plane.astype(np.float32) - np.float32(black)) / scale for plane in planes[1:]]
        return _to_16_bits(np.stack([others[1], luma, others[0]], axis=2))
    span = top if is_full else np.float32(224 << (depth - 8))
    blue, red = (
        _fitted((plane.astype(np.float32) - np.float32(1 << (depth - 1))) / span, size) for plane in planes[1:]
    )
    of_red, of_blue = _LUMA.get(matrix, _LUMA[6])
    of_green = 1 - of_red - of_blue
    rgb = np.empty((*size, 3), np.float32)
    rgb[..., 0] = luma + np.float32(2 * (1 - of_red)) * red
    rgb[..., 2] = luma + np.float32(2 * (1 - of_blue)) * blue
    rgb[..., 1] = (luma - np.float32(of_red) * rgb[..., 0] - np.float32(of_blue) * rgb[..., 2]) / np.float32(of_green)
    return _to_16_bits(rgb)


def _plane(plane: Any) -> NDArray[np.uint16]:
    rows = np.frombuffer(plane, "<u2").reshape(plane.height, -1)
    return np.asarray(rows[:, : plane.width])


def _fitted(plane: Floats, size: tuple[int, int]) -> Floats:
    """A plane of colour at the size of luma; samples lie between those of luma that they stand for."""
    for axis in (0, 1):
        if plane.shape[axis] < size[axis]:
            plane = _doubled(plane, axis)
    return plane[: size[0], : size[1]]


def _doubled(plane: Floats, axis: int) -> Floats:
    """Twice as many samples along an axis, each three parts of its own and one of the next."""
    plane = np.moveaxis(plane, axis, 0)
    padded = np.concatenate([plane[:1], plane, plane[-1:]])
    result = np.empty((2 * len(plane), *plane.shape[1:]), np.float32)
    result[0::2] = np.float32(0.75) * plane + np.float32(0.25) * padded[:-2]
    result[1::2] = np.float32(0.75) * plane + np.float32(0.25) * padded[2:]
    return np.moveaxis(result, 0, axis)


def _to_16_bits(values: Floats) -> Pixels:
    np.clip(values, 0, 1, out=values)
    return np.asarray(values * np.float32(65535) + np.float32(0.5)).astype(np.uint16)


def encode(colours: Pixels, quality: int) -> tuple[bytes, list[tuple[bytes, bytes]]] | None:
    """A picture as AV1 of 10 bits, in BT.601 at full range, colour at half the resolution.

    Args:
        colours: ``(H, W, 3)`` uint16.
        quality: 1 to 100.

    Returns:
        The data, and names and contents of its properties in an AVIF file; None where the encoder refuses its size.
    """
    import av

    os.environ.setdefault("SVT_LOG", "-1")  # else the encoder writes to standard error
    height, width = colours.shape[:2]
    if min(height, width) < _SMALLEST or height > _HIGHEST or width > _WIDEST:
        return None
    stream = io.BytesIO()
    try:
        with av.open(stream, "w", format="avif") as container:
            track: Any = container.add_stream("libsvtav1", rate=1)
            track.width, track.height, track.pix_fmt = width, height, "yuv420p10le"
            track.options = {"crf": str(max(1, round((100 - quality) * 0.63))), "preset": "6"}
            frame = av.VideoFrame(width, height, "yuv420p10le")
            frame.color_range = _FULL
            for plane, samples in zip(frame.planes, _yuv(colours), strict=True):
                rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
                rows[:, : plane.width] = samples
                plane.update(rows.tobytes())
            track.color_range = _FULL
            for packet in [*track.encode(frame), *track.encode()]:
                container.mux(packet)
    except av.FFmpegError:
        return None
    found = dict(boxes.properties(stream))
    described = [(name, found[name]) for name in (b"ispe", b"pixi", b"av1C")]
    named = b"nclx" + (1).to_bytes(2, "big") + (13).to_bytes(2, "big") + (6).to_bytes(2, "big") + b"\x80"
    return boxes.content(stream.getvalue()), [*described, (b"colr", named)]


def _yuv(colours: Pixels) -> list[NDArray[np.uint16]]:
    """Luma, blue and red at 10 bits, the latter two of the mean of two by two pixels."""
    of_red, of_blue = _LUMA[6]
    rgb = colours.astype(np.float32) / np.float32(65535)
    luma = rgb @ np.array([of_red, 1 - of_red - of_blue, of_blue], np.float32)
    planes = [luma]
    for channel, share in ((2, of_blue), (0, of_red)):
        difference = (rgb[..., channel] - luma) / np.float32(2 * (1 - share))
        padded = np.pad(difference, [(0, side % 2) for side in luma.shape], mode="edge")
        quarters = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2)
        planes.append(quarters.mean(axis=(1, 3)) + np.float32(512 / 1023))
    return [np.clip(np.round(plane * 1023), 0, 1023).astype(np.uint16) for plane in planes]
