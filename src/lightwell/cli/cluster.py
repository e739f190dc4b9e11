"""`lightwell cluster`: a job for many machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lightwell.cli.console import printable, progress, worded
from lightwell.cli.options import (
    Brightness,
    Denoise,
    Device,
    DeviceName,
    FormatName,
    MaxPixels,
    Model,
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
    from lightwell.cluster.manifest import Entry, Summary

__all__ = ["cluster"]

_MOST_RUNS = 4  # that are named, of those that are at work


def cluster(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A folder that all machines see, or s3://, gs://... With --status: DEST."
        ),
    ],
    dest: Annotated[str | None, typer.Argument(metavar="DEST", help="Where the results go.")] = None,
    model: Model = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="auto|HOST:PORT", help="A Ray cluster to join. Default: one is started here."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Pictures at a time. Default: one for each core or share of a GPU.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Cores of each worker.")] = 1,
    gpus: Annotated[float, typer.Option(min=0.0, metavar="SHARE", help="Of a GPU for each worker, such as 0.5.")] = 0.0,
    device: Device = DeviceName.auto,
    manifest: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="What is done is kept here. Default: DEST/.lightwell.")
    ] = None,
    status: Annotated[bool, flag("--status", help="Only say how the job of DEST stands.")] = False,
    retry: Annotated[bool, flag("--retry", help="Do the pictures that failed once more.")] = False,
    force: Annotated[bool, flag("--force", help="Go on with another model or settings; what is done stays.")] = False,
    overwrite: Annotated[bool, flag("--overwrite", help="Replace files that exist and are not of this job.")] = False,
    strength: Strength = 1.0,
    brightness: Brightness = 0.0,
    warmth: Warmth = 0.0,
    denoise: Denoise = 1.0,
    preview: Preview = False,
    format: FormatName = None,
    quality: Quality = None,
    tile: TileSide = "auto",
    max_memory: Annotated[str, typer.Option("--max-memory", metavar="SIZE", help="For each worker.")] = "2G",
    max_pixels: MaxPixels = None,
    quiet: Quiet = False,
) -> None:
    """[bold]lightwell cluster s3://night/in s3://night/out --address auto[/bold]

    [bold]lightwell cluster --status s3://night/out[/bold]

    Restore all photographs below a folder on all cores of this machine, or of a Ray cluster. Stopped anywhere, the
    same call goes on; no picture is lost or done twice. Exit status: 0 all restored, 1 some failed, 2 the call is
    wrong, 130 stopped by Ctrl-C.
    """
    from lightwell.errors import DeviceError, PlanError, WeightsError
    from lightwell.export import cached_graph, is_weights
    from lightwell.jobs.restoring import Settings
    from lightwell.pictures import MAX_PIXELS
    from lightwell.restoring.controls import Controls

    if status:
        from lightwell.cluster import summary

        if dest is not None:
            raise typer.BadParameter("--status takes the destination alone")
        try:
            _print(summary(source, manifest))
        except PlanError as error:
            raise typer.BadParameter(worded(error)) from error
        return
    if dest is None:
        raise typer.BadParameter("name a source and a destination")
    if address and model and is_weights(model):  # a graph is made beside them, where other machines may not look
        raise typer.BadParameter(printable(f"{model} holds weights: lightwell export makes the ONNX file of them"))
    try:
        from lightwell.cluster import restore_dataset

        if model and is_weights(model):
            model = str(cached_graph(model, tell=lambda line: typer.echo(line, err=True)))
        settings = Settings(
            Controls(strength, brightness, warmth, denoise, preview),
            format_named(format),
            quality,
            max_pixels or MAX_PIXELS,
        )
        with progress(0, quiet=quiet) as move:

            def told(rows: list[Entry], total: int | None) -> None:
                for row in rows:
                    if row.error:
                        typer.echo(printable(f"{row.source}: {row.error}"), err=True)
                    move(row.source.rpartition("/")[2], total=total)

            result = restore_dataset(
                source,
                dest,
                model=model,
                settings=settings,
                manifest=manifest,
                overwrite=overwrite,
                retry=retry,
                force=force,
                address=address,
                workers=workers,
                threads=threads,
                gpus=gpus,
                device=device.value,
                tile=tile_named(tile),
                max_memory=max_memory,
                told=told,
            )
    except (PlanError, WeightsError, DeviceError, ValueError) as error:
        raise typer.BadParameter(worded(error)) from error
    if not quiet:
        _print(result)
    if result.failed:
        raise typer.Exit(1)


def _print(summary: Summary) -> None:
    total = f" of {summary.total}" if summary.total is not None else ""
    counts = f"{summary.done} restored, {summary.failed} failed{total}, by {summary.target.model}"
    typer.echo(printable(f"{summary.target.source} -> {summary.target.dest}: {counts}"))
    if summary.running:
        left = ""
        if summary.total is not None and summary.rate:
            left = f", {max(0, summary.total - summary.done - summary.failed) / summary.rate / 60:.0f} minutes left"
        for words in summary.running[:_MOST_RUNS]:
            typer.echo(printable(f"{words} is at work"))
        if (more := len(summary.running) - _MOST_RUNS) > 0:
            typer.echo(f"and {more} more")
        typer.echo(f"{summary.rate:.1f} pictures a second{left}")
    for error, count in summary.errors:
        typer.echo(printable(f"  {count} failed: {error}"))
