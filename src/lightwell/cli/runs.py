"""`lightwell runs`: what was trained."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from lightwell.cli.options import flag

__all__ = ["runs"]

_MOST = 24


def runs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Runs are looked for in it and below.")] = Path(
        "runs"
    ),
    as_json: Annotated[bool, flag("--json", help="As JSON.")] = False,
) -> None:
    """[bold]lightwell runs[/bold]    [bold]lightwell runs experiments/[/bold]

    List the runs in a folder: how far each came, its best score on every held-out set (PSNR in dB, strict) and the step
    it was reached at; and the settings in which they differ.
    """
    import json

    from lightwell.training.runs import differing, list_runs

    found = list_runs(folder)
    names = [_name(run.folder, folder) for run in found]
    changed = differing(found)
    if as_json:
        content = [
            {
                "folder": str(run.folder),
                "step": run.step,
                "steps": run.steps,
                "stage": run.stage,
                "loss": None if math.isnan(run.loss) else run.loss,
                "scores": {label: {"psnr": best, "step": step} for label, (best, step) in (run.scores or {}).items()},
                "settings": {setting: values[place] for setting, values in changed},
                "fault": run.fault or None,
            }
            for place, run in enumerate(found)
        ]
        typer.echo(json.dumps(content, indent=1, ensure_ascii=False))
        return

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    sets = list(dict.fromkeys(label for run in found for label in run.scores or {}))
    table = Table()
    for column in ("run", "step", "stage", "loss"):
        table.add_column(column, overflow="fold")
    for label in sets:
        table.add_column(escape(label), justify="right", overflow="fold")
    tops = {label: max(run.scores[label][0] for run in found if run.scores and label in run.scores) for label in sets}
    for name, run in zip(names, found, strict=True):
        if run.fault:
            table.add_row(escape(name), escape(f"cannot be read: {run.fault}"))
            continue
        step = f"{run.step} of {run.steps}" if run.steps else str(run.step)
        cells = []
        for label in sets:
            best = (run.scores or {}).get(label)
            text = f"{best[0]:.2f} at {best[1]}" if best else "-"
            cells.append(f"[bold]{text}[/bold]" if best and len(found) > 1 and best[0] == tops[label] else text)
        table.add_row(escape(name), step, escape(run.stage), "-" if math.isnan(run.loss) else f"{run.loss:.4f}", *cells)
    console.print(table)
    if changed:
        settings = Table(title="where they differ")
        settings.add_column("setting", overflow="fold")
        for name in names:
            settings.add_column(escape(name), overflow="fold")
        for setting, values in changed[:_MOST]:
            settings.add_row(escape(setting), *map(escape, values))
        console.print(settings)
        if len(changed) > _MOST:
            typer.echo(f"{_MOST} of {len(changed)} settings; --json lists them all")


def _name(run: Path, folder: Path) -> str:
    return run.name if run == folder else run.relative_to(folder).as_posix()
