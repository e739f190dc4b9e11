"""Files that others published: found on disk, or downloaded when asked for and checked by SHA-256.

Such as the parameters of metrics. None of them is part of lightwell. They lie in ``$LIGHTWELL_CACHE``, by default
``~/.cache/lightwell``.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from lightwell.errors import WeightsError

__all__ = ["Download", "cache"]


def cache() -> Path:
    """The folder in which downloaded parameters lie; it need not exist."""
    base = os.environ.get("LIGHTWELL_CACHE")
    return Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lightwell"


@dataclass(frozen=True)
class Download:
    """One file of parameters.

    Attributes:
        name: file name in the cache.
        what: the words for it in messages.
        url: where it lies.
        most: upper bound of its size in bytes.
    """

    name: str
    what: str
    url: str
    sha256: str
    most: int

    def find(self) -> Path:
        """Its path in the cache.

        Raises:
            WeightsError: not there; the message says how to get it.
        """
        path = cache() / self.name
        if not path.is_file():
            raise WeightsError(
                f"{self.what} are not part of lightwell and not in {cache()}: give the path of the file, or download "
                f"it once with `python -m lightwell.metrics download {self.name}` (from {self.url})"
            )
        return path

    def matches(self, path: Path) -> bool:
        """Whether the file at ``path`` is the published one."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256

    def download(self) -> Path:
        """Fetches the file into the cache, unless it is there, and returns its path.

        Raises:
            WeightsError: no connection, or what came is not the published file.
        """
        path = cache() / self.name
        if path.is_file() and self.matches(path):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            try:
                with urlopen(self.url, timeout=60) as answer:
                    left = self.most
                    while left >= 0 and (piece := answer.read(1 << 20)):
                        left -= file.write(piece)
            except (URLError, OSError) as error:
                part.unlink()
                raise WeightsError(f"{self.what} could not be downloaded from {self.url}: {error}") from error
        if left < 0 or not self.matches(part):
            part.unlink()
            raise WeightsError(
                f"what came from {self.url} is not the published file (SHA-256 differs); nothing was kept"
            )
        os.replace(part, path)
        return path
