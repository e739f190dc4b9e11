"""`lightwell export`: a network as a file that other runtimes take."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lightwell.cli.options import flag

__all__ = ["export"]


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A shipped model's name, a weights file (.safetensors), or a run's folder."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The ONNX file to write. Default: NAME.onnx here."),
    ] = None,
    imports: Annotated[
        list[Path] | None,
        typer.Option("--import", metavar="FILE.py", help="Run a file that registers networks. May be repeated."),
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """[bold]lightwell export darkir-s[/bold]

    [bold]lightwell export runs/darkir-s -o mine.onnx[/bold]

    Write a model as one ONNX file: input low, float32 (N, C, H, W) in [0, 1] of any size, output restored, the same,
    not clamped. A model of several networks becomes a folder of graphs with a card. They hold no DFT operator, so
    onnxruntime, OpenVINO and others run them; their metadata say how, and lightwell restore -m takes them. On CPUs with
    bfloat16 instructions OpenVINO computes in bfloat16 unless it is told INFERENCE_PRECISION_HINT f32: single pixels
    are then up to some 30 levels off, a mean of half a level.
    """
    from lightwell import zoo
    from lightwell.weights import find_weights, name_of

    card = next((card for card in zoo.cards() if card.name == model and len(card.graphs) > 1), None)
    if card is not None:
        from lightwell.export.onnx import export_model

        _export_folder(model, partial(export_model, card), output, overwrite)
        return
    weights, name = find_weights(model), name_of(model)

    from rich.console import Console

    with Console(stderr=True).status(f"reading {weights}"):
        from lightwell.export.onnx import export_lit, export_onnx
        from lightwell.models import import_networks, load_weights
        from lightwell.models.front import Lit

        for file in imports or []:
            import_networks(file)
        net = load_weights(weights)
    if isinstance(net, Lit):
        _export_folder(name, partial(export_lit, net, name=name), output, overwrite)
        return
    output = output or Path(f"{name}.onnx")
    if output.exists() and not overwrite:
        raise typer.BadParameter(f"{output} exists: choose --overwrite or another -o")
    if output.suffix != ".onnx":
        raise typer.BadParameter(f"{output}: the name of an ONNX file ends in .onnx")
    if not output.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {output.parent} for {output.name}")

    start = time.monotonic()
    with Console(stderr=True).status(f"making a graph of {weights}"):
        known = {card.name: card.spec.bytes_per_pixel for card in zoo.cards()}
        export_onnx(net, output, name=name, bytes_per_pixel=known.get(model))
    typer.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB, {time.monotonic() - start:.0f} s")


def _export_folder(name: str, make: Callable[[Path], list[Path]], output: Path | None, overwrite: bool) -> None:
    """Graphs and card of a model of several networks."""
    from rich.console import Console

    folder = output or Path(name)
    if folder.exists() and not folder.is_dir():
        raise typer.BadParameter(f"{folder}: {name} is made of several networks and needs a folder")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise typer.BadParameter(f"{folder} holds something: choose --overwrite or another -o")
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with Console(stderr=True).status(f"making the graphs of {name}"):
        files = make(folder)
    size = sum(path.stat().st_size for path in files) / 1e6
    typer.echo(f"{files[-1]}: {len(files) - 1} graphs, {size:.1f} MB, {time.monotonic() - start:.0f} s")
