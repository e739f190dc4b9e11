"""Options that several commands share."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path

import typer

__all__ = ["command_line", "flag"]

flag = partial(typer.Option, metavar="")
"""A switch that takes no value; typer by itself would print ``<bool>`` behind its name, as if one had to follow."""


def command_line() -> str:
    """The command as it was typed, for the record."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
