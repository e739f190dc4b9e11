"""Pictures in folders: found by name, and read so that an error names its file. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from lightwell.errors import DataError, PictureError
from lightwell.pictures import FORMATS, Picture, format_of_name, read

__all__ = ["find_pictures", "read_named"]


def find_pictures(folder: Path, prefix: str = "") -> dict[str, Path]:
    """Pictures of a folder and the folders in it by name: the path inside the folder without its suffix.

    Args:
        folder: where to look.
        prefix: what file names start with and is no part of the name.

    Returns:
        In natural order of the names.

    Raises:
        DataError: when the folder is missing or has no pictures, or lists the files that share a name.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    doubled = []
    for path in sorted(folder.rglob("*")):
        if format_of_name(path) is None or path.name.startswith("."):
            continue
        name = path.relative_to(folder).with_name(path.stem.removeprefix(prefix)).as_posix()
        if name in found:
            doubled.append(f"{found[name].name} and {path.name} have the same name")
        found[name] = path
    if doubled:
        raise DataError(f"{folder}: " + "; ".join(doubled[:10]) + (", ..." if len(doubled) > 10 else ""))
    if not found:
        raise DataError(f"{folder}: no pictures in it (looked for {', '.join(sum(FORMATS.values(), ()))})")
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))


def read_named(path: Path) -> Picture:
    """Reads a picture.

    Raises:
        PictureError: as `lightwell.pictures.read`, with the path.
    """
    try:
        return read(path)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error
