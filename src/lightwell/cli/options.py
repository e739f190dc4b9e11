"""Options that several commands share."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lightwell.pictures import Format
    from lightwell.restoring.restorer import Tile

__all__ = [
    "Brightness",
    "Denoise",
    "Device",
    "DeviceName",
    "FormatName",
    "MaxMemory",
    "MaxPixels",
    "Model",
    "Overwrite",
    "Preview",
    "Quality",
    "Quiet",
    "Strength",
    "TileSide",
    "Warmth",
    "command_line",
    "flag",
    "format_named",
    "tile_named",
]

flag = partial(typer.Option, metavar="")
"""A switch that takes no value; typer by itself would print ``<bool>`` behind its name, as if one had to follow."""


class DeviceName(StrEnum):
    """`lightwell.engines.DEVICES`, which are not at hand before the command runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    openvino = "openvino"
    coreml = "coreml"
    torch = "torch"


# What `lightwell.restoring.controls.Controls` holds, with its bounds.
Strength = Annotated[float, typer.Option(min=0.0, max=1.0, help="How much of the light: 0 leaves it as it is.")]
Brightness = Annotated[
    float, typer.Option(min=-4.0, max=4.0, metavar="EV", help="Stops on top of what the model chooses.")
]
Warmth = Annotated[float, typer.Option(min=-1.0, max=1.0, help="-1 cooler, 1 warmer.")]
Denoise = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="How much noise and shake is taken out (two-stage models).")
]
Preview = Annotated[
    bool, flag("--preview", help="The light alone, still noisy, in a tenth of the time (two-stage models).")
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|FILE|RUN",
        help="See lightwell models; or an ONNX file, weights, or a run's folder.",
    ),
]
Quality = Annotated[
    int | None, typer.Option(min=1, max=100, help="Of JPEG and WebP. Default: 95; lossless WebP stays lossless.")
]
Device = Annotated[DeviceName, typer.Option(case_sensitive=False, help="Where to run.")]
FormatName = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="jpeg|png|webp|tiff|bmp|avif|heif",
        help="Of the output. Default: as its name or the input.",
    ),
]
TileSide = Annotated[
    str, typer.Option("--tile", metavar="auto|off|N", help="Side of the tiles that large pictures are cut into.")
]
MaxMemory = Annotated[
    str, typer.Option("--max-memory", metavar="SIZE", help="For one picture that a model restores; tiles follow.")
]
MaxPixels = Annotated[
    int | None, typer.Option("--max-pixels", min=1, metavar="N", help="Refuse larger pictures. Default: 256 million.")
]
Overwrite = Annotated[bool, flag("--overwrite", help="Replace files that exist.")]
Quiet = Annotated[bool, flag("--quiet", "-q", help="Only errors.")]


def format_named(word: str | None) -> Format | None:
    """The format that ``--format`` names, by its own name or a suffix."""
    from lightwell.pictures import WRITTEN, format_of_name

    if word is None:
        return None
    named = next((name for name in WRITTEN if name == word.upper()), format_of_name(f"_.{word}"))
    if named not in WRITTEN:
        names = ", ".join(name.lower() for name in WRITTEN)
        raise typer.BadParameter(f"--format is one of {names}, not {word!r}")
    return named


def tile_named(word: str) -> Tile:
    """What ``--tile`` says."""
    if word == "auto":
        return "auto"
    if word == "off":
        return "off"
    if not word.isdecimal():
        raise typer.BadParameter(f"--tile is auto, off or a number of pixels, not {word!r}")
    return int(word)


def command_line() -> str:
    """The command as it was typed, for the record."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
