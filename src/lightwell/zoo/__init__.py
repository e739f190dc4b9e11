"""The shipped models: for each NAME.onnx (its graph), NAME.safetensors (its parameters) and NAME.json (its card)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightwell.errors import WeightsError

__all__ = ["Card", "cards", "default", "find"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Card:
    """What is known of a shipped model.

    Args:
        name: how it is asked for.
        summary: one line.
        content: the whole card, as in NAME.json.
    """

    name: str
    summary: str
    content: dict[str, Any]

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return _FOLDER / f"{self.name}.onnx"

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return _FOLDER / f"{self.name}.safetensors"

    def damaged(self) -> list[str]:
        """The names of the model's files that are missing or differ from what the card says was shipped."""
        return [name for name, digest in self.content["sha256"].items() if _digest(_FOLDER / name) != digest]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def cards() -> list[Card]:
    """The cards of all shipped models, the default first."""
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(_FOLDER.glob("*.json"))]
    contents.sort(key=lambda content: not content.get("default", False))
    return [Card(content["name"], content["summary"], content) for content in contents]


def default() -> Card:
    """The model that is used when none is named.

    Raises:
        WeightsError: when none ships.
    """
    known = cards()
    if not known:
        raise WeightsError("this installation holds no model: give a path to an ONNX file with -m")
    return known[0]


def find(name: str) -> Card:
    """The card of a shipped model.

    Raises:
        WeightsError: when no model of that name ships.
    """
    known = {card.name: card for card in cards()}
    if name not in known:
        raise WeightsError(
            f"no model {name!r} ships: choose one of {', '.join(known) or 'none'}, or give a path to an ONNX file"
        )
    return known[name]
