"""What a run's folder says of the experiment: recipe, settings, command, versions, and digests of the data."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lightwell
from lightwell.errors import TrainingError
from lightwell.files import whole_file

__all__ = ["RECORD", "as_data", "differences", "digest", "flat", "read_record", "versions", "write_record"]

RECORD = "run.json"
_MOST_BYTES = 16 << 20

# Where data lie and how often something is written do not change what is learned.
_FREE = {"name", "data", "memory", "workers", "log_every", "save_every"}


def as_data(value: Any) -> Any:
    """Dataclasses, tuples, paths and functions as what JSON can hold; a function is its module and name."""
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: as_data(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_data(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_data(part) for part in value]
    if isinstance(value, partial):
        words = [*map(repr, value.args), *(f"{key}={part!r}" for key, part in value.keywords.items())]
        return f"{as_data(value.func)}({', '.join(words)})"
    if isinstance(value, Path):
        return str(value)
    if callable(value):
        # A recipe file's functions live in a module whose name depends on how the file was run.
        module = getattr(value, "__module__", "")
        name = getattr(value, "__qualname__", type(value).__qualname__)
        return f"{module}:{name}" if module.startswith("lightwell.") else name
    return value


def flat(data: Any, name: str = "") -> dict[str, Any]:
    """Nested data by dotted names, as ``--set`` takes them."""
    if isinstance(data, Mapping) and data:
        parts: Iterable[tuple[str, Any]] = data.items()
    elif isinstance(data, list) and any(isinstance(part, Mapping | list) for part in data):
        parts = ((str(number), part) for number, part in enumerate(data))
    else:
        return {name: data}
    return {k: v for key, part in parts for k, v in flat(part, f"{name}.{key}" if name else key).items()}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What two records do not have in common and should, as ``name: THEN then, NOW now``."""
    return [*_different(then["recipe"], now["recipe"]), *_different_data(then.get("data", {}), now.get("data", {}))]


def _different(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    # Through JSON once, which has no tuples.
    before, after = flat(then), flat(json.loads(json.dumps(now)))
    for name in dict.fromkeys([*before, *after]):
        if name.partition(".")[0] not in _FREE and before.get(name) != after.get(name):
            words = (json.dumps(part[name]) if name in part else "nothing" for part in (before, after))
            yield "{}: {} then, {} now".format(name, *words)


def _different_data(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in then.keys() & now.keys():
        if then[name] != now[name]:
            count, other = then[name]["files"], now[name]["files"]
            counted = f"{count} files then, {other} now" if count != other else "names, sizes or times differ"
            yield f"data {name}: {counted}"


def digest(files: Iterable[Path]) -> dict[str, Any]:
    """How many files there are, and a SHA-256 over their names, sizes and times of change; they are not read."""
    lines = []
    for path in files:
        status = path.stat()
        lines.append(f"{'/'.join(path.parts[-2:])}\t{status.st_size}\t{status.st_mtime_ns}\n")
    return {
        "files": len(lines),
        "sha256": hashlib.sha256("".join(sorted(lines)).encode("utf-8", "replace")).hexdigest(),
    }


def versions() -> dict[str, str]:
    """Of what a result may depend on."""
    found = {"lightwell": lightwell.__version__, "python": platform.python_version()}
    for package in ("torch", "numpy", "pillow", "safetensors"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Writes a run's record.

    Raises:
        FileError: when the disk refuses.
    """
    stamped = {"begun": datetime.now().astimezone().isoformat(timespec="seconds"), **record}
    with whole_file(folder / RECORD) as file:
        file.write((json.dumps(stamped, indent=1, ensure_ascii=False) + "\n").encode())


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of a run; None for one that has none.

    Raises:
        TrainingError: when it is damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("too large")
        record = json.loads(path.read_bytes())
        if not isinstance(record["recipe"], dict) or not isinstance(record.get("settings", []), list):
            raise ValueError("recipe or settings of the wrong kind")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise TrainingError(f"{path}: not the record of a run ({error})") from error
    return dict(record)
