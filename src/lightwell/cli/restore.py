"""`lightwell restore`: the main job."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightwell.cli.options import flag, worded

if TYPE_CHECKING:
    from lightwell.picture import Format, Picture
    from lightwell.restorer import Restorer, Tile

__all__ = ["restore"]

_MARK, _COMPARE_MARK = "_restored", "_compare"


class _Format(StrEnum):
    jpeg = "jpeg"
    png = "png"
    webp = "webp"
    tiff = "tiff"


class _Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    openvino = "openvino"
    coreml = "coreml"


@dataclass(frozen=True)
class _Job:
    """One picture to restore; None stands for standard input or output."""

    source: Path | None
    output: Path | None
    compare: Path | None = None

    @property
    def name(self) -> str:
        return "standard input" if self.source is None else str(self.source)


@dataclass(frozen=True)
class _Settings:
    strength: float
    format: Format | None
    quality: int | None
    max_pixels: int


class _Stopped(Exception):
    """Ctrl-C was pressed while this picture was worked on."""


def restore(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs, or - for standard input.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A file for one input, else a folder. Default: NAME_restored beside it.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME|FILE", help="See lightwell models; or an ONNX file.")
    ] = None,
    strength: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Blend with the input: 0 leaves it as it is.")
    ] = 1.0,
    compare: Annotated[bool, flag("--compare", help="Also write NAME_compare, before | after.")] = False,
    format: Annotated[
        _Format | None, typer.Option("--format", case_sensitive=False, help="Of the output. Default: as the input.")
    ] = None,
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, help="Of JPEG and WebP. Default: 95; lossless WebP stays lossless.")
    ] = None,
    tile: Annotated[
        str, typer.Option(metavar="auto|off|N", help="Side of the tiles that large pictures are cut into.")
    ] = "auto",
    device: Annotated[_Device, typer.Option(case_sensitive=False, help="Where to run.")] = _Device.auto,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads for each picture. Default: the cores, shared by the jobs.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 1,
    max_memory: Annotated[
        str, typer.Option("--max-memory", metavar="SIZE", help="For all jobs together; tiles follow.")
    ] = "2G",
    max_pixels: Annotated[
        int | None,
        typer.Option("--max-pixels", min=1, metavar="N", help="Refuse larger pictures. Default: 256 million."),
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", help="Replace files that exist.")] = False,
    skip_existing: Annotated[
        bool, flag("--skip-existing", help="Leave out pictures whose output exists: resumes a batch.")
    ] = False,
    recursive: Annotated[bool, flag("--recursive", help="Folders with all below them, mirrored.")] = False,
    dry_run: Annotated[bool, flag("--dry-run", help="Only say what would be done.")] = False,
    as_json: Annotated[bool, flag("--json", help="One line of JSON per picture.")] = False,
    quiet: Annotated[bool, flag("--quiet", "-q", help="Only errors.")] = False,
    verbose: Annotated[bool, flag("--verbose", "-v", help="Device, tiles, memory, and traces of errors.")] = False,
) -> None:
    """[bold]lightwell restore night.jpg[/bold]  makes night_restored.jpg

    [bold]lightwell restore photos/ -o restored/ --skip-existing[/bold]

    Restore dark photographs. Inputs are never changed, outputs appear whole or not at all, and one bad file does not
    stop the others. Exit status: 0 all restored, 1 some failed, 2 the call is wrong, 130 stopped.
    """
    from lightwell.errors import DeviceError, WeightsError
    from lightwell.picture import MAX_PIXELS
    from lightwell.restorer import Restorer, parse_bytes

    target: Format | None = format.value.upper() if format else None  # type: ignore[assignment]
    if overwrite and skip_existing:
        raise typer.BadParameter("--overwrite and --skip-existing exclude each other")
    try:
        memory = parse_bytes(max_memory)
        side = _tile(tile)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    work, missing = _plan(inputs, output, target, recursive=recursive, compare=compare, piped_json=as_json)
    skipped = [job for job in work if skip_existing and job.output and job.output.exists()]
    work = [job for job in work if job not in skipped]
    _refuse_collisions(work, overwrite=overwrite)

    say = _Voice(as_json=as_json, quiet=quiet, verbose=verbose, total=len(work))
    for name, reason in missing:
        say.failed(name, None, reason)
    for job in skipped:
        say.skipped(job)
    if dry_run:
        for job in work:
            say.planned(job)
    elif work:
        workers = min(jobs, len(work))
        try:
            restorer = Restorer(
                model,
                device=device.value,
                threads=threads or max(1, _cores() // workers),
                tile=side,
                max_memory=memory // workers,
            )
        except (WeightsError, DeviceError, ValueError) as error:
            raise typer.BadParameter(str(error)) from error
        say.detail(f"model {restorer.model} on {restorer.device}")
        settings = _Settings(strength, target, quality, max_pixels or MAX_PIXELS)
        _run(work, workers, restorer, settings, say)
    say.finish(len(skipped))
    if say.failures:
        raise typer.Exit(1)


def _tile(word: str) -> Tile:
    if word == "auto":
        return "auto"
    if word == "off":
        return "off"
    if not word.isdigit():
        raise ValueError(f"--tile is auto, off or a number of pixels, not {word!r}")
    return int(word)


def _cores() -> int:
    from lightwell.session import cores

    return cores()


# ---- what to do


def _plan(
    inputs: Sequence[str],
    output: str | None,
    format: Format | None,
    *,
    recursive: bool,
    compare: bool,
    piped_json: bool,
) -> tuple[list[_Job], list[tuple[str, str]]]:
    """The pictures with their outputs, and the names that stand for nothing with what to do about them."""
    from lightwell.pictures import format_of_name, written_as

    if "-" in inputs:
        if len(inputs) > 1:
            raise typer.BadParameter("- (standard input) goes alone")
        if output is None and (compare or piped_json):
            raise typer.BadParameter("--compare and --json need -o FILE when the picture comes from standard input")
        if output is None and sys.stdout.isatty():
            raise typer.BadParameter("standard output is a terminal: redirect it to a file, or give -o FILE")
        target = Path(output) if output else None
        return [_Job(None, target, _compare_name(target) if compare and target else None)], []

    found: list[tuple[Path, Path]] = []  # a file, and its place below the output folder
    missing: list[tuple[str, str]] = []
    folders = False
    for word in inputs:
        is_pattern = glob.has_magic(word) and not Path(word).exists()
        matches = sorted(glob.glob(word, recursive=True)) if is_pattern else [word]  # noqa: PTH207  (pathlib: no absolute ones)
        if not matches:
            missing.append((word, "nothing matches; check the pattern"))
        for match in map(Path, matches):
            if match.is_dir():
                folders = True
                inside = list(_pictures_in(match, recursive, Path(output) if output else None))
                found += [(path, path.relative_to(match)) for path in inside]
                if not inside:
                    hint = "" if recursive else "; --recursive looks below it"
                    missing.append((str(match), f"holds no pictures{hint}"))
            elif match.exists() or match.is_symlink():
                found.append((match, Path(match.name)))
            else:
                missing.append((word, "there is no such file; check its name"))
    unique = {os.path.realpath(path): (path, place) for path, place in reversed(found)}
    found = list(reversed(unique.values()))

    into: Path | None = None
    if output is not None and found:
        one_file = len(inputs) == 1 and len(found) == 1 and not folders
        named = format_of_name(output)
        is_folder = Path(output).is_dir() or output.endswith(("/", os.sep))
        if one_file and not is_folder and (named or Path(output).suffix):
            if named is None and format is None:
                raise typer.BadParameter(f"-o {output}: no picture format has this suffix; add --format")
            if named and format and named != format:
                raise typer.BadParameter(f"-o {output} is {named.lower()}, but --format says {format.lower()}")
            path = Path(output)
            return [_Job(found[0][0], path, _compare_name(path) if compare else None)], missing
        if not is_folder and (named or Path(output).is_file()):
            raise typer.BadParameter(f"-o {output}: several inputs need a folder")
        into = Path(output)

    work = []
    for path, place in found:
        goal = into / place if into else path.with_name(path.stem + _MARK + path.suffix)
        goal = _with_format(goal, format or written_as(goal))
        work.append(_Job(path, goal, _compare_name(goal) if compare else None))
    return work, missing


def _pictures_in(folder: Path, recursive: bool, output: Path | None) -> Iterator[Path]:
    """The folder's pictures in order, without hidden files and without what an earlier call wrote there."""
    from lightwell.picture import format_of_name

    for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") for part in parts) or format_of_name(path) is None or not path.is_file():
            continue
        if output is None and path.stem.endswith((_MARK, _MARK + _COMPARE_MARK)):
            continue
        if output is not None and not _same(output, folder) and _is_below(path, output):
            continue
        yield path


def _same(a: Path, b: Path) -> bool:
    return os.path.realpath(a) == os.path.realpath(b)


def _is_below(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _with_format(path: Path, format: Format | None) -> Path:
    from lightwell.picture import FORMATS, format_of_name

    if format is None or format_of_name(path) == format:
        return path
    return path.with_name((path.stem if format_of_name(path) else path.name) + FORMATS[format][0])


def _compare_name(output: Path) -> Path:
    return output.with_name(output.stem + _COMPARE_MARK + output.suffix)


def _refuse_collisions(work: Iterable[_Job], *, overwrite: bool) -> None:
    """Before any work: no output may be another's, nor, unless told, an input or a file that exists."""
    jobs = list(work)
    sources = {os.path.realpath(job.source) for job in jobs if job.source}
    taken: dict[str, _Job] = {}
    for job in jobs:
        for output in filter(None, (job.output, job.compare)):
            real = os.path.realpath(output)
            if real in taken:
                raise typer.BadParameter(
                    f"{taken[real].name} and {job.name} would both become {output}: restore them in two calls"
                )
            taken[real] = job
            if overwrite:
                continue
            if real in sources:
                raise typer.BadParameter(f"{output} is an input: choose another -o, or --overwrite to replace it")
            if output.exists():
                raise typer.BadParameter(f"{output} exists: choose --overwrite, --skip-existing or another -o")


# ---- doing it


def _run(work: Sequence[_Job], workers: int, restorer: Restorer, settings: _Settings, say: _Voice) -> None:
    from concurrent.futures import ThreadPoolExecutor, as_completed

    stop = threading.Event()

    def one(job: _Job) -> None:
        if not stop.is_set():
            _restore_one(job, restorer, settings, say, stop)

    with say.bar(), ThreadPoolExecutor(workers) as pool:
        try:
            for future in as_completed([pool.submit(one, job) for job in work]):
                future.result()
        except BaseException:  # Ctrl-C too: the pictures in work end at their next tile, unwritten
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _restore_one(job: _Job, restorer: Restorer, settings: _Settings, say: _Voice, stop: threading.Event) -> None:
    from lightwell.errors import LightwellError
    from lightwell.picture import read

    started = time.monotonic()
    with say.task(job) as report:

        def progress(share: float) -> None:
            if stop.is_set():
                raise _Stopped
            report(share)

        try:
            source = job.source if job.source is not None else sys.stdin.buffer.read()
            picture = read(source, max_pixels=settings.max_pixels)
            height, width = picture.size
            sample = picture.bits // 8
            tile = restorer.tile_for(height, width, sample)
            whole = tile is None or height * width <= tile * tile
            needed = restorer.memory_for(height, width, sample)
            cut = "whole" if whole else f"in tiles of {tile}"
            say.detail(f"{job.name}: {width}x{height}, {cut}, about {needed / 2**30:.1f} GB")
            if needed > restorer.max_memory:
                say.note(f"{job.name}: may take about {needed / 2**30:.1f} GB, more than --max-memory")
            restored = restorer(picture, strength=settings.strength, progress=progress)
            notes = [*restored.warnings, *_write(restored, job.output, settings)]
            if job.compare:
                _write(_side_by_side(picture, restored), job.compare, settings)
        except _Stopped:
            return
        except LightwellError as error:
            say.failed(job.name, job.output, worded(error))
            return
        except MemoryError:
            say.failed(job.name, job.output, "does not fit in memory; lower --max-memory or --jobs")
            return
        except Exception as error:  # the others go on
            say.failed(job.name, job.output, f"{type(error).__name__}: {error} (a fault of lightwell; -v shows where)")
            return
        for note in notes:
            say.note(f"{job.name}: {note}")
        say.restored(job, time.monotonic() - started, (height, width))


def _write(picture: Picture, output: Path | None, settings: _Settings) -> tuple[str, ...]:
    from lightwell.errors import PictureError

    if output is None:
        notes = picture.write(sys.stdout.buffer, format=settings.format, quality=settings.quality)
        sys.stdout.buffer.flush()
        return notes
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"cannot make the folder {output.parent}: {error.strerror}") from error
    return picture.write(output, format=settings.format, quality=settings.quality)


def _side_by_side(before: Picture, after: Picture) -> Picture:
    """Before | after, with a thin white line between."""
    import numpy as np

    def joined(left: Any, right: Any) -> Any:
        line = np.full((left.shape[0], max(2, left.shape[1] // 200), *left.shape[2:]), np.iinfo(left.dtype).max)
        return np.concatenate([left, line.astype(left.dtype), right], axis=1)

    alpha = None if before.alpha is None or after.alpha is None else joined(before.alpha, after.alpha)
    return replace(after, pixels=joined(before.pixels, after.pixels), alpha=alpha)


class _Voice:
    """What the person is told: a bar on a terminal, else plain lines, or JSON; safe to use from several threads."""

    def __init__(self, *, as_json: bool, quiet: bool, verbose: bool, total: int) -> None:
        from rich.console import Console

        self.as_json, self.quiet, self.verbose, self.total = as_json, quiet, verbose, total
        self.failures = self.successes = 0
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._lock = threading.Lock()
        self._progress: Any = None
        self._overall: Any = None

    def _line(self, text: str, *, error: bool = False) -> None:
        with self._lock:
            if error or self._progress is not None:
                self._console.print(text)
            else:
                typer.echo(text)

    def _json(self, **fields: Any) -> None:
        with self._lock:
            typer.echo(json.dumps(fields))

    def detail(self, text: str) -> None:
        if self.verbose and not self.quiet:
            self._line(text, error=True)

    def note(self, text: str) -> None:
        if not self.quiet:
            self._line(text, error=True)

    def planned(self, job: _Job) -> None:
        if self.as_json:
            self._json(input=job.name, output=_text(job.output), planned=True)
        else:
            self._line(f"{job.name} -> {_text(job.output)}")

    def skipped(self, job: _Job) -> None:
        if self.as_json:
            self._json(input=job.name, output=_text(job.output), skipped=True)
        else:
            self.detail(f"{job.name}: skipped, {_text(job.output)} exists")

    def failed(self, name: str, output: Path | None, reason: str) -> None:
        with self._lock:
            self.failures += 1
        if self.as_json:
            self._json(input=name, output=_text(output) if output else None, seconds=None, size=None, error=reason)
        else:
            self._line(f"{name}: {reason}", error=True)
        if self.verbose and sys.exc_info()[0] is not None:
            self._line(traceback.format_exc(), error=True)

    def restored(self, job: _Job, seconds: float, size: tuple[int, int]) -> None:
        with self._lock:
            self.successes += 1
        if self.as_json:
            self._json(
                input=job.name,
                output=_text(job.output),
                seconds=round(seconds, 3),
                size=[size[1], size[0]],
                error=None,
            )
        elif not self.quiet and job.output is not None and (self._progress is None or self.total == 1):
            self._line(f"{job.name} -> {job.output} ({seconds:.1f} s)")

    def finish(self, skipped: int) -> None:
        if self.quiet or self.as_json:
            return
        if skipped or self.total + self.failures > 1:
            parts = [f"{self.successes} restored"] if self.successes or not self.failures else []
            parts += [f"{skipped} skipped"] if skipped else []
            parts += [f"{self.failures} failed"] if self.failures else []
            self._line(", ".join(parts), error=True)

    @contextlib.contextmanager
    def bar(self) -> Iterator[None]:
        """A progress bar while pictures are restored, where the person watches a terminal."""
        if self.quiet or self.as_json or not self._console.is_terminal:
            yield
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=self._console, transient=True) as self._progress:
            self._overall = self._progress.add_task("", total=self.total)
            try:
                yield
            finally:
                self._progress = None

    @contextlib.contextmanager
    def task(self, job: _Job) -> Iterator[Callable[[float], None]]:
        """Around one picture: gives what is to be told the share of it that is done."""
        progress, told = self._progress, 0.0

        def report(share: float) -> None:
            nonlocal told
            if progress is not None:
                progress.update(self._overall, advance=share - told)
                told = share

        if progress is not None:
            progress.update(self._overall, description=Path(job.name).name)
        yield report
        report(1.0)


def _text(path: Path | None) -> str:
    return "standard output" if path is None else str(path)
