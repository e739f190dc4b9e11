"""Folders by their address: on a disk that every machine sees, or in a store that fsspec knows."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from lightwell.errors import FileError, LightwellError, PlanError
from lightwell.files import make_folder, whole_file
from lightwell.folders import natural, walk

__all__ = ["Place", "is_full", "patiently", "place", "refuse_nested"]

# Stores in which an object appears whole or not at all; elsewhere a file gets its name once it is whole.
_WHOLE = frozenset({"abfs", "abfss", "az", "gcs", "gs", "s3", "s3a"})
_PAUSES = (0.2, 1.0)  # seconds before the second and third try of what a network may refuse once
_FULL = frozenset({errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)})
# Errors of botocore that no second try mends, by name, as it need not be there.
_FINAL = frozenset({"NoCredentialsError", "ParamValidationError", "PartialCredentialsError"})
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Place:
    """A folder; names below it have ``/`` between their parts.

    Args:
        address: an absolute path, or ``scheme://...``; no slash at its end.
    """

    address: str

    @property
    def is_local(self) -> bool:
        return "://" not in self.address

    @cached_property
    def _store(self) -> tuple[Any, str]:
        """The file system of fsspec and the folder's path in it."""
        import fsspec

        try:
            system, path = fsspec.core.url_to_fs(self.address, use_listings_cache=False)
        except (ImportError, ValueError) as error:  # of a scheme that is unknown, or whose package is missing
            raise PlanError(f"{self.address}: {_line(error)}") from error
        except Exception as error:
            raise FileError(f"{self.address}: cannot be opened: {_line(error)}") from error
        return system, str(path).rstrip("/")

    def of(self, name: str) -> str:
        """The address of what has this name; the place's own for none."""
        return f"{self.address}/{name}" if name else self.address

    def _path(self, name: str) -> str:
        return f"{self._store[1]}/{name}" if name else self._store[1]

    def folders(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, list[str]]]:
        """Goes through the folder and those below it; hidden ones are left out. One folder's names are held at a time.

        Returns:
            A folder's path below the place, and the files in it that are wanted, in natural order.

        Raises:
            FileError: a folder cannot be listed.
        """
        if self.is_local:
            for found in walk(self.address, wanted):
                if found.error:
                    raise FileError(f"{found.path}: {found.error}")
                yield found.place, found.names
            return
        waiting = [""]
        while waiting:
            here = waiting.pop()
            files, below = self._list(here)
            yield here, sorted((name for name in files if wanted(name)), key=lambda name: (natural(name), name))
            below.sort(key=lambda name: (natural(name), name), reverse=True)
            waiting += [f"{here}/{name}" if here else name for name in below]

    def _list(self, name: str) -> tuple[list[str], list[str]]:
        """The files and the folders in a folder of a store, without the hidden ones."""
        system, path = self._store[0], self._path(name)
        files: list[str] = []
        below: list[str] = []
        try:
            listed = patiently(lambda: system.ls(path, detail=True))
        except LightwellError:
            raise
        except FileNotFoundError as error:
            raise FileError(f"{self.of(name)}: there is no such folder") from error
        except Exception as error:
            raise FileError(f"{self.of(name)}: cannot be listed: {_line(error)}") from error
        for item in listed:
            full = str(item["name"]).rstrip("/")
            inner = full.rsplit("/", 1)[-1]
            if full != path and inner and not inner.startswith("."):
                (below if item["type"] == "directory" else files).append(inner)
        return files, below

    def names(self, folder: str) -> list[str]:
        """The files in one folder, sorted; none where it is missing."""
        if self.is_local:
            try:
                return sorted(entry for entry in os.listdir(self.of(folder)) if not entry.startswith("."))  # noqa: PTH208
            except FileNotFoundError:
                return []
            except OSError as error:
                raise FileError(f"{self.of(folder)}: cannot be listed: {error.strerror or error}") from error
        try:
            return sorted(self._list(folder)[0])
        except FileError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return []
            raise

    def read(self, name: str) -> bytes:
        """A file's bytes.

        Raises:
            FileNotFoundError: there is none.
            FileError: it cannot be read, after three tries where another could help.
        """
        try:
            if self.is_local:
                return Path(self.of(name)).read_bytes()
            return bytes(patiently(lambda: self._store[0].cat_file(self._path(name))))
        except (FileNotFoundError, LightwellError):
            raise
        except Exception as error:
            raise FileError(f"cannot be read: {_line(error)}") from error

    def exists(self, name: str) -> bool:
        """Whether there is such a file.

        Raises:
            FileError: nobody can tell.
        """
        if self.is_local:
            return os.path.lexists(self.of(name))
        try:
            return bool(patiently(lambda: self._store[0].exists(self._path(name))))
        except LightwellError:
            raise
        except Exception as error:
            raise FileError(f"{self.of(name)}: cannot be looked at: {_line(error)}") from error

    def write(self, name: str, data: bytes | memoryview, *, replace: bool, like: Path | None = None) -> None:
        """Writes a file, whole or not at all.

        Args:
            name: of the file; folders are made.
            data: its content.
            replace: what had the name; on a disk, otherwise one that appears meanwhile stays and is an error.
            like: a file whose rights the new one does not exceed, on a disk.

        Raises:
            FileError: it cannot be written, after three tries where another could help.
        """
        if self.is_local:
            path = Path(self.of(name))
            make_folder(path.parent)
            with whole_file(path, replace=replace, like=like) as stream:
                stream.write(data)
            return
        try:
            patiently(lambda: self._put(self._path(name), bytes(data)))
        except LightwellError:
            raise
        except Exception as error:
            raise FileError(f"cannot write {self.of(name)}: {_line(error)}") from error

    def _put(self, path: str, data: bytes) -> None:
        system = self._store[0]
        if self.address.partition("://")[0] in _WHOLE:
            system.pipe_file(path, data)
            return
        folder, _, last = path.rpartition("/")
        system.makedirs(folder, exist_ok=True)
        draft = f"{folder}/.{secrets.token_hex(8)}.part"
        try:
            system.pipe_file(draft, data)
            system.mv(draft, f"{folder}/{last}")
        except BaseException:
            with contextlib.suppress(Exception):
                system.rm_file(draft)
            raise

    def note(self, name: str, data: bytes) -> None:
        """Writes a small file that only a later run reads, without waiting for the disk.

        Raises:
            FileError: it cannot be written.
        """
        if not self.is_local:
            return self.write(name, data, replace=True)
        path = Path(self.of(name))
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            draft.write_bytes(data)
            os.replace(draft, path)
        except FileNotFoundError:
            return self.write(name, data, replace=True)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise FileError(f"cannot write {path}: {error.strerror or error}") from error
        return None

    def remove(self, name: str) -> None:
        """Removes a file that may be missing.

        Raises:
            FileError: it stays.
        """
        try:
            if self.is_local:
                Path(self.of(name)).unlink(missing_ok=True)
            else:
                patiently(lambda: self._store[0].rm_file(self._path(name)))
        except FileNotFoundError:
            return
        except Exception as error:
            raise FileError(f"{self.of(name)}: cannot be removed: {_line(error)}") from error


def place(word: str) -> Place:
    """The place that a person names: a path, ``file://...`` or another address.

    Raises:
        PlanError: nothing was named.
    """
    scheme, separator, rest = word.partition("://")
    if not separator or scheme == "file":
        word = rest if separator else word
        if not word:
            raise PlanError("the folder's name is empty", remedy="empty")
        return Place(os.path.realpath(word))
    if not rest.strip("/"):
        raise PlanError(f"{word} names no folder")
    return Place(f"{scheme.lower()}://{rest.rstrip('/')}")


def refuse_nested(source: Place, dest: Place) -> None:
    """Says when one place is the other or lies in it: results would be restored once more, or replace pictures.

    Raises:
        PlanError: it is so.
    """
    first, second = f"{source.address}/", f"{dest.address}/"
    if first == second:
        raise PlanError(f"{dest.address} is both the source and the destination: choose another destination")
    if second.startswith(first):
        raise PlanError(f"the destination {dest.address} lies inside the source: choose one outside")
    if first.startswith(second):
        raise PlanError(f"the source {source.address} lies inside the destination: choose another destination")


def patiently(call: Callable[[], _Result]) -> _Result:
    """What a call gives; one that fails in a way that may pass is made up to three times."""
    for pause in _PAUSES:
        try:
            return call()
        except (FileNotFoundError, FileExistsError, IsADirectoryError, PermissionError, LightwellError, MemoryError):
            raise
        except Exception as error:
            if _is_final(error):
                raise
            time.sleep(pause)
    return call()


def is_full(error: BaseException | None) -> bool:
    """Whether an error says that nothing more can be written, whatever the picture."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False


def _is_final(error: Exception) -> bool:
    return is_full(error) or type(error).__name__ in _FINAL


def _line(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "no permission" + (f" ({error.args[0]})" if error.args and isinstance(error.args[0], str) else "")
    text = str(error) or type(error).__name__
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
