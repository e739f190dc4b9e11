"""`lightwell degrade`: dark, noisy, blurred copies of good photographs."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lightwell.picture import Picture

__all__ = ["degrade"]


def degrade(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Good photographs: files or folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where copies go; made if missing.")],
    seed: Annotated[int, typer.Option(help="The same seed and file name give the same picture.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace copies that exist.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
) -> None:
    """[bold]lightwell degrade photographs -o night --seed 7[/bold]

    Make dark, noisy, blurred copies of good photographs, as a camera would take them in the dark. Names, folders and
    metadata are kept, so photographs and copies are pairs to train and measure on. Exit status: 0 all made, 1 some
    failed, 2 the call is wrong.
    """
    from lightwell.data.folders import find_pictures
    from lightwell.errors import LightwellError
    from lightwell.picture import read

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

    failed = False
    for copy, path in jobs.items():
        try:
            night = _degraded(read(path), zlib.crc32(f"{seed}/{path.name}".encode()))
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


def _degraded(picture: Picture, seed: int) -> Picture:
    """The picture, at 8 bits and in colour, with all else it says of itself."""
    from dataclasses import replace

    import numpy as np
    import torch

    from lightwell.data.degrade import Degradation
    from lightwell.data.degrade import degrade as darken

    height, width = picture.size
    scale = 2**picture.bits - 1
    target = torch.tensor(picture.pixels.astype(np.float32) / scale).permute(2, 0, 1).expand(1, 3, height, width)
    shots = Degradation().sample(1, torch.Generator().manual_seed(seed))
    low = (darken(target, shots)[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    alpha = None if picture.alpha is None else (picture.alpha // (scale // 255)).astype(np.uint8)
    return replace(picture, pixels=low, alpha=alpha)
