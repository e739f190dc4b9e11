"""`lightwell train`: run a recipe."""

from __future__ import annotations

import math
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightwell.cli.options import command_line, flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightwell.training.loop import Progress
    from lightwell.training.recipe import Recipe

__all__ = ["train"]

_SECONDS_BETWEEN_LINES = 15.0


def train(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="A shipped recipe's name, a Python file, or a run's folder to resume."),
    ],
    pairs: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Pairs to train on: a folder with low and high in it. May be repeated."),
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option("--held-out", metavar="DIR", help="Pairs to validate on, likewise. May be repeated."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="key=value", help="Replace a setting: seed=2, stages.0.lr=1e-4. May be repeated."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="The run's folder. Default: runs/NAME.")
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0, help="Stop after so long, with a checkpoint and a validation.")
    ] = math.inf,
    resume: Annotated[bool, flag("--resume", help="Go on from the folder's checkpoint, as the run began.")] = False,
    force: Annotated[
        bool, flag("--force", help="Resume although settings or data are not those it began with.")
    ] = False,
    imports: Annotated[
        list[Path] | None,
        typer.Option("--import", metavar="FILE.py", help="Run a file that registers networks. May be repeated."),
    ] = None,
) -> None:
    """[bold]lightwell train darkir-s --pairs mine --held-out mine_val --minutes 60[/bold]

    [bold]lightwell train darkir-s --set data=~/sets[/bold]  on the sets that the recipe names

    [bold]lightwell train runs/darkir-s --resume[/bold]

    [bold]torchrun --nproc-per-node 4 --no-python lightwell train darkir-s[/bold]  on four GPUs

    Train a network. A folder of pairs holds low, the dark pictures, and high, the same scenes well lit, matched by
    name. Without --pairs the data folder holds the sets that the recipe names: lol_v1 (with our485 and eval15 in it)
    and photographs for the shipped ones. The run's folder gets what the experiment is (run.json), a checkpoint to go on
    from, the best and the last weights, log.csv, a page with curves and pictures of held-out scenes, and TensorBoard's
    files. Exit status: 0 done, 1 something is at fault, 2 the call is wrong, 130 stopped by Ctrl-C after a checkpoint.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    if force and not resume:
        raise typer.BadParameter("--force goes with --resume")
    if held_out and not pairs:
        raise typer.BadParameter("--held-out needs --pairs, the folder to train on")
    for name, folders in (("--pairs", pairs), ("--held-out", held_out)):
        for folder in folders or []:
            for half in ("low", "high"):
                if not (folder / half).is_dir():
                    raise typer.BadParameter(f"{name} {folder}: there is no folder {folder / half}")
    console = Console(stderr=True, highlight=False, quiet=os.environ.get("RANK", "0") != "0")  # one of several speaks

    from lightwell.models import import_networks
    from lightwell.training.loop import train as run

    for file in imports or []:
        import_networks(file)
    if Path(recipe).is_dir():
        if not resume:
            raise typer.BadParameter(f"{recipe} is a run's folder: --resume goes on with it")
        output = output or Path(recipe)
    before, source, folder = _begun(recipe, output, resume)
    chosen, every, notes = _chosen(source, before, pairs or [], held_out or [], settings or [])
    named = [name for name in (*chosen.pairs, *chosen.held_out) if not Path(name).is_absolute()]
    if named and not chosen.data.is_dir():
        raise typer.BadParameter(
            f"there is no folder {chosen.data} with the sets that the recipe names ({', '.join(named)}): --pairs DIR "
            "trains on pairs of your own, --set data=DIR says where the sets are"
        )
    say = partial(console.print, soft_wrap=True, markup=False)
    for note in notes:
        say(note)
    again = f"lightwell train {source if source.endswith('.py') else folder} --resume"
    if source.endswith(".py"):
        again += f" -o {folder}"
    told = {"source": source, "settings": every, "command": command_line()}

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    last: Progress | None = None
    printed = -math.inf
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading the data", total=None)

        def report(progress: Progress) -> None:
            nonlocal last, printed
            last = progress
            numbers = progress.numbers
            words = f"{progress.stage}  loss {numbers['loss']:.4f}  {numbers['pictures_per_second']:.1f} pictures/s"
            if numbers["skipped"]:
                words += f"  {numbers['skipped']:.0f} steps skipped"
            bar.update(task, completed=progress.step, total=progress.steps, description=words)
            if not console.is_terminal and time.monotonic() - printed > _SECONDS_BETWEEN_LINES:
                say(f"step {progress.step} of {progress.steps}: {words}")
                printed = time.monotonic()
            if progress.validation:
                scores = "  ".join(f"{name} {score:.2f} dB" for name, score in progress.validation.items())
                say(f"step {progress.step} of {progress.steps}: {scores} (PSNR, strict)")

        try:
            run(chosen, folder, minutes=minutes, resume=resume, force=force, told=told, report=report, note=say)
        except KeyboardInterrupt:
            say(f"stopped after step {last.step if last else 0}; go on with: {again}")
            raise typer.Exit(130) from None
    if last and last.step < last.steps:
        say(f"{minutes:g} minutes are up after step {last.step} of {last.steps}; go on with: {again}")
    say(f"\n{folder} is a model everywhere, and {folder / 'index.html'} shows how it came about:")
    own = next((path for path in map(Path, chosen.held_out) if path.is_absolute()), Path("DIR"))
    for words in (
        f"restore night.jpg -m {folder}",
        f"evaluate --model {folder} --low {own / 'low'} --high {own / 'high'}",
        f"export {folder}",
    ):
        say(f"  lightwell {words}")


def _begun(recipe: str, output: Path | None, resume: bool) -> tuple[list[str], str, Path]:
    """The settings that a run to resume began with, what its recipe comes from, and its folder."""
    from lightwell.errors import PlanError
    from lightwell.recipes import list_recipes, load_recipe
    from lightwell.training.record import read_record

    if Path(recipe).is_dir():
        record = read_record(Path(recipe)) or {}
        if not record.get("source"):
            raise PlanError(f"{recipe}: does not say which recipe it began with: name the recipe, and -o {recipe}")
        source = str(record["source"])
        if source not in list_recipes():  # a file that another file names is not run
            raise PlanError(
                f"{recipe} began with the recipe {source}, which is no shipped one: name its file yourself, as in "
                f"lightwell train {source} --resume -o {recipe}"
            )
        return list(map(str, record["settings"])), source, output or Path(recipe)
    source = str(Path(recipe).resolve()) if recipe.endswith(".py") else recipe
    folder = output or Path("runs", load_recipe(recipe).name)
    record = (read_record(folder) or {}) if resume else {}
    return list(map(str, record.get("settings", []))), source, folder


def _chosen(
    source: str, before: Sequence[str], pairs: Sequence[Path], held_out: Sequence[Path], settings: Sequence[str]
) -> tuple[Recipe, list[str], list[str]]:
    """The recipe, all the settings that make it, those of a resumed run first, and what to tell of it."""
    from lightwell.recipes import load_recipe
    from lightwell.training.recipe import override

    base, notes, now = load_recipe(source), [], list(settings)
    if pairs:
        own, kept = ([str(folder.resolve()) for folder in folders] for folders in (pairs, held_out))
        now = [f"pairs={dict.fromkeys(own, 1.0)!r}", f"held_out={tuple(kept)!r}", *now]
        if not held_out:
            notes.append("no --held-out: nothing tells how good the network is; the last weights count as the best")
    every = [*before, *(setting for setting in now if setting not in before)]
    chosen = override(base, every)
    if pairs and any(stage.synthetic for stage in chosen.stages):
        photographs = chosen.data / chosen.photographs
        if not photographs.is_dir():
            every.append("stages.synthetic=0")
            chosen = override(chosen, every[-1:])
            notes.append(
                f"no photographs in {photographs}: trained on the pairs alone (--set data=DIR names the folder that "
                f"holds {chosen.photographs})"
            )
    return chosen, every, notes
