"""`lightwell export-web`: the page as a folder that needs no service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lightwell.cli.options import flag

__all__ = ["export_web"]


def export_web(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME|CARD", help="A model of two stages."),
    ] = None,
    runtime: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="What npm pack onnxruntime-web@1.30.0 fetched. Default: npm fetches it."),
    ] = None,
    webgpu: Annotated[
        bool, flag("--webgpu", help="Let a person choose the graphics card; 27 MB more, loaded when chosen.")
    ] = False,
    overwrite: Annotated[bool, flag("--overwrite", help="Write into a folder that holds something.")] = False,
) -> None:
    """[bold]lightwell export-web site && python -m http.server -d site[/bold]  and open http://127.0.0.1:8000

    The page of lightwell serve as plain files that restore photos in the browser itself, on whatever machine it runs:
    no service, no upload. Any web server takes them, at any path. They hold onnxruntime-web from npm, checked by
    SHA-256.
    """
    from rich.console import Console

    from lightwell.serve.folder import read_runtime, write_folder

    if folder.exists() and not folder.is_dir():
        raise typer.BadParameter(f"{folder} is a file: name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise typer.BadParameter(f"{folder} holds something: choose --overwrite or another folder")
    if runtime is not None and not runtime.exists():
        raise typer.BadParameter(f"there is no {runtime}")
    with Console(stderr=True).status("gathering the page, the model and what runs it"):
        size = write_folder(folder, model, read_runtime(runtime, webgpu=webgpu), webgpu=webgpu)
    typer.echo(f"{folder}: {size / 1e6:.0f} MB; python -m http.server -d {folder} shows it")
