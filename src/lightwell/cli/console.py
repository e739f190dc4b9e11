"""What the command line says: lines, one progress bar, rows of JSON, and the words for an error's remedy."""

from __future__ import annotations

import contextlib
import errno
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lightwell.errors import FileError, LightwellError

if TYPE_CHECKING:
    from rich.console import Console

    from lightwell.jobs.events import Event, Job
    from lightwell.jobs.plan import Plan

__all__ = ["Voice", "printable", "progress", "worded"]

_REMEDIES = {
    "empty": "an unset variable of the shell is one such; leave it out or name it",
    "exists": "choose --overwrite, --skip-existing or another -o",
    "force": "--force goes on with this call's, and what is done stays",
    "format": "add --format",
    "format-name": "choose a name that ends in .tif, .jpg or another format's suffix",
    "input": "choose another -o, or --overwrite to replace it",
    "max_memory": "raise --max-memory or, with several, lower --jobs",
    "max_pixels": "raise --max-pixels if you trust the file",
    "memory": "lower --max-memory or --jobs",
    "name": "choose a shorter one with -o",
    "other-output": "choose another -o, or leave one of them out",
    "output": "choose another -o",
    "output-file": "add -o FILE",
    "output-folder": "choose a folder with -o",
    "overwrite": "choose --overwrite or another -o",
    "permission": "choose another folder with -o, or change the permissions",
    "recursive": "--recursive looks below it",
    "two-calls": "name them in two calls",
}


def printable(text: str) -> str:
    """Text in which nothing can move a terminal's cursor, break a line or fail to be encoded."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def worded(error: Exception) -> str:
    """An error with what to do about it, in a line of the command line's words."""
    words = _REMEDIES.get(getattr(error, "remedy", None) or "")
    return printable(f"{error}; {words}" if words else str(error))


@contextlib.contextmanager
def progress(total: int, *, quiet: bool = False, console: Console | None = None) -> Iterator[Callable[..., None]]:
    """A bar with pictures done, time left and the current name; nothing where nobody watches a terminal.

    Args:
        total: pictures.
        quiet: no bar.
        console: where lines are printed meanwhile; by default one on standard error.

    Returns:
        What moves the bar on: ``done(name)`` by a picture, ``done(name, 0.5)`` by half of one; ``total`` corrects it.
    """
    console = console or _console()
    if quiet or not console.is_terminal:
        yield lambda *_, **__: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    name_column = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), name_column)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda name, share=1.0, total=None: bar.update(
            task, advance=share, total=total, description=printable(name)
        )


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


class Voice:
    """Words a plan and the events of its run.

    Args:
        verb: what is done to a picture, such as ``restored``.
        as_json: a row for each input on standard output in place of lines.
        quiet: only errors.
        verbose: details and the traces of errors too.
        lines: a line for each picture that is done.
        model: for the rows.
        settings: for the rows.
    """

    def __init__(
        self,
        verb: str,
        *,
        as_json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        lines: bool = True,
        model: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.verb, self.as_json, self.quiet, self.verbose = verb, as_json, quiet, verbose
        self.lines = lines and not as_json and not quiet
        self.model, self.settings = model, settings
        self.failures = self.successes = self.skipped = 0
        self._console = _console()
        self._has_bar = False

    def plan(self, plan: Plan) -> None:
        """What is left out, and what stands for nothing."""
        from lightwell.jobs.events import Skipped

        for failed in plan.failures:
            self.event(failed)
        for note in plan.notes:
            self.detail(note)
        for job in plan.done():
            self.event(Skipped(job))

    def dry_run(self, jobs: Iterable[Job]) -> None:
        """What would be done."""
        from lightwell.jobs.manifest import planned_row

        for job in jobs:
            self._out(planned_row(job).line() if self.as_json else f"{job.name} -> {job.output or 'standard output'}")

    def run(self, events: Iterable[Event], total: int) -> None:
        """What is done, as it is done."""
        from lightwell.jobs.events import Done, Failed, Job, Progress, Started

        shares: dict[Job, float] = {}
        quiet = self.quiet or self.as_json
        with progress(total, quiet=quiet, console=self._console) as move:
            self._has_bar = not quiet and self._console.is_terminal
            try:
                for event in events:
                    match event:
                        case Started(job):
                            shares[job] = 0.0
                            move(Path(job.name).name, 0.0)
                        case Progress(job, share):
                            move(Path(job.name).name, share - shares[job])
                            shares[job] = share
                        case Done(job):
                            move(Path(job.name).name, 1 - shares.pop(job))
                        case Failed(name, job=Job() as job):
                            move(Path(name).name, 1 - shares.pop(job))
                    self.event(event, alone=total == 1)
            finally:
                self._has_bar = False

    def event(self, event: Event, *, alone: bool = False) -> None:
        """One event; with a bar, only a picture that is alone gets a line."""
        from lightwell.jobs.events import Done, Failed, Note, Skipped
        from lightwell.jobs.manifest import row_of

        match event:
            case Done(job, seconds):
                self.successes += 1
                if self.lines and job.output is not None and (alone or not self._has_bar):
                    self._out(f"{job.name} -> {job.compare if job.keep else job.output} ({seconds:.1f} s)")
            case Skipped(job):
                self.skipped += 1
                if not self.as_json:
                    self.detail(f"{job.name}: skipped, {job.output} exists")
            case Failed(name, error):
                self.failures += 1
                if not self.as_json:
                    ours = not isinstance(error, LightwellError)
                    fault = f"{type(error).__name__}: {error} (a fault of lightwell; -v shows where)"
                    self._err(f"{name}: {fault if ours else worded(error)}")
                if self.verbose and error.__traceback__ is not None:
                    for line in "".join(traceback.format_exception(error)).splitlines():
                        self._err(line)
            case Note(job, text, detail):
                if self.verbose or not detail:
                    self.note(f"{job.name}: {text}")
        if self.as_json and (row := row_of(event, self.model, self.settings)):
            self._out(row.line())

    def note(self, text: str) -> None:
        if not self.quiet:
            self._err(text)

    def detail(self, text: str) -> None:
        if self.verbose:
            self.note(text)

    def finish(self) -> None:
        """The sum of it, where there is more than one."""
        if self.quiet or self.as_json:
            return
        if self.skipped or self.successes + self.failures != 1:
            parts = [f"{self.successes} {self.verb}"] if self.successes or not self.failures else []
            parts += [f"{self.skipped} skipped"] if self.skipped else []
            parts += [f"{self.failures} failed"] if self.failures else []
            self._err(", ".join(parts))

    def _out(self, text: str) -> None:
        if self._has_bar:
            return self._err(text)
        try:
            typer.echo(printable(text))
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            raise FileError(f"cannot write standard output: {error.strerror or error}") from error

    def _err(self, text: str) -> None:
        self._console.print(printable(text))
