"""`lightwell evaluate`: how good restored pictures are, with a report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightwell.cli.options import command_line, flag

if TYPE_CHECKING:
    from lightwell.evaluation.evaluate import Evaluation
    from lightwell.evaluation.measures import Measure

__all__ = ["evaluate", "named", "progress", "refuse_to_overwrite"]


class _Protocol(StrEnum):
    strict = "strict"
    gtmean_gray = "gtmean-gray"
    y = "y"


def evaluate(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME|FILE", help="A model to run on --low. May be repeated."),
    ] = None,
    pred: Annotated[
        list[Path] | None,
        typer.Option(exists=True, file_okay=False, metavar="DIR", help="Restored pictures. May be repeated."),
    ] = None,
    low: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, metavar="DIR", help="The dark pictures; adds them as a row."),
    ] = None,
    high: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, metavar="DIR", help="The well-lit truth.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Of the report; made if missing.")
    ] = Path("evaluation"),
    protocol: Annotated[
        list[_Protocol] | None,
        typer.Option(help="What is done before PSNR and SSIM. May be repeated. Default: strict and gtmean-gray."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=FILES]",
            help="Further ones: fsim, fsimc, ciede2000, hue-error, lpips-alex, lpips-vgg, niqe[=FILE], "
            "brisque=MODEL,RANGE, sseq=MODEL[,RANGE]. May be repeated.",
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(metavar="NAME", help="Of the data. Default: the folder's.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Pictures measured at a time. Default: one a core.")] = None,
    overwrite: Annotated[bool, flag("--overwrite", help="Replace a report that exists.")] = False,
    quiet: Annotated[bool, flag("--quiet", "-q", help="Only errors.")] = False,
) -> None:
    """[bold]lightwell evaluate --model darkir-s --low eval15/low --high eval15/high[/bold]

    [bold]lightwell evaluate --pred mine --pred theirs --low eval15/low --high eval15/high[/bold]

    [bold]lightwell evaluate --pred restored[/bold]  without a truth: NIQE

    Measure restored pictures and write a report: a page to open in a browser, Markdown, CSV and JSON. Pictures are
    matched by name. Every number stands beside its protocol, the untouched input and one fixed gamma. Exit status: 0
    done, 1 a picture or folder is at fault, 2 the call is wrong, 130 stopped.
    """
    from lightwell.data.folders import find_pictures
    from lightwell.evaluation.evaluate import Method, baselines, check
    from lightwell.evaluation.evaluate import evaluate as measure_all
    from lightwell.evaluation.report.evaluation import write_report
    from lightwell.evaluation.report.page import FILES, provenance
    from lightwell.evaluation.restoring import restore_all

    if not model and not pred:
        raise typer.BadParameter("give --model, to run it on --low, or --pred, pictures that are restored")
    if model and low is None:
        raise typer.BadParameter("--model needs --low, the pictures to restore")
    measures = _measures(high is not None, protocol or [], metric or [])
    refuse_to_overwrite(output, FILES, overwrite=overwrite)

    dark = {} if low is None else find_pictures(low)
    truth = None if high is None else find_pictures(high)
    given = [Method(name, find_pictures(folder)) for name, folder in named(pred or []).items()]
    first = baselines(dark) if low else []
    check([*first, *given], truth)
    steps = len(dark) * len(model or []) + len(dark or truth or given[0].pictures)
    with progress(steps, quiet=quiet) as done:
        ours = [restore_all(name, dark, output / "restored" / Path(name).stem, done) for name in model or []]
        title = data or _name(high or low or (pred or [Path()])[0])
        result = measure_all(title, [*first, *ours, *given], truth, measures, jobs, done)
    output.mkdir(parents=True, exist_ok=True)
    made = provenance(command_line(), ["numpy", "scipy", "pillow", *(["onnxruntime"] if model else [])])
    write_report(result, output, made)
    if not quiet:
        _show(result)
        typer.echo(f"{output / FILES[0]}")


def _measures(with_truth: bool, protocols: Sequence[str], names: Sequence[str]) -> list[Measure]:
    from lightwell.errors import WeightsError
    from lightwell.evaluation.measures import by_name, by_protocol

    if not with_truth and protocols:
        raise typer.BadParameter("--protocol needs --high: PSNR and SSIM compare with a truth")
    try:
        measures = [by_name(name) for name in names]
    except (ValueError, WeightsError) as error:
        raise typer.BadParameter(str(error)) from error
    if with_truth:
        return [*(by_protocol(name) for name in protocols or ("strict", "gtmean-gray")), *measures]
    if any(measure.needs_truth for measure in measures):
        raise typer.BadParameter("without --high only metrics that need no truth: niqe, brisque, sseq")
    return measures or [by_name("niqe=lightwell-bsds300")]


def named(folders: Sequence[Path]) -> dict[str, Path]:
    """Folders by their name, or by their path as it was typed where several have one name."""
    names = [folder.resolve().name for folder in folders]
    return {
        name if names.count(name) == 1 else folder.as_posix(): folder
        for name, folder in zip(names, folders, strict=True)
    }


def _name(folder: Path) -> str:
    """What the data is called: the folder's name, with its parent's where it is only called high or low."""
    folder = folder.resolve()
    return folder.parent.name if folder.name.lower() in ("high", "low", "normal", "gt") else folder.name


def _show(result: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    from lightwell.evaluation.report.evaluation import mean_table

    table = Table(title=f"{result.data}: mean over {len(result.names)} pictures")
    table.add_column("method")
    for column in result.columns:
        table.add_column(f"{column.metric}\n{column.protocol}", justify="right", overflow="fold")
    for method, cells in mean_table(result):
        table.add_row(method.name, *(cell.mean for cell in cells))
    Console().print(table)


def refuse_to_overwrite(folder: Path, names: Sequence[str], *, overwrite: bool) -> None:
    """Before any work: a report is only replaced when told."""
    if folder.is_file():
        raise typer.BadParameter(f"-o {folder} is a file: name a folder")
    existing = [name for name in names if (folder / name).exists()]
    if existing and not overwrite:
        raise typer.BadParameter(f"{folder} holds a report ({', '.join(existing)}): choose --overwrite or another -o")


@contextlib.contextmanager
def progress(total: int, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A bar on a terminal, which the returned function moves on by one picture; nothing elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda name: bar.update(task, advance=1, description=name)
