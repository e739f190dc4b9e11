"""What is to be done: which inputs become which outputs, what is done already, and what is refused before any work.

A million names take seconds and some hundred bytes each: names are kept as the folders list them, outputs that exist
are known from one listing of their folder, and jobs are made as they are taken.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

from lightwell.errors import FileError, PlanError
from lightwell.folders import natural, walk
from lightwell.jobs.events import Failed, Job
from lightwell.pictures import FORMATS, WRITTEN, Format, format_of_name, is_picture_name, result_name

__all__ = ["Plan", "Request", "in_shard", "plan", "plan_named"]

_MARK, _COMPARE_MARK = "_restored", "_compare"
_ASKED_SINGLY = 16  # names of a folder that are looked up one by one before it is listed


@dataclass(frozen=True)
class Request:
    """Which inputs are taken, and what becomes of them.

    Args:
        output: a file for one input, else a folder; ``-`` for standard output; by default ``NAME_restored`` beside
            each input.
        into_folder: ``output`` is a folder whatever its name.
        format: of the outputs; by default each input's.
        compare: also a comparison beside each output.
        recursive: folders with all below them, mirrored below ``output``.
        overwrite: outputs may exist.
        skip_existing: inputs whose outputs exist are done.
        shard: which part of how many, from 1: the parts share out the inputs by the hash of their path below the input
            folder, so several machines agree without a word.
    """

    output: str | None = None
    into_folder: bool = False
    format: Format | None = None
    compare: bool = False
    recursive: bool = False
    overwrite: bool = False
    skip_existing: bool = False
    shard: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if self.overwrite and self.skip_existing:
            raise ValueError("overwrite and skip_existing exclude each other")
        part, parts = self.shard
        if not 1 <= part <= parts:
            raise ValueError(f"a shard is one of 1 to the number of shards, not {part} of {parts}")


@dataclass
class _Group:
    """Inputs of one folder that go to one folder; of each, one of the lists below says what is to be done."""

    folder: str
    place: str
    names: list[str]
    goal: str = ""
    todo: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    # Of those to do, the few that miss only their comparison, or only their output.
    compare_only: set[str] = field(default_factory=set)
    output_only: set[str] = field(default_factory=set)


@dataclass
class Plan:
    """Jobs, made as they are taken; what stands for nothing; what is done already.

    Args:
        failures: inputs that stand for no picture, or folders that cannot be listed.
        notes: what else was left out and why.
        total: jobs to do.
        skipped: jobs whose outputs exist.
        pictures: of all shards together.
    """

    failures: list[Failed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    total: int = 0
    skipped: int = 0
    pictures: int = 0
    _groups: list[_Group] = field(default_factory=list)
    # Gives the names of an output, None for standard output, and of its comparison.
    _name: Callable[[str], tuple[str | None, str | None]] = lambda name: (name, None)
    _piped: Job | None = None

    def jobs(self) -> Iterator[Job]:
        """What is to be done, in order."""
        if self._piped and self.total:
            yield self._piped
        for group in self._groups:
            for name in group.todo:
                yield self._job(group, name)

    def done(self) -> Iterator[Job]:
        """What is left out because all that it would write exists."""
        if self._piped and self.skipped:
            yield self._piped
        for group in self._groups:
            for name in group.done:
                yield self._job(group, name)

    def _job(self, group: _Group, name: str) -> Job:
        output, compare = self._name(name)
        wanted = compare is not None and name not in group.output_only
        return Job(
            Path(group.folder, name),
            None if output is None else Path(group.goal, output),
            Path(group.goal, compare) if compare is not None and wanted else None,
            name in group.compare_only,
        )


def plan(inputs: Iterable[str], request: Request) -> Plan:
    """Find the inputs and name their outputs. Nothing is read but folders, and nothing is written.

    Args:
        inputs: files, folders, patterns such as ``*.jpg``, or ``-`` alone for standard input; may be an iterator.
        request: what becomes of them.

    Raises:
        PlanError: two inputs would become one file, an output is another input or exists, or the request does not fit
            the inputs.
    """
    made = Plan()
    if request.output == "":
        raise PlanError("the output's name is empty", remedy="empty")
    found = _Found(request, made)
    for word in inputs:
        if word == "":
            raise PlanError("an input's name is empty", remedy="empty")
        found.add(word)
    if found.piped:
        if found.words > 1:
            raise PlanError("- (standard input) goes alone")
        made._piped, done = _piped(request)
        made.total, made.skipped = int(not done), int(done)
        return made
    made._groups = found.groups
    if request.skip_existing and request.output is None:
        found.leave_out_results()
    if _name_outputs(made, request, found):
        _sort_out(made, request, found)
    else:
        made._groups[0].todo, made.total = made._groups[0].names, 1
    return made


def plan_named(
    pictures: Mapping[str, Path], folder: Path, format: Format, *, overwrite: bool = False
) -> dict[str, Job]:
    """The jobs of pictures that are known by names, by which they are called in a folder too.

    Args:
        pictures: inputs by name, which may hold ``/``.
        folder: where the outputs go.
        format: of the outputs.
        overwrite: outputs may exist.

    Raises:
        PlanError: an output exists, or is an input.
    """
    inputs = {os.path.realpath(path) for path in pictures.values()}
    jobs = {}
    for name, path in pictures.items():
        output = folder / (name + FORMATS[format][0])
        if output.exists():
            if os.path.realpath(output) in inputs:
                raise PlanError(f"{output} is an input", remedy="other-output")
            if not overwrite:
                raise PlanError(f"{output} exists", remedy="overwrite")
        jobs[name] = Job(path, output)
    return jobs


def in_shard(place: str, part: int, parts: int) -> bool:
    """Whether a path below the input folder, with ``/`` between its names, falls to a part, of 1 to ``parts``."""
    digest = blake2b(os.fsencode(place), digest_size=8).digest()
    return int.from_bytes(digest, "big") % parts == part - 1


# ---- what there is


class _Found:
    """The inputs, each once, by the folders that they are in."""

    def __init__(self, request: Request, made: Plan) -> None:
        self.request, self.made = request, made
        self.groups: list[_Group] = []
        self.words = 0
        self.folders = self.piped = False
        self._names: dict[str, set[str]] = {}  # by real folder
        self._real: dict[str, str] = {}

    def add(self, word: str) -> None:
        self.words += 1
        if word == "-":
            self.piped = True
            return
        if glob.has_magic(word) and not os.path.lexists(word):
            matches = sorted(glob.glob(word, recursive=True), key=natural)  # noqa: PTH207  (pathlib: no absolute ones)
            if not matches:
                self._fail(word, "nothing matches; check the pattern")
        else:
            matches = [word]
        for match in matches:
            self._add_path(os.fspath(Path(match)), word)

    def _add_path(self, path: str, word: str) -> None:
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116
        except FileNotFoundError:
            if not os.path.islink(path):  # noqa: PTH114
                return self._fail(word, "there is no such file; check its name")
            mode = stat.S_IFREG  # reading will tell that it points nowhere
        except OSError as error:
            reason = "no permission to look at it" if error.errno == errno.EACCES else error.strerror or error
            return self._fail(path, f"{reason}")
        if stat.S_ISDIR(mode):
            return self._add_folder(path)
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            return self._fail(path, "is a device, not a picture")
        folder, name = os.path.split(path)
        if self._is_new(folder, name, link=os.path.islink(path)):  # noqa: PTH114
            if not self.groups or self.groups[-1].folder != folder or self.groups[-1].place:
                self.groups.append(_Group(folder, "", []))
            self.groups[-1].names.append(name)
        return None

    def _add_folder(self, path: str) -> None:
        self.folders = True
        count = failed = 0
        output = self.request.output
        for inner in walk(path, self._is_wanted, recursive=self.request.recursive, leave_out=output):
            if inner.error:
                failed += 1
                self._fail(inner.path, inner.error)
            count += len(inner.names)
            names = [name for name in inner.names if self._is_new(inner.path, name, link=name in inner.links)]
            if names:
                self.groups.append(_Group(inner.path, inner.place, names))
        if not count and not failed:
            self._fail(path, "holds no pictures", None if self.request.recursive else "recursive")

    def _is_wanted(self, name: str) -> bool:
        if not is_picture_name(name):
            return False
        return self.request.output is not None or _origin(name) is None

    def _is_new(self, folder: str, name: str, *, link: bool) -> bool:
        real, name = self.identity(folder, name, link=link)
        names = self._names.setdefault(real, set())
        if name in names:
            return False
        names.add(name)
        return True

    def identity(self, folder: str, name: str, *, link: bool) -> tuple[str, str]:
        """A file's real folder and name."""
        if link:
            folder, name = os.path.split(os.path.realpath(os.path.join(folder, name)))  # noqa: PTH118
        real = self._real.get(folder)
        if real is None:
            real = self._real[folder] = os.path.realpath(folder)
        return real, name

    def has(self, real: str, name: str) -> bool:
        """Whether a file, by its real folder and name, is an input."""
        return name in self._names.get(real, ())

    def leave_out_results(self) -> None:
        """Takes away what an earlier run made of the other inputs, as ``*.jpg`` finds it."""
        if all(_origin(name) is None for group in self.groups for name in group.names):
            return
        stems: dict[str, set[str]] = {}
        for group in self.groups:
            stems.setdefault(group.folder, set()).update(os.path.splitext(name)[0] for name in group.names)  # noqa: PTH122
        for group in self.groups:
            results = {name for name in group.names if _origin(name) in stems[group.folder]}
            group.names = [name for name in group.names if name not in results]
            self.made.notes += [f"{Path(group.folder, name)}: left out, an earlier result" for name in sorted(results)]

    def _fail(self, name: str, reason: str, remedy: str | None = None) -> None:
        self.made.failures.append(Failed(name, FileError(reason, remedy=remedy)))


def _origin(name: str) -> str | None:
    """The stem of the picture that a result was made of by our naming; None for what is no result."""
    stem = os.path.splitext(name)[0]  # noqa: PTH122
    for mark in (_MARK, _MARK + _COMPARE_MARK):
        if stem.endswith(mark):
            return stem.removesuffix(mark)
    return None


# ---- what it becomes


def _piped(request: Request) -> tuple[Job, bool]:
    """The job of standard input, and whether it is done already."""
    if request.output is None or request.output == "-":
        _refuse_comparison(request)
        return Job(None, None), False
    output = Path(request.output)
    compare = output.with_name(_compared(output.name)) if request.compare else None
    _refuse_contradiction(request, request.output)
    job = Job(None, output, compare)
    if _is_stream(request.output) or request.overwrite:
        return job, False
    there = [path for path in (output, compare) if path is not None and os.path.exists(path)]  # noqa: PTH110
    if there and not request.skip_existing:
        raise PlanError(f"{there[0]} exists", remedy="exists")
    if output not in there:
        return replace(job, compare=None if there else compare), False
    return replace(job, keep=True), compare is None or compare in there


def _refuse_comparison(request: Request) -> None:
    if request.compare:
        raise PlanError("a comparison needs a file: standard output takes one picture", remedy="output-file")


def _refuse_contradiction(request: Request, output: str) -> None:
    named = format_of_name(output)
    if named and named not in WRITTEN:
        raise PlanError(f"{output}: {named} files are read, not written", remedy="format-name")
    if named and request.format and named != request.format:
        raise PlanError(f"{output} is {named.lower()} by its name, but the format says {request.format.lower()}")


def _is_stream(path: str) -> bool:
    """Whether a name is a pipe's or a device's, which is written to and not replaced."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _name_outputs(made: Plan, request: Request, found: _Found) -> bool:
    """Gives each group its folder, and the plan the names in it; whether these are files that could be lost."""
    count = sum(len(group.names) for group in made._groups)
    output = request.output
    if output is None or not count:
        for group in made._groups:
            group.goal = group.folder
        made._name = _namer(request, _MARK)
        return True
    one_file = found.words == 1 and count == 1 and not found.folders
    if output == "-":
        if not one_file:
            raise PlanError("standard output takes one picture, not several", remedy="output-folder")
        _refuse_comparison(request)
        made._name = lambda _: (None, None)
        return False
    named, is_stream = format_of_name(output), _is_stream(output)
    is_folder = request.into_folder or os.path.isdir(output) or output.endswith(("/", os.sep))  # noqa: PTH112
    if one_file and not is_folder and (named or Path(output).suffix or is_stream):
        if not named and not request.format and not is_stream:
            raise PlanError(f"{output}: no picture format has this suffix", remedy="format")
        _refuse_contradiction(request, output)
        made._groups[0].goal, name = os.path.split(output)
        both = name, _compared(name) if request.compare else None
        made._name = lambda _: both
        return not is_stream
    if not is_folder and (named or os.path.isfile(output) or is_stream):  # noqa: PTH113
        raise PlanError(f"{output} is one file: several inputs need a folder", remedy="output-folder")
    for group in made._groups:
        group.goal = os.path.join(output, group.place) if group.place else output  # noqa: PTH118
    made._name = _namer(request, "")
    return True


def _namer(request: Request, mark: str) -> Callable[[str], tuple[str, str | None]]:
    def name_of(name: str) -> tuple[str, str | None]:
        if mark:
            stem, suffix = os.path.splitext(name)  # noqa: PTH122
            name = stem + mark + suffix
        name = result_name(name, request.format)
        return name, _compared(name) if request.compare else None

    return name_of


def _compared(name: str) -> str:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return stem + _COMPARE_MARK + suffix


# ---- what is left to do


class _Existing:
    """Which files exist, from few looks at the disk."""

    def __init__(self) -> None:
        self._asked: dict[str, int] = {}
        self._listed: dict[str, set[str]] = {}

    def has(self, folder: str, name: str) -> bool:
        if folder in self._listed:
            return name in self._listed[folder]
        asked = self._asked[folder] = self._asked.get(folder, 0) + 1
        if asked <= _ASKED_SINGLY:
            return os.path.exists(os.path.join(folder, name))  # noqa: PTH110, PTH118
        names: set[str] = set()
        self._listed[folder] = names
        try:
            with os.scandir(folder or ".") as entries:
                # A link that points nowhere is as good as no file.
                names.update(e.name for e in entries if not e.is_symlink() or os.path.exists(e.path))  # noqa: PTH110
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise PlanError(f"{folder}: cannot see what it holds: {error.strerror}", remedy="permission") from error
        return name in names


def _sort_out(made: Plan, request: Request, found: _Found) -> None:
    """Share the inputs out into those to do and those done; refuse what would lose a file."""
    existing = _Existing()
    taken: dict[str, set[str]] = {}  # the outputs' names by real folder
    for group in made._groups:
        real = os.path.realpath(group.goal)
        outputs = taken.setdefault(real, set())
        for name in group.names:
            output, compare = made._name(name)
            for goal in (output, compare):
                if goal is None:
                    continue
                if goal in outputs:
                    raise _collision(made, real, goal, Path(group.folder, name), Path(group.goal, goal))
                outputs.add(goal)
            if request.shard[1] > 1 and not in_shard(_place(group, name), *request.shard):
                continue
            there = [goal is not None and existing.has(group.goal, goal) for goal in (output, compare)]
            if request.skip_existing:
                if there[0] and (there[1] or compare is None):
                    group.done.append(name)
                    continue
                if there[0]:
                    group.compare_only.add(name)
                elif there[1]:
                    group.output_only.add(name)
            else:
                for goal, exists in zip((output, compare), there, strict=True):
                    if exists and goal is not None:
                        _refuse_loss(group, name, goal, request, found, taken)
            group.todo.append(name)
        made.pictures += len(group.names)
        made.total += len(group.todo)
        made.skipped += len(group.done)


def _place(group: _Group, name: str) -> str:
    return f"{group.place}/{name}" if group.place else name


def _refuse_loss(
    group: _Group, name: str, goal: str, request: Request, found: _Found, taken: dict[str, set[str]]
) -> None:
    """Refuses an output that exists, unless it may be replaced and no input is lost by that."""
    path, source = Path(group.goal, goal), Path(group.folder, name)
    real = found.identity(group.goal, goal, link=path.is_symlink())
    is_input = found.has(*real)
    if not request.overwrite:
        if is_input:
            raise PlanError(f"{path} is an input", remedy="input")
        raise PlanError(f"{path} exists", remedy="exists")
    if is_input and real != found.identity(group.folder, name, link=source.is_symlink()):
        raise PlanError(f"{path} is an input, and {source} would become it", remedy="other-output")
    if path.is_symlink():
        others = taken.setdefault(real[0], set())
        if real[1] in others:
            raise PlanError(f"{path} leads to {Path(*real)}, which another input would become", remedy="other-output")
        others.add(real[1])


def _collision(made: Plan, real: str, goal: str, source: Path, path: Path) -> PlanError:
    """Two inputs for one output; which the first one is, a second look tells."""
    for group in made._groups:
        if os.path.realpath(group.goal) == real:
            for name in group.names:
                first = Path(group.folder, name)
                if goal in made._name(name) and first != source:
                    return PlanError(f"{first} and {source} would both become {path}", remedy="two-calls")
    return PlanError(f"{path} would be written twice for {source}", remedy="other-output")
