"""`lightwell evaluate`: how good restored pictures are, with a report."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightwell.cli.console import Voice, worded
from lightwell.cli.options import MaxMemory, Quiet, command_line, flag

if TYPE_CHECKING:
    from lightwell.evaluation.evaluate import Evaluation
    from lightwell.evaluation.measures import Measure
    from lightwell.evaluation.restoring import Restoring
    from lightwell.jobs.events import Event

__all__ = ["evaluate", "follow", "named", "refuse_to_overwrite", "restored_folders", "restorings"]


class _Protocol(StrEnum):
    strict = "strict"
    gtmean_gray = "gtmean-gray"
    y = "y"


def evaluate(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME|FILE|RUN", help="A model to run on --low. May be repeated."),
    ] = None,
    pred: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]DIR", help="Restored pictures, and what to call them. May be repeated."),
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
            help="Further ones: fsim, fsimc, ciede2000, hue-error, lpips-alex, lpips-vgg, niqe[=published|FILE], "
            "brisque=MODEL,RANGE, sseq=MODEL[,RANGE]. May be repeated.",
        ),
    ] = None,
    max_memory: MaxMemory = "2G",
    data: Annotated[str | None, typer.Option(metavar="NAME", help="Of the data. Default: the folder's.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Pictures measured at a time. Default: one a core.")] = None,
    imports: Annotated[
        list[Path] | None,
        typer.Option("--import", metavar="FILE.py", help="Run a file that registers networks. May be repeated."),
    ] = None,
    latex: Annotated[bool, flag("--latex", help="Also write the table for LaTeX: table.tex.")] = False,
    overwrite: Annotated[bool, flag("--overwrite", help="Replace a report that exists.")] = False,
    quiet: Quiet = False,
) -> None:
    """[bold]lightwell evaluate --model darkir-s --low eval15/low --high eval15/high[/bold]

    [bold]lightwell evaluate --pred mine --pred IAT=theirs/iat --low eval15/low --high eval15/high[/bold]

    [bold]lightwell evaluate --pred restored[/bold]  without a truth: NIQE

    Measure restored pictures and write a report: a page to open in a browser, Markdown, CSV and JSON. Pictures are
    matched by name. Every number stands beside its protocol, the untouched input and one fixed gamma. Exit status: 0
    done, 1 a picture or folder is at fault, 2 the call is wrong, 130 stopped.
    """
    from lightwell.data.folders import find_pictures
    from lightwell.evaluation.evaluate import Measuring, Method, baselines, check
    from lightwell.evaluation.report.evaluation import warning, write_latex, write_report
    from lightwell.evaluation.report.page import FILES, provenance
    from lightwell.files import make_folder

    if not model and not pred:
        raise typer.BadParameter("give --model, to run it on --low, or --pred, pictures that are restored")
    if model and low is None:
        raise typer.BadParameter("--model needs --low, the pictures to restore")
    if not overwrite and latex and (output / "table.tex").exists():
        raise typer.BadParameter(f"{output / 'table.tex'} exists: choose --overwrite or another -o")
    measures = _measures(high is not None, protocol or [], metric or [])
    refuse_to_overwrite(output, FILES, overwrite=overwrite)
    folders = named(pred or [])
    restored = restored_folders(model or [], output, [folder for folder in (low, high, *folders.values()) if folder])

    dark = {} if low is None else find_pictures(low)
    truth = None if high is None else find_pictures(high)
    given = [Method(name, find_pictures(folder)) for name, folder in folders.items()]
    first = baselines(dark) if low else []
    check([*first, *(Method(name, dark) for name in restored), *given], truth)
    voice = Voice("measured", quiet=quiet, lines=False)
    if not low:
        voice.note("no --low: the untouched input and the fixed gamma are not in the table")
    if imports:
        from lightwell.models import import_networks

        for file in imports:
            import_networks(file)
    ours = restorings(model or [], dark, restored.values(), voice, max_memory=max_memory, overwrite=overwrite)
    follow(voice, (each.events() for each in ours), len(dark) * len(ours))
    title = data or _name(high or low or next(iter(folders.values())))
    measuring = Measuring(title, [*first, *(each.method() for each in ours), *given], truth, measures)
    follow(voice, [measuring.events(jobs)], len(measuring))
    result = measuring.result()
    make_folder(output)
    made = provenance(command_line(), ["numpy", "scipy", "pillow", *(["onnxruntime"] if model else [])])
    write_report(result, output, made)
    if latex:
        write_latex(result, output / "table.tex")
    if not quiet:
        _show(result)
        if few := warning(result):
            typer.echo(few)
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
    return measures or [by_name("niqe")]


def named(folders: Sequence[str]) -> dict[str, Path]:
    """Folders by the names they are given as ``NAME=DIR``, else by their own, or by their path as it was typed where
    several have one name.
    """
    paths, given = [], []
    for text in folders:
        name, equals, rest = text.partition("=")
        if Path(text).is_dir() or not equals or not name:
            paths.append(Path(text))
            given.append("")
        else:
            paths.append(Path(rest))
            given.append(name)
    for path in paths:
        if not path.is_dir():
            raise typer.BadParameter(f"--pred: there is no folder {path}")
    own = [path.resolve().name for path in paths]
    chosen = [
        name or (folder if own.count(folder) == 1 else path.as_posix())
        for name, folder, path in zip(given, own, paths, strict=True)
    ]
    chosen = [name.encode("utf-8", "backslashreplace").decode() for name in chosen]
    if doubled := sorted({name for name in chosen if chosen.count(name) > 1}):
        raise typer.BadParameter(f"--pred: several are called {', '.join(doubled)}: give them names, --pred NAME=DIR")
    return dict(zip(chosen, paths, strict=True))


def restored_folders(models: Sequence[str], output: Path, inputs: Sequence[Path]) -> dict[str, Path]:
    """The folder that each model's pictures go to, by the model's name.

    Args:
        models: as they are given.
        output: the report's folder.
        inputs: folders that are read, which must not lie there.
    """
    from lightwell.export import is_weights
    from lightwell.weights import find_weights, name_of

    found: dict[str, Path] = {}
    for model in models:
        if is_weights(model):
            find_weights(model)
        name = name_of(model)
        if name in found:
            raise typer.BadParameter(f"two models are called {name}: evaluate them one at a time, or rename a file")
        found[name] = folder = output / "restored" / name
        inside = [path for path in inputs if folder.resolve() in (path.resolve(), *path.resolve().parents)]
        if inside:
            raise typer.BadParameter(f"{inside[0]} lies where restored pictures go, {folder}: choose another -o")
    return found


def restorings(
    models: Sequence[str],
    low: Mapping[str, Path],
    folders: Iterable[Path],
    voice: Voice,
    *,
    max_memory: str,
    overwrite: bool,
) -> list[Restoring]:
    """What each model is to do; pictures that exist are only written over when told."""
    from lightwell.errors import PlanError
    from lightwell.evaluation.restoring import Restoring
    from lightwell.restoring.restorer import parse_bytes

    try:
        memory = parse_bytes(max_memory)
        return [
            Restoring(model, low, folder, max_memory=memory, overwrite=overwrite, tell=voice.note)
            for model, folder in zip(models, folders, strict=True)
        ]
    except (PlanError, ValueError) as error:
        raise typer.BadParameter(worded(error)) from error


def follow(voice: Voice, runs: Iterable[Generator[Event, None, None]], total: int) -> None:
    """Shows runs, one after the other, of which all pictures are needed.

    Raises:
        WeightsError: a network does not fit, whatever the picture.
        DataError: pictures failed, which was told of each.
    """
    from lightwell.errors import DataError, WeightsError
    from lightwell.jobs.events import Failed

    def watched() -> Generator[Event, None, None]:
        for run in runs:
            with closing(run):
                for event in run:
                    if isinstance(event, Failed) and isinstance(event.error, WeightsError):
                        raise event.error
                    yield event

    with closing(watched()) as seen:
        voice.run(seen, total)
    if voice.failures:
        raise DataError(f"{voice.failures} of {total} pictures failed, so there is no report: mend or take them out")


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
