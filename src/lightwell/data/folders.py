"""Pictures in folders and pairs of them, found by name. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lightwell.errors import DataError
from lightwell.folders import walk
from lightwell.pictures import FORMATS, format_of_name

__all__ = ["Pair", "find_pairs", "find_pictures"]


def find_pictures(folder: Path, prefix: str = "") -> dict[str, Path]:
    """Pictures of a folder and the folders in it by name: the path inside the folder without its suffix.

    Args:
        folder: where to look.
        prefix: what file names start with and is no part of the name.

    Returns:
        In natural order, as `lightwell.folders.walk` goes.

    Raises:
        DataError: when the folder is missing, cannot be listed or has no pictures, or lists the files that share a
            name.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    wrong = []
    for inner in walk(folder, lambda name: format_of_name(name) is not None):
        if inner.error:
            wrong.append(f"{inner.path}: {inner.error}")
        for file in inner.names:
            stem = os.path.splitext(file)[0].removeprefix(prefix)  # noqa: PTH122
            name = f"{inner.place}/{stem}" if inner.place else stem
            if name in found:
                wrong.append(f"{folder}: {found[name].name} and {file} have the same name")
            found[name] = Path(inner.path, file)
    if wrong:
        raise DataError("; ".join(wrong[:10]) + (", ..." if len(wrong) > 10 else ""))
    if not found:
        raise DataError(f"{folder}: no pictures in it (looked for {', '.join(sum(FORMATS.values(), ()))})")
    return found


@dataclass(frozen=True)
class Pair:
    """One dark picture and its target."""

    name: str
    low: Path
    high: Path


def find_pairs(
    low: Path, high: Path, names: Iterable[str] | None = None, *, prefixes: tuple[str, str] = ("", "")
) -> list[Pair]:
    """Pairs of two folders by name.

    Args:
        low: folder of dark pictures.
        high: folder of targets.
        names: names to take; all of them by default.
        prefixes: what the names of the dark files and of the targets start with.

    Raises:
        DataError: when a picture has no partner, or one of ``names`` is missing.
    """
    lows, highs = find_pictures(low, prefixes[0]), find_pictures(high, prefixes[1])
    wanted = list(lows) if names is None else list(names)
    lonely = sorted(set(lows) ^ set(highs)) if names is None else sorted(set(wanted) - (set(lows) & set(highs)))
    if lonely:
        more = f" and {len(lonely) - 10} more" if len(lonely) > 10 else ""
        raise DataError(f"without a partner in {low} or {high}: {', '.join(lonely[:10])}{more}")
    return [Pair(name, lows[name], highs[name]) for name in wanted]
