"""`lightwell import`: a public checkpoint into our form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lightwell.cli.options import flag

__all__ = ["import_checkpoint"]


def import_checkpoint(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(metavar="CHECKPOINT...", help="A .pt, .pth or .safetensors file; both of them for a FRLIE."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="NAME", help="NAME.safetensors and NAME.onnx are written.")
    ],
    dilations: Annotated[
        str | None,
        typer.Option(metavar="1,4,9", help="Of a DarkIR, which no checkpoint tells. Default: 1,4,9."),
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """[bold]lightwell import DarkIR_384.pt -o darkir-blur[/bold]

    [bold]lightwell import weights_reconstruct.pth weights_feature_process.pth -o frlie-public[/bold]

    Bring a public checkpoint of DarkIR or FRLIE into our form, as weights to train from and a graph for lightwell
    restore -m. Its structure is read off the file, and nothing in the file is executed.
    """
    weights, graph = (output.with_name(f"{output.name}.{suffix}") for suffix in ("safetensors", "onnx"))
    for path in (weights, graph):
        if path.exists() and not overwrite:
            raise typer.BadParameter(f"{path} exists: choose --overwrite or another -o")
    if not output.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {output.parent} for {output.name}")
    try:
        chosen = None if dilations is None else [int(word) for word in dilations.split(",")]
    except ValueError:
        raise typer.BadParameter(f"--dilations takes numbers like 1,4,9, not {dilations!r}") from None

    from lightwell.export.checkpoints import import_network
    from lightwell.export.onnx import export_onnx
    from lightwell.models import save_weights

    net = import_network(checkpoints, chosen)
    save_weights(net, weights)
    export_onnx(net, graph)
    typer.echo(f"{weights} and {graph}: {type(net).__name__}, {_described(net.config)}")


def _described(config: object) -> str:
    return ", ".join(f"{key} {list(v) if isinstance(v, tuple) else v}" for key, v in vars(config).items())
