"""A run's state in a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from lightwell.errors import TrainingError
from lightwell.files import whole_file

__all__ = ["load_state", "save_state"]


def save_state(state: dict[str, Any], path: Path) -> None:
    """Writes a state of tensors and plain values; the file appears whole or not at all.

    Raises:
        FileError: when the disk refuses.
    """
    # In memory first: torch turns a full disk into an error that does not say so.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with whole_file(path) as file:
        file.write(buffer.getbuffer())


def load_state(path: Path) -> dict[str, Any]:
    """What :func:`save_state` wrote, on the CPU.

    Raises:
        TrainingError: when there is no such file, or it is not a state.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(f"{path}: there is no checkpoint to go on from") from error
    except Exception as error:  # a damaged file can make the reader raise anything
        raise TrainingError(f"{path}: not a checkpoint of a run ({str(error).splitlines()[0]})") from error
    return state
