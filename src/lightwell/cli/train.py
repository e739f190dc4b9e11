"""`lightwell train`: run a recipe."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightwell.cli.options import flag

if TYPE_CHECKING:
    from lightwell.training.loop import Progress

__all__ = ["train"]


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name, or a Python file.")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="key=value", help="Replace a setting: seed=2, stages.0.lr=1e-4. May be repeated."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="The run's folder. Default: runs/NAME.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0, help="Stop after so long, with a checkpoint.")] = math.inf,
    resume: Annotated[bool, flag("--resume", help="Go on from the folder's checkpoint.")] = False,
) -> None:
    """[bold]lightwell train darkir-s --set data=~/sets --minutes 60[/bold]

    [bold]lightwell train darkir-s --set data=~/sets --resume[/bold]

    [bold]torchrun --nproc-per-node 4 --no-python lightwell train darkir-s[/bold]  on four GPUs

    Train a network. The data folder holds the sets that the recipe names, lol_v1 (with our485 and eval15 in it) and
    photographs for the shipped ones. The run's folder gets a checkpoint to go on from, the best and the last weights,
    log.csv, TensorBoard's files and pictures of held-out scenes. Exit status: 0 done, 1 something is at fault, 2 the
    call is wrong, 130 stopped by Ctrl-C after a checkpoint.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from lightwell.recipes import load_recipe
    from lightwell.training.loop import train as run
    from lightwell.training.recipe import override

    chosen = override(load_recipe(recipe), settings or [])
    folder = output or Path("runs", chosen.name)
    console = Console(stderr=True, highlight=False, quiet=os.environ.get("RANK", "0") != "0")  # one of several speaks
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    last: Progress | None = None
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading the data", total=None)

        def report(progress: Progress) -> None:
            nonlocal last
            last = progress
            numbers = progress.numbers
            words = f"{progress.stage}  loss {numbers['loss']:.4f}  {numbers['pictures_per_second']:.1f} pictures/s"
            if numbers["skipped"]:
                words += f"  {numbers['skipped']:.0f} steps skipped"
            bar.update(task, completed=progress.step, total=progress.steps, description=words)
            if progress.validation:
                scores = "  ".join(f"{name} {score:.2f} dB" for name, score in progress.validation.items())
                console.print(f"step {progress.step} of {progress.steps}: {scores} (PSNR, strict)")

        try:
            best = run(chosen, folder, minutes=minutes, resume=resume, report=report)
        except KeyboardInterrupt:
            console.print(f"stopped after step {last.step if last else 0}; go on with --resume")
            raise typer.Exit(130) from None
    if last and last.step < last.steps:
        console.print(f"{minutes:g} minutes are up after step {last.step} of {last.steps}; go on with --resume")
    else:
        console.print(str(best))
