"""Small films, made here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shows = Callable[[int], Array]


def scene(height: int = 48, width: int = 64, seed: int = 0) -> Array:
    """Patches of light and dark, ``(height, width, 3)`` in [0.2, 0.8]."""
    patches = np.random.default_rng(seed).uniform(0.2, 0.8, (height // 8, width // 8, 3))
    return patches.repeat(8, 0).repeat(8, 1)


def dark(frame: int, seed: int = 0, noise: float = 0.0) -> Array:
    """A dim frame, a little brighter than the one before."""
    rng = np.random.default_rng(frame)
    picture = scene(seed=seed) * (0.1 + 0.002 * frame)
    return np.clip(picture + rng.normal(0, noise, picture.shape) if noise else picture, 0, 1)


@dataclass(frozen=True)
class Made:
    """What `make` put into a film."""

    path: Path
    times: list[int]
    samples: Array


def make(
    path: Path,
    shows: Shows = dark,
    *,
    times: Sequence[int] = tuple(range(0, 10 * 50, 50)),
    time_base: Fraction = Fraction(1, 600),
    last: int = 50,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    tags: dict[str, int] | None = None,
    sound: bool = True,
    rotation: tuple[float, bool] | None = None,
    metadata: dict[str, str] | None = None,
    chapters: bool = False,
    format: str | None = None,
) -> Made:
    """Write a film of frames at given times, with half a second or more of sound."""
    waves = (np.sin(np.arange(16000) / 9) * 9000).astype(np.int16)
    with av.open(str(path), "w", format=format) as film:
        film.metadata.update(metadata or {})
        pictures = film.add_stream(codec, rate=12, options=options or {"crf": "4"} if "x26" in codec else {})
        context = pictures.codec_context
        first = shows(0)
        context.height, context.width = first.shape[:2]
        context.pix_fmt, context.time_base = pixels, time_base
        context.flags |= av.codec.context.Flags.frame_duration
        for name, value in (tags or {}).items():
            setattr(context, name, value)
        if rotation:
            pictures.set_display_rotation(rotation[0], hflip=rotation[1])
        if sound:
            voice = film.add_stream("aac", rate=16000)
            voice.codec_context.layout = "mono"
        if chapters:
            film.set_chapters(
                [
                    {"id": 1, "start": 0, "end": 300, "time_base": Fraction(1, 1000), "metadata": {"title": "dusk"}},
                    {"id": 2, "start": 300, "end": 800, "time_base": Fraction(1, 1000), "metadata": {"title": "night"}},
                ]
            )
        for number, time in enumerate(times):
            rgb = av.VideoFrame.from_ndarray((shows(number) * 65535).round().astype(np.uint16), "rgb48le")
            frame = rgb.reformat(
                format=pixels,
                interpolation="BICUBIC",
                src_color_range="JPEG",
                dst_color_range=(tags or {}).get("color_range", 2 if pixels.startswith("yuvj") else 1),
                dst_colorspace=(tags or {}).get("colorspace", 5),
            )
            for name, value in (tags or {}).items():
                setattr(frame, name, value)
            frame.pts, frame.time_base = time, time_base
            frame.duration = (times[number + 1] - time) if number + 1 < len(times) else last
            film.mux(pictures.encode(frame))
        film.mux(pictures.encode(None))
        if sound:
            for start in range(0, len(waves) - 1023, 1024):
                part = av.AudioFrame.from_ndarray(waves[None, start : start + 1024], "s16", "mono")
                part.sample_rate, part.pts, part.time_base = 16000, start, Fraction(1, 16000)
                film.mux(voice.encode(part))
            film.mux(voice.encode(None))
    return Made(path, list(times), waves)


def frames(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as film:
        return list(film.decode(video=0))


def times(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    return [frame.pts * frame.time_base for frame in frames(path)]


def planes(path: Path) -> list[Array]:
    """Each frame's first plane as it is stored: luma."""
    found = []
    for frame in frames(path):
        plane = frame.planes[0]
        kind = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
        found.append(rows[:, : plane.width].astype(np.int64))
    return found


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """Time and bytes of each packet of the first stream of a kind."""
    with av.open(str(path)) as film:
        stream = next(stream for stream in film.streams if stream.type == kind)
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in film.demux(stream) if packet.size]
