"""Options that several commands share."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path

import typer

__all__ = ["DeviceName", "command_line", "flag"]

flag = partial(typer.Option, metavar="")
"""A switch that takes no value; typer by itself would print ``<bool>`` behind its name, as if one had to follow."""


class DeviceName(StrEnum):
    """`lightwell.engines.DEVICES`, which are not at hand before the command runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    openvino = "openvino"
    coreml = "coreml"
    torch = "torch"


def command_line() -> str:
    """The command as it was typed, for the record."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
