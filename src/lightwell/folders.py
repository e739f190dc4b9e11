"""The one walk through folders."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

__all__ = ["Folder", "natural", "walk"]

_NUMBER = re.compile(r"0*([0-9]+)")


def natural(name: str) -> str:
    """A key that sorts names as a person does: ``2`` before ``10``, capitals among the small letters."""
    return _NUMBER.sub(lambda match: f"{len(match[1]):03}{match[1]}", name.casefold())


@dataclass(frozen=True)
class Folder:
    """What a walk finds in one folder.

    Args:
        path: the folder.
        place: its path below where the walk began, empty for that one.
        names: of the files in it that were asked for, in natural order.
        links: those of them that are links to files elsewhere.
        error: why it could not be listed, None where it was.
    """

    path: str
    place: str
    names: list[str] = field(default_factory=list)
    links: frozenset[str] = frozenset()
    error: str | None = None


def walk(
    folder: str | os.PathLike[str],
    wanted: Callable[[str], bool],
    *,
    recursive: bool = True,
    leave_out: str | os.PathLike[str] | None = None,
) -> Iterator[Folder]:
    """Goes through a folder and those below it in natural order, each folder's files before the folders in it.

    Hidden files and folders, whose names begin with a dot, are left out, and links to folders are not followed.

    Args:
        folder: where to begin.
        wanted: whether a file is asked for, by its name.
        recursive: go into the folders below.
        leave_out: a folder below that is not gone into.
    """
    unwanted = None if leave_out is None else os.path.realpath(leave_out)
    waiting = [(os.fspath(folder), "")]
    while waiting:
        path, place = waiting.pop()
        names, links, below = [], [], []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        below.append(name)
                    elif wanted(name) and entry.is_file():
                        names.append(name)
                        if entry.is_symlink():
                            links.append(name)
        except OSError as error:
            yield Folder(path, place, error=_reason(error))
            continue
        names.sort(key=lambda name: (natural(name), name))
        yield Folder(path, place, names, frozenset(links))
        if recursive:
            below.sort(key=lambda name: (natural(name), name), reverse=True)
            for name in below:
                inner = os.path.join(path, name)  # noqa: PTH118  (a million names: Path takes many times as long)
                if unwanted is None or os.path.realpath(inner) != unwanted:
                    waiting.append((inner, f"{place}/{name}" if place else name))


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such folder"
    if isinstance(error, PermissionError):
        return "no permission to look into it; change its permissions (chmod u+rx)"
    return f"cannot be listed: {error.strerror or error}"
