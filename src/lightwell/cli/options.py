"""Options that several commands share."""

from __future__ import annotations

from functools import partial

import typer

from lightwell.errors import LightwellError

__all__ = ["flag", "worded"]

flag = partial(typer.Option, metavar="")
"""A switch that takes no value; typer by itself would print ``<bool>`` behind its name, as if one had to follow."""

_OPTIONS = {"format": "--format", "max_memory": "--max-memory", "max_pixels": "--max-pixels"}


def worded(error: LightwellError) -> str:
    """An error's line with the option that mends it."""
    option = _OPTIONS.get(error.remedy or "")
    return f"{error} ({option})" if option else str(error)
