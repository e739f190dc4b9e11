"""From the names in a folder to batches of those that are still to do, a few at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from lightwell.cluster.manifest import Batch, Known
from lightwell.cluster.places import Place
from lightwell.errors import PlanError
from lightwell.pictures import Format, is_picture_name, result_name

__all__ = ["batches", "count", "pictures", "refuse_unwritable"]

_ASKED_TOGETHER = 4096


def pictures(source: Place, format: Format | None = None) -> Iterator[str]:
    """The names of all pictures below a folder, in an order that is the same each time.

    Args:
        source: the folder.
        format: of the results.

    Raises:
        FileError: a folder cannot be listed.
        PlanError: two pictures of a folder would become one file.
    """
    for folder, names in source.folders(is_picture_name):
        taken: dict[str, str] = {}
        for name in names:
            goal = result_name(name, format)
            if (first := taken.setdefault(goal, name)) != name:
                raise PlanError(f"{source.of(folder)}: {first} and {name} would both become {goal}")
        for name in names:
            yield f"{folder}/{name}" if folder else name


def count(source: Place, format: Format | None = None) -> int | None:
    """How many pictures there are on a disk, whose names are all looked at; None for a store, where that takes long.

    Raises:
        PlanError: there is none, a name that no manifest can hold, or two pictures that would become one file.
        FileError: a folder cannot be listed.
    """
    if not source.is_local:
        if next(pictures(source, format), None) is None:
            raise PlanError(f"{source.address} holds no pictures")
        return None
    found = 0
    for name in pictures(source, format):
        refuse_unwritable(source, name)
        found += 1
    if not found:
        raise PlanError(f"{source.address} holds no pictures")
    return found


def refuse_unwritable(source: Place, name: str) -> None:
    """Says when a picture's name on a disk is none that a manifest can hold.

    Raises:
        PlanError: it is so.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        readable = os.fsencode(name).decode("utf-8", "backslashreplace")
        raise PlanError(f"{source.address}: the name {readable} is not UTF-8: rename it") from None


def batches(source: Place, names: Iterable[str], known: Known, run: str, size: int) -> Iterator[Batch]:
    """Batches of those names that have no final row.

    Args:
        source: that the names lie below.
        names: of pictures; may be an iterator.
        known: of earlier runs.
        run: that does them.
        size: pictures in a batch.
    """
    number, waiting = 0, []
    for name in _undone(source, names, known):
        waiting.append(name)
        if len(waiting) == size:
            yield _batch(run, number, waiting, known)
            number, waiting = number + 1, []
    if waiting:
        yield _batch(run, number, waiting, known)


def _batch(run: str, number: int, names: list[str], known: Known) -> Batch:
    return Batch(run, number, names, {name: known.tries[name] for name in names if name in known.tries})


def _undone(source: Place, names: Iterable[str], known: Known) -> Iterator[str]:
    if not len(known.final):
        yield from names
        return
    some: list[str] = []
    for name in names:
        some.append(name)
        if len(some) == _ASKED_TOGETHER:
            yield from _without(source, some, known)
            some = []
    yield from _without(source, some, known)


def _without(source: Place, names: list[str], known: Known) -> list[str]:
    has = known.has([source.of(name) for name in names])
    return [name for name, done in zip(names, has, strict=True) if not done]
