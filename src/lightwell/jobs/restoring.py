"""The work of restoring one picture, for `lightwell.jobs.run`."""

from __future__ import annotations

import errno
import io
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightwell.errors import FileError, LightwellError
from lightwell.files import MAX_PIPED_BYTES, is_pipe, make_folder, read_pipe, whole_file
from lightwell.jobs.events import Job
from lightwell.jobs.run import Tell, Work
from lightwell.pictures import MAX_PIXELS, Format, Picture, format_of_name, read, size_of
from lightwell.restoring.controls import Controls
from lightwell.restoring.tiles import fits_whole

if TYPE_CHECKING:
    from lightwell.restoring.restorer import Restorer

__all__ = ["Settings", "restoring"]


@dataclass(frozen=True)
class Settings:
    """What every picture of a run is restored and written with; the manifest keeps it.

    Args:
        controls: strength, brightness and what else a person may ask for.
        format: of the output; by default as its name says, else as the input.
        quality: as `Picture.write` takes it.
        max_pixels: as `lightwell.read` takes it, and so ``half``.
    """

    controls: Controls = field(default_factory=Controls)
    format: Format | None = None
    quality: int | None = None
    max_pixels: int = MAX_PIXELS
    half: bool = False


def restoring(restorer: Restorer, settings: Settings, *, overwrite: bool = False) -> Work:
    """The work on one job: read, restore, write, and the comparison.

    Args:
        restorer: the model; it is called from several threads.
        settings: of the pictures.
        overwrite: replace an output that exists; otherwise one made since the plan stays, and the job fails.
    """

    def work(job: Job, tell: Tell) -> tuple[int, int]:
        if job.source is not None and not is_pipe(job.source) and not settings.half:
            # Before it is decoded, which takes as much memory again; 16 bits are known only then.
            restorer.refuse_too_large(*size_of(job.source))
        picture = _read(job, settings, tell)
        height, width = picture.size
        _tell_memory(restorer, picture, tell)
        restored = restorer(picture, settings.controls, progress=tell.progress)
        notes = list(restored.warnings)
        if not job.keep:
            notes += _write(restored, job.output, job.source, settings, overwrite)
        if job.compare:
            try:
                _write(_side_by_side(picture, restored), job.compare, job.source, settings, overwrite)
            except LightwellError as error:
                if job.keep:
                    raise
                notes.append(f"the picture is written, its comparison is not: {error}")
        for note in notes:
            tell.note(note)
        return width, height

    return work


def _read(job: Job, settings: Settings, tell: Tell) -> Picture:
    if job.source is None:
        data = sys.stdin.buffer.read(MAX_PIPED_BYTES + 1)
        if len(data) > MAX_PIPED_BYTES:
            raise FileError(f"more than {MAX_PIPED_BYTES >> 30} GB came through standard input")
        return read(data, max_pixels=settings.max_pixels, half=settings.half)
    if is_pipe(job.source):
        data = read_pipe(job.source, lambda: tell.progress(0.0))
        return read(data, max_pixels=settings.max_pixels, half=settings.half)
    return read(job.source, max_pixels=settings.max_pixels, half=settings.half)


def _tell_memory(restorer: Restorer, picture: Picture, tell: Tell) -> None:
    height, width = picture.size
    sample = picture.bits // 8
    tile = restorer.tile_for(height, width, sample)
    whole = tile is None or fits_whole((height, width), tile)
    needed = restorer.memory_for(height, width, sample)
    cut = "whole" if whole else f"in tiles of {tile}"
    tell.note(f"{width}x{height}, {cut}, about {needed / 2**30:.1f} GB", detail=True)


def _write(
    picture: Picture, output: Path | None, source: Path | None, settings: Settings, overwrite: bool
) -> tuple[str, ...]:
    if output is None:
        whole = io.BytesIO()
        notes = picture.write(whole, format=settings.format, quality=settings.quality)
        try:
            sys.stdout.buffer.write(whole.getbuffer())
            sys.stdout.buffer.flush()
        except OSError as error:
            closed = error.errno == errno.EPIPE
            reason = "what read it has closed it" if closed else error.strerror or error
            raise FileError(f"cannot write standard output: {reason}") from error
        return notes
    make_folder(output.parent)
    format = settings.format or format_of_name(output)
    with whole_file(output, replace=overwrite, like=source) as stream:
        return picture.write(stream, format=format, quality=settings.quality)


def _side_by_side(before: Picture, after: Picture) -> Picture:
    """Before | after, with a thin white line between."""

    def joined(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
        line = np.full((left.shape[0], max(2, left.shape[1] // 200), *left.shape[2:]), np.iinfo(left.dtype).max)
        return np.concatenate([left, line.astype(left.dtype), right], axis=1)

    alpha = None if before.alpha is None or after.alpha is None else joined(before.alpha, after.alpha)
    return replace(after, pixels=joined(before.pixels, after.pixels), alpha=alpha)
