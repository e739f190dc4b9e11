"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch

from torch import nn

from lightwell.models.darkir import DarkIR, DarkIRConfig

__all__ = ["build", "list_models"]

_PRESETS: dict[str, Callable[[], nn.Module]] = {
    "darkir-s": lambda: DarkIR(DarkIRConfig(width=16)),
    "darkir-m": lambda: DarkIR(DarkIRConfig(width=32)),
    "darkir-l": lambda: DarkIR(DarkIRConfig(width=64)),
}


def list_models(pattern: str = "*") -> list[str]:
    """Names of the networks that match a wildcard."""
    return [name for name in _PRESETS if fnmatch(name, pattern)]


def build(name: str) -> nn.Module:
    """A network with fresh weights.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in _PRESETS:
        raise ValueError(f"unknown model {name!r}: choose one of {', '.join(_PRESETS)}")
    return _PRESETS[name]()
