"""`lightwell restore`: the main job."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightwell.cli.console import Voice, worded
from lightwell.cli.options import (
    Brightness,
    Denoise,
    Device,
    DeviceName,
    FormatName,
    MaxPixels,
    Model,
    Overwrite,
    Preview,
    Quality,
    Quiet,
    Strength,
    TileSide,
    Warmth,
    flag,
    format_named,
    tile_named,
)

if TYPE_CHECKING:
    from lightwell.cluster.shards import Record
    from lightwell.jobs.plan import Plan
    from lightwell.jobs.restoring import Settings

__all__ = ["restore"]

_MANY = 32  # from so many pictures on, an engine that first compiles wins back what that takes


class _Precision(StrEnum):
    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


def restore(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs, or - for standard input.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A file for one input, else a folder, or - for standard output. Default: NAME_restored beside it.",
        ),
    ] = None,
    model: Model = None,
    strength: Strength = 1.0,
    brightness: Brightness = 0.0,
    warmth: Warmth = 0.0,
    denoise: Denoise = 1.0,
    preview: Preview = False,
    compare: Annotated[bool, flag("--compare", help="Also write NAME_compare, before | after.")] = False,
    format: FormatName = None,
    quality: Quality = None,
    tile: TileSide = "auto",
    device: Device = DeviceName.auto,
    precision: Annotated[
        _Precision,
        typer.Option(
            case_sensitive=False,
            help="bfloat16: less time, on a CPU that has it, with OpenVINO; float16: on a GPU, with torch.",
        ),
    ] = _Precision.auto,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads for each picture. Default: the cores, shared by the jobs.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 1,
    max_memory: Annotated[
        str | None,
        typer.Option(
            "--max-memory", metavar="SIZE", help="For all jobs together; tiles follow. Default: 2G for each job."
        ),
    ] = None,
    max_pixels: MaxPixels = None,
    half: Annotated[bool, flag("--half", help="RAW files at half their size, which is quick.")] = False,
    overwrite: Overwrite = False,
    skip_existing: Annotated[
        bool, flag("--skip-existing", help="Leave out pictures whose output exists: resumes a batch.")
    ] = False,
    recursive: Annotated[bool, flag("--recursive", help="Folders with all below them, mirrored.")] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Only part I of N of a folder, shared out by names: for N machines; with a manifest."
        ),
    ] = None,
    dry_run: Annotated[bool, flag("--dry-run", help="Only say what would be done.")] = False,
    report: Annotated[
        str | None, typer.Option(metavar="FILE.html", help="Also write a page with every picture before and after.")
    ] = None,
    as_json: Annotated[bool, flag("--json", help="One line of JSON per picture.")] = False,
    quiet: Quiet = False,
    verbose: Annotated[bool, flag("--verbose", "-v", help="Device, tiles, memory, and traces of errors.")] = False,
) -> None:
    """[bold]lightwell restore night.jpg[/bold]  makes night_restored.jpg

    [bold]lightwell restore photos/ -o restored/ --skip-existing[/bold]

    Restore dark photographs. Inputs are never changed, outputs appear whole or not at all, and one bad file does not
    stop the others. Exit status: 0 all restored, 1 some failed, 2 the call is wrong, 130 stopped
    by Ctrl-C, 143 by a request to terminate.
    """
    from lightwell.cli.contact_sheet import reported
    from lightwell.engines import cores
    from lightwell.errors import DeviceError, PlanError, WeightsError
    from lightwell.export import cached_graph, is_weights
    from lightwell.jobs.plan import Request, plan
    from lightwell.jobs.restoring import Settings, restoring
    from lightwell.jobs.run import Work, run
    from lightwell.pictures import MAX_PIXELS
    from lightwell.restoring.controls import Controls
    from lightwell.restoring.restorer import Restorer, parse_bytes

    if overwrite and skip_existing:
        raise typer.BadParameter("--overwrite and --skip-existing exclude each other")
    if output == "-" or (output is None and "-" in inputs):
        if as_json:
            raise typer.BadParameter("--json needs -o FILE: standard output cannot hold both rows and a picture")
        if sys.stdout.isatty():
            raise typer.BadParameter("standard output is a terminal: redirect it to a file, or give -o FILE")
    try:
        part = None if shard is None else _shard(shard)
        controls = Controls(strength, brightness, warmth, denoise, preview)
        settings = Settings(controls, format_named(format), quality, max_pixels or MAX_PIXELS, half)
        memory = None if max_memory is None else parse_bytes(max_memory)
        side = tile_named(tile)
        request = Request(
            output,
            format=settings.format,
            compare=compare,
            recursive=recursive,
            overwrite=overwrite,
            skip_existing=skip_existing,
            shard=part or (1, 1),
        )
        work = plan(inputs, request)
    except (PlanError, ValueError) as error:
        raise typer.BadParameter(worded(error)) from error

    voice = Voice("restored", as_json=as_json, quiet=quiet, verbose=verbose, settings=asdict(settings))
    restorer = record = None
    graph = model
    workers = max(1, min(jobs, work.total))
    if not dry_run and (work.total or part):
        try:
            if model and is_weights(model):
                graph = str(cached_graph(model, tell=lambda line: typer.echo(line, err=True)))
            if work.total:
                restorer = Restorer(
                    model,
                    device=device.value,
                    threads=threads or max(1, cores() // workers),
                    precision=precision.value,
                    tile=side,
                    max_memory=memory // workers if memory else "2G",
                    many=work.total >= _MANY,
                )
                restorer.refuse_unsuited(controls)
                voice.model = restorer.model
            if part:
                record = _record(inputs, output, part, work, graph, settings, overwrite=overwrite)
        except (PlanError, WeightsError, DeviceError, ValueError) as error:
            raise typer.BadParameter(worded(error)) from error
    voice.plan(work)
    if dry_run:
        voice.dry_run(work.jobs())
    else:
        does: Work = lambda *_: (0, 0)  # noqa: E731  (where nothing is left to do)
        if restorer is not None:
            voice.detail(f"model {restorer.model} on {restorer.device}")
            does = restoring(restorer, settings, overwrite=overwrite)
        events = run(work.jobs() if record is None else record.begun(), does, workers)
        if record is not None:
            events = record.kept(events)
        if report:
            events = reported(events, work, report, model=voice.model, replace=overwrite or skip_existing)
        with closing(events):
            voice.run(events, work.total)
    voice.finish()
    if voice.failures:
        raise typer.Exit(1)


def _record(
    inputs: list[str],
    output: str | None,
    shard: tuple[int, int],
    work: Plan,
    model: str | None,
    settings: Settings,
    *,
    overwrite: bool,
) -> Record:
    from lightwell.cluster.shards import Record

    if len(inputs) != 1 or not Path(inputs[0]).is_dir() or output in (None, "-"):
        raise ValueError("--shard takes one folder, and -o FOLDER, where its manifest lies")
    return Record(inputs[0], output, shard, work, model, settings, overwrite=overwrite)


def _shard(words: str) -> tuple[int, int]:
    part, slash, parts = words.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise ValueError(f"--shard is a part of how many, such as 1/4 to 4/4, not {words!r}")
    return int(part), int(parts)
