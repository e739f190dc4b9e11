"""A file system of fsspec over a folder of this machine, with the faults of a bad one.

``faulty:///folder`` is ``/folder``. By the environment: FAULTY_EVERY, every how many reads one fails; FAULTY_BYTES,
how much each process can write before the disk is full; FAULTY_HELD, a file: while it is there no process reads more
than five pictures. By a file's name: ``hog`` kills whoever reads it, ``once`` kills the first who does, ``late`` kills
who first writes it, once it is written, ``slow`` takes seconds to read, and ``gone`` cannot be read.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path
from typing import Any

from fsspec.spec import AbstractFileSystem


class FaultyFileSystem(AbstractFileSystem):
    protocol = "faulty"
    reads = written = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("faulty://").strip("/")

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        found = []
        for entry in os.scandir(self._strip_protocol(path)):
            kind = "directory" if entry.is_dir() else "file"
            found.append({"name": entry.path, "type": kind, "size": entry.stat().st_size})
        return found if detail else [item["name"] for item in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        status = Path(path).stat()
        return {"name": path, "type": "directory" if Path(path).is_dir() else "file", "size": status.st_size}

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        assert start is None
        assert end is None
        path = self._strip_protocol(path)
        if ".lightwell" not in path:
            type(self).reads += 1
            if "slow" in path:
                time.sleep(5)
            held = os.environ.get("FAULTY_HELD")
            while held and self.reads > 5 and Path(held).exists():
                time.sleep(0.1)
            every = int(os.environ.get("FAULTY_EVERY", "0"))
            if "gone" in path or (every and self.reads % every == 0):
                raise ConnectionResetError("the connection was reset")
            if "hog" in path or ("once" in path and self._first(path)):
                os.kill(os.getpid(), signal.SIGKILL)
        return Path(path).read_bytes()

    def pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        room = int(os.environ.get("FAULTY_BYTES", "0"))
        type(self).written += len(value)
        if room and self.written > room and ".lightwell" not in path:
            raise OSError(errno.ENOSPC, "No space left on device")
        Path(self._strip_protocol(path)).write_bytes(value)

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        os.replace(self._strip_protocol(path1), self._strip_protocol(path2))
        if "late" in path2:
            with Path(path2 + ".written").open("a") as log:
                log.write("written\n")
            if self._first(path2):
                os.kill(os.getpid(), signal.SIGKILL)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        Path(self._strip_protocol(path)).mkdir(parents=True, exist_ok=exist_ok)

    def rm_file(self, path: str) -> None:
        Path(self._strip_protocol(path)).unlink()

    @staticmethod
    def _first(path: str) -> bool:
        try:
            Path(path + ".met").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
