"""The networks, in torch. Each module is one published network; importing this package registers them all."""

from __future__ import annotations

from lightwell.models import darkir as darkir
from lightwell.models import drgn as drgn
from lightwell.models import frlie as frlie
from lightwell.models import light_and_detail as light_and_detail
from lightwell.models.front import FRONTS, bare, with_front
from lightwell.models.registry import (
    Network,
    create_model,
    find_weights,
    import_networks,
    list_models,
    load_model,
    load_weights,
    save_weights,
)

__all__ = [
    "FRONTS",
    "Network",
    "bare",
    "create_model",
    "find_weights",
    "import_networks",
    "list_models",
    "load_model",
    "load_weights",
    "save_weights",
    "with_front",
]
