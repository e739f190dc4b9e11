"""Small pictures and curves for reports, as text that stands inside an HTML page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter1d, uniform_filter

from lightwell.metrics.levels import Array, levels

__all__ = [
    "ERROR_RANGE",
    "Curve",
    "colour_bar",
    "differing_crop",
    "embed",
    "error_map",
    "luma_plot",
    "paired_plot",
]

ERROR_RANGE = 64  # levels of 255 at which the error map's colours end

# From nothing through violet and orange to a pale yellow, lightness rising evenly.
_ANCHORS = np.array([(8, 6, 16), (62, 18, 104), (142, 38, 110), (212, 74, 70), (246, 148, 38), (250, 250, 190)], float)
_COLOURS = np.stack(
    [np.interp(np.linspace(0, len(_ANCHORS) - 1, 256), range(len(_ANCHORS)), channel) for channel in _ANCHORS.T], axis=1
).astype(np.uint8)


def embed(picture: Array | Image.Image, width: int = 420, quality: int = 85) -> str:
    """A picture, reduced to a width, as a JPEG inside a ``data:`` address."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(np.rint(levels(picture)).astype(np.uint8))
    if image.width > width:
        image = image.resize((width, max(round(image.height * width / image.width), 1)), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return _data_address("image/jpeg", buffer.getvalue())


def error_map(restored: Array, target: Array) -> NDArray[np.uint8]:
    """The absolute error, mean over channels, in colours that end at `ERROR_RANGE` levels, as ``(H, W, 3)``."""
    error = np.abs(levels(restored) - levels(target)).mean(axis=2)
    coloured: NDArray[np.uint8] = _COLOURS[np.minimum(error * (255 / ERROR_RANGE), 255).astype(np.uint8)]
    return coloured


def colour_bar() -> str:
    """The colours of the error map from 0 to `ERROR_RANGE`, one pixel high."""
    buffer = BytesIO()
    Image.fromarray(_COLOURS[None]).save(buffer, "PNG")
    return _data_address("image/png", buffer.getvalue())


def differing_crop(pictures: Sequence[Array], side: int) -> tuple[slice, slice]:
    """Rows and columns of the square in which pictures of one scene differ most, smaller where they are.

    Args:
        pictures: two or more ``(H, W, 3)``.
        side: of the square in pixels.
    """
    height, width = pictures[0].shape[:2]
    tall, wide = min(side, height), min(side, width)
    gray = [levels(picture, np.float32).mean(axis=2) for picture in pictures]
    spread = np.ptp(np.stack(gray), axis=0)
    means = uniform_filter(spread, (tall, wide), mode="constant")
    # Only squares that lie inside: scipy puts a window's middle at half its side, rounded down.
    inside = means[tall // 2 : tall // 2 + height - tall + 1, wide // 2 : wide // 2 + width - wide + 1]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(top), int(top) + tall), slice(int(left), int(left) + wide)


def paired_plot(rows: Sequence[tuple[str, Sequence[float], float, tuple[float, float] | None]], unit: str) -> str:
    """Differences of pairs of methods as an inline SVG: a dot a picture, their mean and its interval, a row a pair.

    Args:
        rows: a label, the differences, their mean and its interval.
        unit: of the axis.
    """
    finite = [value for _, values, _, _ in rows for value in values if np.isfinite(value)]
    low, high = min([0.0, *finite]), max([0.0, *finite])
    room = 0.05 * (high - low) or 1.0
    low, high = low - room, high + room
    left, width, tall = 260, 560, 30

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * width

    bottom = tall * len(rows) + 6
    parts = [f'<line class="axis" x1="{x(0):.1f}" y1="0" x2="{x(0):.1f}" y2="{bottom}"/>']
    for number, (label, values, mean, interval) in enumerate(rows):
        y = tall * number + tall / 2
        short = label if len(label) <= 40 else label[:39] + "\N{HORIZONTAL ELLIPSIS}"
        parts.append(f'<text x="{left - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(short)}</text>')
        dots = (value for value in values if np.isfinite(value))
        parts += [f'<circle class="dot" cx="{x(value):.1f}" cy="{y:.1f}" r="3"/>' for value in dots]
        if interval is not None and np.isfinite(interval).all():
            a, b = (x(end) for end in interval)
            parts.append(f'<line class="interval" x1="{a:.1f}" y1="{y:.1f}" x2="{b:.1f}" y2="{y:.1f}"/>')
        if np.isfinite(mean):
            parts.append(f'<circle class="mean" cx="{x(mean):.1f}" cy="{y:.1f}" r="4.5"/>')
    for value in (low + room, 0.0, high - room):
        parts.append(f'<text x="{x(value):.1f}" y="{bottom + 13}" text-anchor="middle">{value:+.3g}</text>')
    parts.append(f'<text x="{left + width}" y="{bottom + 27}" text-anchor="end">{escape(unit)}</text>')
    return (
        f'<svg class="paired" viewBox="0 0 {left + width + 10} {bottom + 32}" role="img" '
        'aria-label="differences on the same pictures">' + "".join(parts) + "</svg>"
    )


Curve = tuple[str, NDArray[np.float64]]  # a CSS class and shares of pixels at 256 levels of luma


def luma_plot(curves: Sequence[Curve], width: int = 260, height: int = 150) -> str:
    """Histograms of luma, slightly smoothed, as an inline SVG; each curve is styled by its CSS class.

    The figure of the DRGN paper (Jiang et al., AAAI 2022, fig. 6): the closer the output's curve to the truth's, the
    better the light is restored. The first curve reaches half of the height, so that plots can be compared; a dark
    input's spike is cut off.
    """
    smooth = [(name, gaussian_filter1d(shares, 2, mode="nearest")) for name, shares in curves]
    top = 2 * smooth[0][1].max()
    levels_shown = np.arange(16, 236)
    x = (levels_shown - 16) * (width / 219)
    parts = []
    for name, shares in smooth:
        y = height * (1 - shares[levels_shown] / top)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        parts.append(f'<polyline class="{name}" points="0,{height} {points} {width},{height}"/>')
    parts.append(f'<line class="axis" x1="0" y1="{height}" x2="{width}" y2="{height}"/>')
    for place, anchor, text in ((0, "start", "16"), (width / 2, "middle", "luma"), (width, "end", "235")):
        parts.append(f'<text x="{place}" y="{height + 13}" text-anchor="{anchor}">{text}</text>')
    return (
        f'<svg class="luma" viewBox="0 0 {width} {height + 17}" role="img" aria-label="histograms of luma">'
        + "".join(parts)
        + "</svg>"
    )


def _data_address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
