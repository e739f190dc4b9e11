"""`lightwell degrade`: dark, noisy, blurred copies of good photographs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightwell.cli.console import Voice, printable, progress, worded
from lightwell.cli.options import flag

if TYPE_CHECKING:
    from lightwell.jobs.events import Job
    from lightwell.jobs.run import Tell
    from lightwell.pictures import Picture

__all__ = ["degrade"]


def degrade(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Good photographs: files or folders.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="Where copies go; made if missing.")],
    seed: Annotated[int, typer.Option(help="The same seed and file name give the same picture.")] = 0,
    coco: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="COCO annotations of INPUT, one folder: makes a detection set of low/, high/ and annotations.json.",
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With --coco: so many pictures, drawn by the seed.")
    ] = None,
    learned: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Instead of a camera's model, the degradation that a DRGN has learnt: a shipped model's name, or its "
            "weights as training writes them.",
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            metavar="DIR",
            help="With --learned: dark photographs. Each copy gets the degradation of one of them, whose scene shows "
            "through it.",
        ),
    ] = None,
    pairs: Annotated[
        bool, flag("--pairs", help="Make a set to train on: low/, high/ and shots.csv, which tells what befell each.")
    ] = False,
    copies: Annotated[int, typer.Option(min=1, metavar="N", help="With --pairs: copies of each photograph.")] = 1,
    leave_held_out: Annotated[
        bool, flag("--leave-held-out", help="With --pairs: without the 40 photographs that models are judged by.")
    ] = False,
    ev: Annotated[
        tuple[float, float], typer.Option(metavar="LOW HIGH", help="Exposure in stops, drawn between the two.")
    ] = (-6.0, 0.0),
    shaken: Annotated[float, typer.Option(min=0, max=1, help="Share that is blurred by a shaken camera.")] = 0.3,
    hard: Annotated[float, typer.Option(min=0, max=1, help="Share in hard light, as against a bright sky.")] = 0.0,
    hardness: Annotated[
        tuple[float, float], typer.Option(metavar="LOW HIGH", help="How hard that light is, drawn between the two.")
    ] = (0.0, 1.3),
    noise: Annotated[
        float, typer.Option(min=0.01, metavar="FACTOR", help="How strong the strongest noise is, beside the usual.")
    ] = 1.0,
    grain: Annotated[
        float, typer.Option(min=0, max=1, help="Share whose noise is coarse, as developing and reducing leave it.")
    ] = 0.0,
    jpeg: Annotated[
        float, typer.Option(min=0, max=1, help="Share that went through JPEG, whose steps make patterns of noise.")
    ] = 0.3,
    veil: Annotated[
        float, typer.Option(min=0, max=1, help="Most stray light over black, as a share of white; half have none.")
    ] = 0.0,
    lamps: Annotated[
        float,
        typer.Option(min=0, max=1, help="With --pairs: share whose scene is lit by lamps at night, black beyond."),
    ] = 0.0,
    overwrite: Annotated[bool, flag("--overwrite", help="Replace copies that exist.")] = False,
    skip_existing: Annotated[
        bool, flag("--skip-existing", help="Leave out photographs whose copy exists: resumes a batch.")
    ] = False,
    quiet: Annotated[bool, flag("--quiet", "-q", help="Only errors.")] = False,
    verbose: Annotated[bool, flag("--verbose", "-v", help="What is skipped, and traces of errors.")] = False,
) -> None:
    """[bold]lightwell degrade photographs -o night --seed 7[/bold]

    [bold]lightwell degrade val2017 --coco instances_val2017.json --count 1000 -o coco1000[/bold]

    [bold]lightwell degrade photographs --pairs --copies 8 -o sets/night[/bold]

    [bold]lightwell degrade photographs --learned drgn-lw --like dark -o night[/bold]

    Make dark, noisy, blurred copies of good photographs, as a camera would take them in the dark. Names, folders and
    metadata are kept, so photographs and copies are pairs to train and measure on. Exit status: 0 all made, 1 some
    failed, 2 the call is wrong.
    """
    from lightwell.data.coco import darken_coco
    from lightwell.data.degrade import Degradation
    from lightwell.data.folders import find_pictures
    from lightwell.data.night import learned_night_of, load_degradation, night_of
    from lightwell.data.night_pairs import make_night_pairs
    from lightwell.data.splits import held_out_photographs
    from lightwell.errors import PlanError
    from lightwell.files import make_folder, whole_file
    from lightwell.jobs.plan import Request, plan
    from lightwell.jobs.run import run
    from lightwell.pictures import format_of_name, read

    if "-" in inputs:
        raise typer.BadParameter("degrade reads files and folders, not standard input")
    if (learned is None) != (like is None) or (learned and (coco or pairs)):
        raise typer.BadParameter("--learned and --like go together, without --coco or --pairs")
    if pairs and (coco or overwrite or skip_existing):
        raise typer.BadParameter("--pairs makes a new set: no --coco, no --overwrite, no --skip-existing")
    if not pairs and (copies > 1 or leave_held_out or lamps):
        raise typer.BadParameter("--copies, --leave-held-out and --lamps go with --pairs")
    if count is not None and coco is None:
        raise typer.BadParameter("--count goes with --coco")
    if not ev[0] <= ev[1]:
        raise typer.BadParameter(f"--ev is a lower and a higher exposure, not {ev[0]:g} {ev[1]:g}")
    if not 0 <= hardness[0] <= hardness[1]:
        raise typer.BadParameter(f"--hardness is a lower and a higher power, not {hardness[0]:g} {hardness[1]:g}")
    settings = Degradation(
        ev=ev,
        blur_chance=shaken,
        hard=hardness,
        hard_chance=hard,
        grain_chance=grain,
        jpeg_chance=jpeg,
        veil=veil,
    ).louder(noise)
    if coco is not None:
        if len(inputs) != 1 or not Path(inputs[0] or "-").is_dir() or overwrite or skip_existing:
            raise typer.BadParameter(
                "--coco takes one folder of pictures and makes a new set: no --overwrite, no --skip-existing"
            )
        say = (lambda _: None) if quiet else (lambda name: typer.echo(printable(name)))
        darken_coco(coco, Path(inputs[0]), Path(output), seed=seed, count=count, settings=settings, done=say)
        return
    if overwrite and skip_existing:
        raise typer.BadParameter("--overwrite and --skip-existing exclude each other")
    request = Request(output, into_folder=True, recursive=True, overwrite=overwrite, skip_existing=skip_existing)
    try:
        work = plan(inputs, request)
    except PlanError as error:
        raise typer.BadParameter(worded(error)) from error
    voice = Voice("made", quiet=quiet, verbose=verbose)
    voice.plan(work)
    if not work.total and not work.skipped:
        raise typer.Exit(2)
    if pairs:
        held_out = set(held_out_photographs()) if leave_held_out else set()
        photographs = [job.source for job in work.jobs() if job.source and job.source.stem not in held_out]
        with progress(len(photographs), quiet=quiet) as done:
            make_night_pairs(
                photographs, Path(output), seed=seed, copies=copies, settings=settings, lamps=lamps, done=done
            )
        return
    night_of_one: Callable[[Picture, int, str], Picture] = partial(night_of, settings=settings)
    if learned is not None and like is not None:
        dark = list(find_pictures(like).values())
        night_of_one = partial(learned_night_of, generator=load_degradation(learned), like=dark)

    def darken(job: Job, tell: Tell) -> tuple[int, int]:
        assert job.source is not None
        assert job.output is not None
        night = night_of_one(read(job.source), seed, job.source.name)
        make_folder(job.output.parent)
        with whole_file(job.output, replace=overwrite, like=job.source) as stream:
            notes = night.write(stream, format=format_of_name(job.output))
        for note in notes:
            tell.note(note)
        return night.size[1], night.size[0]

    with closing(run(work.jobs(), darken)) as events:
        voice.run(events, work.total)
    voice.finish()
    if voice.failures:
        raise typer.Exit(1)
