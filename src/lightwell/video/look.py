"""A film's frames as upright arrays, and back, with depth, range, matrix and transfer curve as the film has them.

libswscale converts, to 16 bits a sample whatever the film's depth. Primaries stay the film's own: what a network does
to light and noise depends little on them, and a conversion would clip what sRGB does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from av import VideoFrame
from av.codec.codec import PixFmtLoss, find_best_pix_fmt_of_list
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from lightwell.pictures.space import linear_to_srgb, srgb_to_linear

__all__ = ["Look", "depth_of"]

Samples = NDArray[np.uint16]

# Bilinear with accurate rounding goes wrong in libswscale 9 for 4:2:0.
_SCALING = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
# ITU-T H.273, tables 3 and 4.
_PQ, _HLG = 16, 18
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
_HIGH_DEFINITION = 720
# What frames say of their light to displays, by PyAV's names for it.
_OF_THE_LIGHT = {
    "MASTERING_DISPLAY_METADATA": "mastering display",
    "CONTENT_LIGHT_LEVEL": "content light level",
    "AMBIENT_VIEWING_ENVIRONMENT": "ambient light",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "DOVI_METADATA": "Dolby Vision",
    "DOVI_RPU_BUFFER": "Dolby Vision",
}


class Look:
    """How a film's frames hold their pixels, as its first frame shows it.

    Args:
        first: the frame.
        formats: the pixel formats that the frames may be given back in; by default the film's own.
    """

    def __init__(self, first: VideoFrame, formats: list[str] | None = None) -> None:
        self.size = first.height, first.width
        self.format = first.format.name
        self.matrix = display_matrix(first)
        self._turns, self._mirrored = _turned(self.matrix)
        self._alpha = any(part.is_alpha for part in first.format.components)
        self._working = "rgba64le" if self._alpha else "rgb48le"
        self._tags = {name: getattr(first, name) for name in ("colorspace", "color_range", "color_trc")}
        self._tags["color_primaries"] = first.color_primaries
        self._curve = _curve(first.color_trc)
        side_data: Iterable[Any] = first.side_data  # a mapping that goes over its values
        kinds = [_OF_THE_LIGHT[data.type.name] for data in side_data if data.type.name in _OF_THE_LIGHT]
        self.said_of_light = list(dict.fromkeys(kinds))
        self._space = _MATRICES.get(first.colorspace) or (
            Colorspace.ITU709 if min(self.size) >= _HIGH_DEFINITION else Colorspace.ITU601
        )
        # Each keeps libswscale's tables from frame to frame.
        self._reading, self._writing = VideoReformatter(), VideoReformatter()
        self.written, self.deep = self.format, True
        if formats is not None:
            best, loss = find_best_pix_fmt_of_list(formats, self.format, self._alpha)
            assert best is not None
            self.written, self.deep = best.name, not loss & PixFmtLoss.DEPTH

    @property
    def tags(self) -> dict[str, int]:
        """What the film says of its colours, by the names that PyAV has for it."""
        return self._tags

    @property
    def light(self) -> str | None:
        """The transfer curve, where it is one of high dynamic range."""
        return {_PQ: "PQ", _HLG: "HLG"}.get(self._tags["color_trc"])

    def read(self, frame: VideoFrame) -> Samples:
        """The frame upright, ``(H, W, 3)`` RGB or ``(H, W, 4)`` with alpha, of uint16."""
        rgb = self._reading.reformat(
            frame,
            format=self._working,
            src_colorspace=self._space,
            dst_colorspace=self._space,
            interpolation=_SCALING,
            src_color_range=_range(frame),
            dst_color_range=ColorRange.JPEG,
        )
        samples: Any = rgb.to_ndarray()
        samples = np.rot90(samples, self._turns)
        if self._mirrored:
            samples = samples[:, ::-1]
        samples = np.ascontiguousarray(samples)
        if self._curve is not None:
            samples[..., :3] = self._curve[0][samples[..., :3]]
        return np.asarray(samples, np.uint16)

    def write(self, samples: Samples, like: VideoFrame) -> VideoFrame:
        """The frame for the encoder, at the other one's time.

        Args:
            samples: as :meth:`read` gives them.
            like: the frame that they were.
        """
        if self._curve is not None:
            samples = samples.copy()
            samples[..., :3] = self._curve[1][samples[..., :3]]
        if self._mirrored:
            samples = samples[:, ::-1]
        samples = np.rot90(samples, -self._turns)
        rgb = VideoFrame.from_ndarray(np.ascontiguousarray(samples), self._working)
        frame = self._writing.reformat(
            rgb,
            format=self.written,
            src_colorspace=self._space,
            dst_colorspace=self._space,
            interpolation=_SCALING,
            src_color_range=ColorRange.JPEG,
            dst_color_range=_range(like),
        )
        for name, value in self._tags.items():
            setattr(frame, name, value)
        frame.pts, frame.time_base, frame.duration = like.pts, like.time_base, like.duration
        return frame


def depth_of(frame: VideoFrame) -> int:
    """Bits a sample."""
    return max(part.bits for part in frame.format.components)


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """The nine numbers by which a player turns the picture."""
    side_data: Iterable[Any] = frame.side_data  # a mapping that goes over its values
    for data in side_data:
        if data.type.name == "DISPLAYMATRIX":
            return tuple(int(number) for number in np.frombuffer(bytes(data), np.int32, 9))
    return None


def _turned(matrix: tuple[int, ...] | None) -> tuple[int, bool]:
    """By how many quarters against the clock the stored picture is turned to be upright, and if it is mirrored then.

    The matrix takes a pixel at (x, y) to (a x + c y, b x + d y), y growing downwards.
    """
    if matrix is None:
        return 0, False
    a, b, _, c, d = matrix[:5]
    mirrored = a * d - b * c < 0
    return round(np.degrees(np.arctan2(-b, -a if mirrored else a)) / 90) % 4, mirrored


def _range(frame: VideoFrame) -> int:
    if frame.color_range in (ColorRange.MPEG, ColorRange.JPEG):
        return int(frame.color_range)
    full = frame.format.is_rgb or frame.format.name.startswith(("yuvj", "gray", "ya", "pal"))
    return int(ColorRange.JPEG if full else ColorRange.MPEG)


def _curve(transfer: int) -> tuple[Samples, Samples] | None:
    """Tables of 16 bits from a curve of high dynamic range to sRGB's, and back; None for all other curves.

    The white of paper, which is 203 cd/m2 by ITU-R BT.2408, comes to lie at about three quarters, and what is brighter
    is rolled off: ``g x / (1 + (g - 1) x)`` for linear light ``x``, which has an inverse.
    """
    inverse: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    forward: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    if transfer == _PQ:
        forward, inverse, white = _pq, _from_pq, 203 / 10000
    elif transfer == _HLG:
        forward, inverse, white = _hlg, _from_hlg, float(_from_hlg(np.array([0.75]))[0])
    else:
        return None
    gain = 1 / white
    x = np.arange(65536) / 65535
    light = inverse(x)
    working = linear_to_srgb(gain * light / (1 + (gain - 1) * light))
    rolled = srgb_to_linear(x)
    back = forward(rolled / (gain - (gain - 1) * rolled))
    return tuple((np.clip(table, 0, 1) * 65535 + 0.5).astype(np.uint16) for table in (working, back))  # type: ignore[return-value]


# ITU-R BT.2100, tables 4 and 5.
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073


def _from_pq(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    root = signal ** (1 / _M2)
    return np.asarray((np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))


def _pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    power = light**_M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def _from_hlg(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)


def _hlg(light: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(light <= 1 / 12, np.sqrt(3 * light), _A * np.log(np.maximum(12 * light - _B, 1e-9)) + _C)
