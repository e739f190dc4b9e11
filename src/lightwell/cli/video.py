"""`lightwell video`: films."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightwell.cli.console import Voice, printable, worded
from lightwell.cli.options import (
    Brightness,
    Denoise,
    Device,
    DeviceName,
    Model,
    Overwrite,
    Quiet,
    Strength,
    Warmth,
    flag,
)

if TYPE_CHECKING:
    from lightwell.restoring.controls import Controls
    from lightwell.restoring.restorer import Restorer
    from lightwell.video import Progress

__all__ = ["video"]


def video(
    input: Annotated[Path, typer.Argument(metavar="FILM", help="A film.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Its suffix names the format: .mp4, .mov, .mkv, .webm, .avi or .ts. Default: NAME_restored beside it.",
        ),
    ] = None,
    model: Model = None,
    strength: Strength = 1.0,
    brightness: Brightness = 0.0,
    warmth: Warmth = 0.0,
    denoise: Denoise = 1.0,
    quality: Annotated[
        int, typer.Option(min=1, max=100, help="80 is as good as the film to the eye, 100 what the codec can at best.")
    ] = 80,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Seconds, or 1:30 or 1:02:30.5.")] = None,
    stop: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Where to end, likewise.")] = None,
    preview: Annotated[
        bool, flag("--preview", help="Only the first frame, restored, as a picture: NAME_restored.png, or -o FILE.")
    ] = False,
    device: Device = DeviceName.auto,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of the model. Default: the cores.")] = None,
    max_memory: Annotated[
        str, typer.Option("--max-memory", metavar="SIZE", help="For one frame; tiles follow.")
    ] = "2G",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """[bold]lightwell video night.mov -o night.mp4[/bold]

    [bold]lightwell video night.mov --from 0:05 --preview --brightness -0.5[/bold]  a still, to choose the settings by

    Restore a dark film, frame by frame, without flicker. Sound, subtitles, chapters and metadata go along untouched.
    The output appears whole or not at all. Exit status: 0 restored, 1 the film is at fault, 2 the call is wrong, 130
    stopped by Ctrl-C, 143 by a request to terminate.
    """
    from lightwell.video import restore_video  # isort: skip  the extra, before anything else is looked at
    from lightwell.errors import DeviceError, WeightsError
    from lightwell.restoring.controls import Controls
    from lightwell.restoring.restorer import Restorer

    target = output or input.with_name(f"{input.stem}_restored{'.png' if preview else input.suffix}")
    begin, end = _seconds("--from", start) or 0.0, _seconds("--to", stop)
    if end is not None and end <= begin:
        raise typer.BadParameter("--to is after --from")
    try:
        restorer = Restorer(model, device=device.value, threads=threads, max_memory=max_memory, many=not preview)
        controls = Controls(strength, brightness, warmth, denoise)
        restorer.refuse_unsuited(controls)
    except (WeightsError, DeviceError, ValueError) as error:
        raise typer.BadParameter(worded(error)) from error

    voice = Voice("restored", quiet=quiet)
    began = time.monotonic()
    if preview:
        _still(input, target, restorer, controls, begin, overwrite)
        voice.note(f"{input} at {begin:g} s -> {target} ({time.monotonic() - began:.1f} s)")
        return
    with _progress(input.name, quiet=quiet) as told:
        done = restore_video(
            input,
            target,
            model=restorer,
            quality=quality,
            start=begin,
            stop=end,
            overwrite=overwrite,
            progress=told,
            controls=controls,
        )
    elapsed = time.monotonic() - began
    for note in done.notes:
        voice.note(f"{input}: {note}")
    if not quiet:
        rate = f"{done.frames / elapsed:.2g} frames/s"
        typer.echo(printable(f"{input} -> {done.output} ({done.frames} frames, {elapsed:.1f} s, {rate})"))


def _still(input: Path, target: Path, restorer: Restorer, controls: Controls, start: float, overwrite: bool) -> None:
    from lightwell.errors import VideoError
    from lightwell.files import whole_file
    from lightwell.pictures import format_of_name
    from lightwell.video import restore_still

    format = format_of_name(target)
    if format is None:
        raise typer.BadParameter(
            f"--preview makes a picture: name it one, such as {target.stem}.png, not {target.name}"
        )
    if target.exists() and not overwrite:
        raise VideoError(f"{target} exists", remedy="overwrite")
    picture = restore_still(input, model=restorer, start=start, controls=controls)
    with whole_file(target, replace=overwrite) as stream:
        picture.write(stream, format=format)


@contextlib.contextmanager
def _progress(name: str, *, quiet: bool) -> Iterator[Progress]:
    """A bar with frames a second and the time left; nothing where nobody watches a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda *_: None
        return
    words = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), TaskProgressColumn(), words, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(printable(name), total=1.0)
        began = time.monotonic()

        def told(frames: int, share: float) -> None:
            rate = frames / max(time.monotonic() - began, 1e-6)
            bar.update(task, completed=share, description=f"{printable(name)}, {frames} frames, {rate:.2g} a second,")

        yield told


def _seconds(option: str, words: str | None) -> float | None:
    """Seconds from ``90``, ``1:30`` or ``0:01:30.0``."""
    if words is None:
        return None
    parts = words.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = [-1.0]
    # Of inf and nan neither is below 1e9.
    if len(parts) > 3 or not all(0 <= number < 1e9 for number in numbers) or any(n >= 60 for n in numbers[1:]):
        raise typer.BadParameter(f"{option} is a time such as 90, 1:30 or 1:02:30.5, not {words!r}")
    return float(sum(number * 60**power for power, number in enumerate(reversed(numbers))))
