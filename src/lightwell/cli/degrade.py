"""`lightwell degrade`: dark, noisy, blurred copies of good photographs."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightwell.cli.options import flag

if TYPE_CHECKING:
    from lightwell.picture import Picture

__all__ = ["degrade"]


def degrade(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Good photographs: files or folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where copies go; made if missing.")],
    seed: Annotated[int, typer.Option(help="The same seed and file name give the same picture.")] = 0,
    coco: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="COCO annotations of INPUT, one folder: makes a detection set of low/, high/ and annotations.json.",
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With --coco: so many pictures, drawn by the seed.")
    ] = None,
    learned: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Instead of a camera's model, the degradation that a DRGN has learnt: a shipped model's name, or its "
            "weights as training writes them.",
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            metavar="DIR",
            help="With --learned: dark photographs. Each copy gets the degradation of one of them, whose scene shows "
            "through it.",
        ),
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", help="Replace copies that exist.")] = False,
    quiet: Annotated[bool, flag("--quiet", "-q", help="Only errors.")] = False,
) -> None:
    """[bold]lightwell degrade photographs -o night --seed 7[/bold]

    [bold]lightwell degrade val2017 --coco instances_val2017.json --count 1000 -o coco1000[/bold]

    [bold]lightwell degrade photographs --learned drgn-lw --like dark -o night[/bold]

    Make dark, noisy, blurred copies of good photographs, as a camera would take them in the dark. Names, folders and
    metadata are kept, so photographs and copies are pairs to train and measure on. Exit status: 0 all made, 1 some
    failed, 2 the call is wrong.
    """
    from lightwell.data.coco import darken_coco
    from lightwell.data.folders import find_pictures
    from lightwell.data.night import learned_night_of, load_degradation, night_of
    from lightwell.errors import LightwellError
    from lightwell.picture import read

    if (learned is None) != (like is None) or (learned and coco):
        raise typer.BadParameter("--learned and --like go together, without --coco")
    if coco is not None:
        if len(inputs) != 1 or not inputs[0].is_dir() or overwrite:
            raise typer.BadParameter("--coco takes one folder of pictures and makes a new set, without --overwrite")
        darken_coco(coco, inputs[0], output, seed=seed, count=count, done=(lambda _: None) if quiet else typer.echo)
        return
    if count is not None:
        raise typer.BadParameter("--count goes with --coco")

    jobs: dict[Path, Path] = {}  # by output
    for source in inputs:
        if not source.exists():
            raise typer.BadParameter(f"{source}: there is no such file; check its name")
        for path in find_pictures(source).values() if source.is_dir() else [source]:
            copy = output / (path.relative_to(source) if source.is_dir() else path.name)
            if copy in jobs:
                raise typer.BadParameter(f"{jobs[copy]} and {path} would both become {copy}")
            jobs[copy] = path
    sources = {os.path.realpath(path) for path in jobs.values()}
    for copy in jobs:
        if os.path.realpath(copy) in sources:
            raise typer.BadParameter(f"{copy} is an input: choose another -o")
        if copy.exists() and not overwrite:
            raise typer.BadParameter(f"{copy} exists: choose --overwrite or another -o")

    night_of_one: Callable[[Picture, int, str], Picture] = night_of
    if learned is not None and like is not None:
        dark = list(find_pictures(like).values())
        night_of_one = partial(learned_night_of, generator=load_degradation(learned), like=dark)

    failed = False
    for copy, path in jobs.items():
        try:
            night = night_of_one(read(path), seed, path.name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            notes = night.write(copy)
        except (LightwellError, OSError) as error:
            failed = True
            typer.echo(f"{path}: {error}", err=True)
            continue
        if not quiet:
            typer.echo(f"{path} -> {copy}" + "".join(f" ({note})" for note in notes))
    if failed:
        raise typer.Exit(1)
