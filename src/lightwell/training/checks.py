"""What is wrong with a recipe, all of it at once, before any data are read."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from lightwell.training.recipe import Recipe

__all__ = ["faults", "fits", "hints_of", "in_words"]

_MOST = math.inf
_SEEDS = 2**43  # a step's seed is a million times as much, and torch takes 63 bits

# The least and the greatest value of each number, by the dataclass and the field. A tuple's numbers each.
_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "Recipe": {
        "seed": (0, _SEEDS),
        "weight_decay": (0, _MOST),
        "betas": (0, math.nextafter(1, 0)),
        "clip": (1e-12, _MOST),
        "ema": (0, math.nextafter(1, 0)),
        "memory": (0, _MOST),
        "workers": (0, 1024),
        "log_every": (1, _MOST),
        "validate_every": (1, _MOST),
        "save_every": (1, _MOST),
    },
    "Stage": {
        "steps": (1, _MOST),
        "lr": (1e-12, _MOST),
        "lr_end": (0, _MOST),
        "decay": (1e-12, _MOST),
        "warmup": (0, _MOST),
        "synthetic": (0, 1),
        "exposure": (0, _MOST),
    },
    "View": {"size": (1, 65536), "batch": (1, 65536), "zoom": (1e-3, 1), "weight": (0, _MOST)},
    "Degradation": {
        **dict.fromkeys(("shade_chance", "blur_chance", "straight", "defocus_chance", "jpeg_chance"), (0, 1)),
        **dict.fromkeys(("shade", "cast", "warmth", "blur", "defocus"), (0, _MOST)),
        **dict.fromkeys(("shot", "read", "lights"), (1e-12, _MOST)),
        "quality": (1, 100),
    },
}
_RISING = {("View", "zoom"), *(("Degradation", name) for name in ("ev", "shot", "read", "lights", "quality"))}


def faults(recipe: Recipe) -> list[str]:
    """Everything that is wrong with a recipe's settings: types, lengths, ranges and names.

    Returns:
        A line each, which begins with the setting's name as ``--set`` takes it; none for a good recipe.
    """
    from lightwell.models import list_models
    from lightwell.training.recipe import misspelt

    found = list(_walk(recipe, ""))
    if isinstance(recipe.model, str) and recipe.model not in (known := list_models()):
        found.append(f"model: {misspelt('model', recipe.model, known)}")
    for name in ("pairs", "held_out"):
        found += [f"{name}: a set's name is empty" for entry in getattr(recipe, name) if not str(entry).strip()]
    if not recipe.pairs:
        found.append("pairs: at least one set of pairs is needed")
    elif all(isinstance(share, int | float) for share in recipe.pairs.values()):
        shares = recipe.pairs.values()
        if not all(share >= 0 and math.isfinite(share) for share in shares) or not sum(shares):
            found.append(f"pairs: shares are positive numbers, not {', '.join(f'{share:g}' for share in shares)}")
    if recipe.front != "none" and recipe.task != "restoration":
        found.append(f"front: {recipe.front} goes with the task restoration, not with {recipe.task}")
    for number, stage in enumerate(recipe.stages):
        if recipe.front != "none" and stage.synthetic:
            found.append(
                f"stages.{number}.synthetic: a front looks at whole pictures, and these are cut before they are dark: "
                "set it to 0, or make pairs with lightwell degrade --pairs"
            )
        weights = [view.weight for view in stage.views if isinstance(view.weight, int | float)]
        if weights and not sum(weights):
            found.append(f"stages.{number}.views.weight: all are 0, so that none would be drawn")
        if not stage.losses:
            found.append(f"stages.{number}.losses: there is none to learn from")
        if not stage.turns:
            found.append(f"stages.{number}.turns: there is none, so that nothing would learn")
    return found


def _walk(node: Any, path: str) -> Iterator[str]:
    hints, kind = hints_of(type(node)), type(node).__name__
    for entry in fields(node):
        value, hint, name = getattr(node, entry.name), hints[entry.name], f"{path}{entry.name}"
        nodes = value if isinstance(value, tuple) else (value,)
        if nodes and all(is_dataclass(inner) and not isinstance(inner, type) for inner in nodes):
            for number, inner in enumerate(nodes):
                yield from _walk(inner, f"{name}.{number}." if isinstance(value, tuple) else f"{name}.")
        elif not fits(value, hint):
            yield f"{name}: takes {in_words(hint)}, not {value!r}"
        else:
            yield from _numbers(value, name, kind, entry.name)


def _numbers(value: Any, name: str, kind: str, field: str) -> Iterator[str]:
    """Whether numbers are finite, in their range, and rise where they are two ends."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
    numbers = [part for part in parts if isinstance(part, int | float) and not isinstance(part, bool)]
    if not all(map(math.isfinite, numbers)):
        yield f"{name}: takes finite numbers, not {value!r}"
        return
    least, most = _RANGES.get(kind, {}).get(field, (-_MOST, _MOST))
    if numbers and not all(least <= number <= most for number in numbers):
        yield f"{name}: {_between(least, most)}, not {value!r}"
    elif (kind, field) in _RISING and numbers != sorted(numbers):
        yield f"{name}: two ends, the lower one first, not {value!r}"


def _between(least: float, most: float) -> str:
    low = "above 0" if 0 < least < 1e-6 else f"from {least:g}"
    if most == _MOST:
        return low if low == "above 0" else f"{least:g} or more"
    return f"{low} to {most:g}" if most >= 1 else f"{low} to below 1"


def hints_of(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return typing.get_type_hints(kind)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type as it is written: a whole number will do for a float, nothing else for another."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(fits(part, arguments[0]) for part in value)
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    if origin is dict:
        return isinstance(value, dict) and all(
            fits(key, arguments[0]) and fits(part, arguments[1]) for key, part in value.items()
        )
    if origin is Callable:
        return callable(value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint if isinstance(hint, type) else object)


def in_words(hint: Any) -> str:
    """A type as a person would say it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(in_words(argument) for argument in arguments)
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return f"a list like ({in_words(arguments[0])}, ...)"
        return f"({', '.join(map(in_words, arguments))})"
    if origin is dict:
        return f"{{{in_words(arguments[0])}: {in_words(arguments[1])}}}"
    if origin is Callable:
        return "a function"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}
    return "None" if hint is type(None) else names.get(hint, getattr(hint, "__name__", str(hint)))
