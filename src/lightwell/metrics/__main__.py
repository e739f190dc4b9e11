"""``python -m lightwell.metrics``: published parameters into the cache, and NIQE parameters of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lightwell.data.folders import find_pictures
from lightwell.errors import DataError, LightwellError
from lightwell.metrics.lpips import PUBLISHED as LPIPS
from lightwell.metrics.niqe import PUBLISHED as NIQE
from lightwell.metrics.niqe import fit_niqe
from lightwell.pictures import read_named, to_srgb

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
_FILES = {file.name: file for file in (NIQE, *LPIPS.values())}


@app.command()
def download(names: Annotated[list[str], typer.Argument(help=f"Of {', '.join(_FILES)}.")]) -> None:
    """Downloads files that others published, checks them by SHA-256 and keeps them in the cache.

    Example: python -m lightwell.metrics download niqe_pris_params.npz
    """
    for name in names:
        if name not in _FILES:
            raise typer.BadParameter(f"no file {name!r}; there are {', '.join(_FILES)}")
        typer.echo(_FILES[name].download())


@app.command("fit-niqe")
def fit(
    folder: Annotated[Path, typer.Argument(help="Good photographs, at least 192x96 pixels each.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="An .npz file; scores go by its name.")],
) -> None:
    """Fits NIQE's parameters on a folder of undistorted photographs.

    Example: python -m lightwell.metrics fit-niqe photographs -o mine.npz
    """
    paths = find_pictures(folder).values()
    pictures = (to_srgb(read_named(path)).pixels for path in paths)
    try:
        fit_niqe(pictures, output.name).save(output)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot fit on the pictures of {folder}: {error}") from error
    typer.echo(f"{output}: fitted on {len(paths)} photographs")


def main() -> None:
    """Runs the command line; what a person can mend is one line and exit code 1."""
    try:
        app()
    except LightwellError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
