"""`lightwell export`: a network as a file that other runtimes take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lightwell.cli.options import flag

__all__ = ["export"]


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A shipped model's name, or weights as training writes them.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The ONNX file to write.")],
    overwrite: Annotated[bool, flag("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """[bold]lightwell export darkir-s -o darkir-s.onnx[/bold]

    [bold]lightwell export runs/darkir-s/best.safetensors -o mine.onnx[/bold]

    Write a model as one ONNX file: input low, float32 (N, 3, H, W) in [0, 1] of any size, output restored, the same,
    not clamped. It holds no DFT operator, so onnxruntime, OpenVINO and others run it; lightwell restore -m takes it.
    """
    if output.exists() and not overwrite:
        raise typer.BadParameter(f"{output} exists: choose --overwrite or another -o")
    if output.suffix != ".onnx":
        raise typer.BadParameter(f"{output}: the name of an ONNX file ends in .onnx")

    from lightwell.export.onnx import export_onnx
    from lightwell.models import create_model, load_weights

    net = load_weights(Path(model)) if model.endswith(".safetensors") else create_model(model, pretrained=True)
    export_onnx(net, output)
    typer.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
