"""The shipped models: for each NAME.json (its card) a graph, NAME.onnx, and its parameters, NAME.safetensors.

A model of several networks has a pair of files for each, NAME.ROLE.onnx and NAME.ROLE.safetensors.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from lightwell.errors import WeightsError
from lightwell.zoo.card import Card, Score, read_card
from lightwell.zoo.spec import METADATA_KEY, Spec

__all__ = ["METADATA_KEY", "Card", "Score", "Spec", "cards", "default", "find", "is_file_name", "networks", "read_card"]

_FOLDER = Path(__file__).parent


@cache
def _cards() -> tuple[Card, ...]:
    known = [read_card(path) for path in sorted(_FOLDER.glob("*.json"))]
    return tuple(sorted(known, key=lambda card: not card.default))


def cards() -> list[Card]:
    """The cards of all shipped models, the default first."""
    return list(_cards())


def default() -> Card:
    """The model that is used when none is named.

    Raises:
        WeightsError: when none ships.
    """
    if not _cards():
        raise WeightsError("this installation holds no model: give the path of an ONNX file")
    return _cards()[0]


def find(name: str) -> Card:
    """The card of a shipped model.

    Raises:
        WeightsError: when no model of that name ships.
    """
    known = {card.name: card for card in _cards()}
    if name not in known:
        raise WeightsError(
            f"no model {name!r} ships: choose one of {', '.join(known) or 'none'}, or give the path of an ONNX file"
        )
    return known[name]


def networks() -> dict[str, Path]:
    """The weights of every network that ships, by name: its model's, with ``.ROLE`` behind it where it has several."""
    return {path.stem: path for card in _cards() for path in card.weights.values()}


def is_file_name(model: str | os.PathLike[str]) -> bool:
    """Whether a model is named by a file rather than by its name."""
    text = os.fspath(model)
    return Path(text).suffix in (".onnx", ".json") or os.sep in text
