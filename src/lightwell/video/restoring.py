"""Restoring films."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from lightwell.errors import VideoError
from lightwell.files import whole_file
from lightwell.pictures import Picture
from lightwell.restoring.controls import Controls, split_controls
from lightwell.restoring.grids import Floats, reduce_area
from lightwell.restoring.restorer import Restorer
from lightwell.restoring.sequence import relit, steady
from lightwell.restoring.strategies import Guide
from lightwell.video.film import Film, Span
from lightwell.video.look import Look, depth_of
from lightwell.video.sink import Sink, choose_encoder, format_of

__all__ = ["Progress", "Restored", "restore_still", "restore_video"]

Progress = Callable[[int, float], None]
"""Told the frames that are done, and the share of the film, in [0, 1]."""

# The longest side at which a network without a guide of its own sees the whole frame to find its light.
_GLANCE = 256


@dataclass(frozen=True)
class Restored:
    """What became of a film.

    Args:
        output: the file.
        frames: how many were restored.
        codec: of the new film.
        notes: what of the film could not be kept or read, a line each.
    """

    output: Path
    frames: int
    codec: str
    notes: tuple[str, ...]


def restore_video(
    input: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Restorer | None = None,
    quality: int = 80,
    start: float = 0.0,
    stop: float | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Restored:
    """Restore a film frame by frame, under a light that is steady from frame to frame.

    Sound, subtitles, chapters, data and metadata go along untouched, and each frame keeps its time, to what the file
    format counts in (Matroska: thousandths of a second). Rotation, depth, range and colour space stay as they are. The
    output appears whole or not at all.

    Args:
        input: the film.
        output: the file to write; its suffix, such as ``.mp4``, names the format.
        model: as in `lightwell.Restorer`, or one that is loaded already.
        quality: 1 to 100 (what the encoder can at best); 80 is as good as the film to the eye.
        start: seconds into the film at which to begin; the output then begins at its first frame.
        stop: seconds into the film at which to end; by default its end.
        overwrite: replace ``output`` where it exists.
        progress: told the frames that are done and the share of the film, after each frame.
        options: ``device``, ``threads``, ``tile`` and ``max_memory`` as in `lightwell.Restorer`; ``controls``, or
            ``strength`` and the other fields of `Controls`, as in its call.

    Raises:
        LightwellError: the input is no film or changes its size, the output exists or cannot be written, or the model
            cannot run.
        ValueError: a setting outside its range, or that the model does not know.
    """
    source, target = Path(input), Path(output)
    format = format_of(target)
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is between 1 and 100, not {quality}")
    span, (controls, options) = Span(start, stop), split_controls(options)
    if target.exists():
        if source.exists() and os.path.samefile(source, target):  # noqa: PTH121
            raise VideoError(f"{target} is the film itself", remedy="output")
        if not overwrite:
            raise VideoError(f"{target} exists", remedy="overwrite")
    restorer = model if isinstance(model, Restorer) else Restorer(model, **options, many=True)
    restorer.refuse_unsuited(controls)
    # The scout is some seconds ahead: light is steady by what comes as well as by what was.
    with Film(source) as film, Film(source) as scout:
        first = _first_frame(source, span)
        encoder = choose_encoder(film, first, format, quality)
        shift = film.time(first) if span.start > 0 else Fraction(0)
        with whole_file(target, replace=overwrite, like=source, error=VideoError) as stream:
            sink = Sink(stream, film, encoder, format, shift)
            try:
                frames = _restore(film, scout, span, sink, encoder.look, restorer, controls, progress)
                sink.finish()
            except av.FFmpegError as error:
                raise VideoError(f"{target} cannot be written: {error.strerror or error}") from error
            finally:
                sink.abandon()
    return Restored(target, frames, encoder.codec, (*_notes(film, encoder.look), *sink.notes))


def restore_still(
    input: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | Restorer | None = None,
    start: float = 0.0,
    **options: Any,
) -> Picture:
    """The first frame of a film, restored: to see what the settings do before the whole of it is restored.

    Args:
        input: the film.
        model: as in `restore_video`, and so all that follow.
        start: seconds into the film.
        options: as in `restore_video`.

    Returns:
        An upright picture of 8 or, where the film has more, 16 bits.

    Raises:
        LightwellError: as `restore_video`.
        ValueError: as `restore_video`.
    """
    span, (controls, options) = Span(start), split_controls(options)
    restorer = model if isinstance(model, Restorer) else Restorer(model, **options)
    restorer.refuse_unsuited(controls)
    frame = _first_frame(Path(input), span)
    look = Look(frame)
    pixels = look.read(frame)[..., :3]
    restored = restorer(pixels, controls, guide=_guide(restorer, pixels))
    if depth_of(frame) <= 8:
        restored = ((restored.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return Picture(restored)


def _first_frame(path: Path, span: Span) -> VideoFrame:
    with Film(path) as film:
        for part in film.parts(span, []):
            assert isinstance(part, VideoFrame)
            return part
    raise VideoError(f"{path} has no frame after {span.start:g} s")


def _restore(
    film: Film,
    scout: Film,
    span: Span,
    sink: Sink,
    look: Look,
    restorer: Restorer,
    controls: Controls,
    progress: Progress | None,
) -> int:
    light = steady(_found(scout, span, restorer))
    as_it_is = controls.strength == 0 and not controls.tones
    frames = 0
    start = film.zero + Fraction(span.start)
    seconds = film.seconds if span.stop is None else Fraction(span.stop)
    whole = max(float((seconds or 0) - Fraction(span.start)), 1e-3)
    along = [stream for stream in film.others if stream.index in sink.others]
    for part in film.parts(span, along):
        if not isinstance(part, VideoFrame):
            sink.packet(part)
            continue
        samples = look.read(part)
        pixels = samples[..., :3]
        guide = None if as_it_is else _guide(restorer, pixels)
        # A file that has grown since it was opened has frames that the scout does not know.
        if guide is not None and (change := next(light, None)) is not None:
            guide = relit(guide, change)
        restored = restorer(pixels, controls, guide=guide)
        end = film.time(part) + (part.duration or 0) * film.time_base
        sink.frame(look.write(np.concatenate((restored, samples[..., 3:]), axis=2), part))
        frames += 1
        if progress:
            progress(frames, min(1.0, float(end - start) / whole))
    return frames


def _found(film: Film, span: Span, restorer: Restorer) -> Iterator[tuple[float, Guide]]:
    """When each frame is shown, and what the model finds for it alone."""
    look: Look | None = None
    for frame in film.parts(span, []):
        assert isinstance(frame, VideoFrame)
        look = look or Look(frame)
        yield float(film.time(frame)), _guide(restorer, look.read(frame)[..., :3])


def _guide(restorer: Restorer, pixels: NDArray[np.uint16]) -> Guide:
    """What the model finds the frame should look like; of one that needs no guide for a single picture, too."""
    guide = restorer.guide(pixels)
    if guide is not None:
        return guide
    size = pixels.shape[0], pixels.shape[1]
    scale = min(1.0, _GLANCE / max(size))
    small = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

    def load(rows: slice, columns: slice) -> Floats:
        return pixels[rows, columns].astype(np.float32) / np.float32(65535)

    before = np.clip(reduce_area(load, size, small), 0, 1)
    return Guide(size, before, restorer(before))


def _notes(film: Film, look: Look) -> list[str]:
    notes = []
    if film.breaks_off:
        notes.append(film.breaks_off)
    if film.damaged:
        notes.append(f"{film.damaged} of its frames are damaged")
    if look.light:
        notes.append(f"its light is {look.light}: restored as light of standard range, written as {look.light} again")
    if look.said_of_light:
        notes.append(f"what it says of its old light is left out: {', '.join(look.said_of_light)}")
    return notes
