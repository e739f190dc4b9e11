"""Options that several commands share."""

from __future__ import annotations

from functools import partial

import typer

__all__ = ["flag"]

flag = partial(typer.Option, metavar="")
"""A switch that takes no value; typer by itself would print ``<bool>`` behind its name, as if one had to follow."""
