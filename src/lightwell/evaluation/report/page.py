"""What every report shares: how a page is rendered, numbers are written and files are put in place."""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from lightwell import __version__
from lightwell.files import whole_file

__all__ = [
    "DASH",
    "FILES",
    "best",
    "csv_cell",
    "finite",
    "number",
    "p_value",
    "provenance",
    "render",
    "signed",
    "write_text",
]

DASH, MINUS, INFINITY = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{INFINITY}"
FILES = ("index.html", "report.md", "scores.csv", "report.json")
_FOLDER = "lightwell.evaluation.report"


def render(template: str, **context: Any) -> str:
    """A template of this folder, filled; the page holds its style and script and loads nothing."""
    environment = Environment(
        loader=PackageLoader(_FOLDER, "."),
        autoescape=select_autoescape(["html.jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = _escaped
    here = files(_FOLDER)
    parts = {name: here.joinpath(f"page.{name}").read_text("utf-8") for name in ("css", "js")}
    return environment.get_template(template).render(**parts, **context)


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all; what is no text in a file's name is written as escapes."""
    with whole_file(path) as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))


def csv_cell(text: str) -> str:
    """A name for a table that a spreadsheet will open, where what begins like a formula would be one."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _escaped(text: str) -> str:
    """A name inside Markdown, as it is."""
    one_line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&])", r"\\\1", one_line)


def best(values: Sequence[float], higher_is_better: bool = True) -> float | None:
    """The best of a table's column; None where it holds no numbers, or several that are all the same."""
    known = [value for value in values if not math.isnan(value)]
    if len(known) > 1 and len(set(known)) == 1:
        return None
    return (max if higher_is_better else min)(known, default=None)


def number(value: float, decimals: int) -> str:
    """A number for a table; a dash where there is none."""
    if math.isnan(value):
        return DASH
    return f"{value:.{decimals}f}" if math.isfinite(value) else (INFINITY if value > 0 else MINUS + INFINITY)


def signed(value: float, decimals: int) -> str:
    """A difference for a table, with its sign."""
    text = number(abs(value), decimals)
    return text if math.isnan(value) else (MINUS if value < 0 else "+") + text


def p_value(p: float) -> str:
    """A p-value as papers write it."""
    return DASH if math.isnan(p) else ("p < 0.001" if p < 0.001 else f"p = {p:.3f}")


def finite(value: float | None) -> float | str | None:
    """A number as JSON can hold it: infinity as text, NaN as null."""
    if value is None or math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def provenance(command: str, packages: Sequence[str]) -> dict[str, str]:
    """When, where and with which versions a report was made."""
    made = {
        "made": datetime.now().astimezone().isoformat(timespec="minutes"),
        "command": command,
        "lightwell": __version__,
        "python": platform.python_version(),
    }
    for package in packages:
        try:
            made[package] = version(package)
        except PackageNotFoundError:
            continue
    made["machine"] = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return made
