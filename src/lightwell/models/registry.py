"""Networks by name, and their weights in files.

A weights file is a safetensors file whose metadata names the network's class and holds its configuration as JSON, so
that it can be loaded without being told what is in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from lightwell import zoo
from lightwell.errors import WeightsError
from lightwell.files import whole_file

__all__ = ["create_model", "list_models", "load_weights", "register_model", "register_network", "save_weights"]

Build = TypeVar("Build", bound=Callable[[], nn.Module])
Network = TypeVar("Network", bound=type[nn.Module])

_BUILDERS: dict[str, Callable[[], nn.Module]] = {}
_NETWORKS: dict[str, tuple[type[nn.Module], Callable[..., Any]]] = {}


def register_network(config: Callable[..., Any]) -> Callable[[Network], Network]:
    """Class decorator that lets weights files name a network; ``config`` is the dataclass its constructor takes.

    Raises:
        ValueError: when the name, the class's in lower case, is taken.
    """

    def register(network: Network) -> Network:
        _add(_NETWORKS, network.__name__.lower(), (network, config))
        return network

    return register


def register_model(build: Build) -> Build:
    """Adds a function that builds a network with fresh weights; ``darkir_s`` becomes ``darkir-s``.

    Raises:
        ValueError: when the name is taken.
    """
    _add(_BUILDERS, build.__name__.replace("_", "-"), build)
    return build


def _add(table: dict[str, Any], name: str, entry: object) -> None:
    if name in table:
        raise ValueError(f"two networks are called {name!r}")
    table[name] = entry


def list_models(pattern: str = "*") -> list[str]:
    """Names of the networks that match a wildcard, such as ``darkir*``."""
    return sorted(name for name in _BUILDERS if fnmatch(name, pattern))


def create_model(name: str, pretrained: bool = False) -> nn.Module:
    """A network by name, in training mode.

    Args:
        name: one of :func:`list_models`, or with ``pretrained`` one of the shipped models; of several networks one by
            its role, as in ``lightwell-s.light``.
        pretrained: load the shipped weights.

    Raises:
        ValueError: for an unknown name.
        WeightsError: when no weights of that name ship.
    """
    if pretrained:
        model, _, role = name.partition(".")
        return load_weights(zoo.find(model).weights_of(role or None))
    if name not in _BUILDERS:
        raise ValueError(f"unknown model {name!r}: choose one of {', '.join(list_models())}")
    return _BUILDERS[name]()


def save_weights(net: nn.Module, path: Path) -> None:
    """Writes a network's parameters and configuration; the file appears whole or not at all.

    Raises:
        FileError: when the folder or the disk refuses.
    """
    metadata = {"network": type(net).__name__.lower(), "config": json.dumps(asdict(net.config))}  # type: ignore[call-overload]
    state = {key: value.contiguous() for key, value in net.state_dict().items()}
    with whole_file(path) as file:
        file.write(save(state, metadata))


def load_weights(path: Path) -> nn.Module:
    """The network in a file that :func:`save_weights` wrote.

    Raises:
        WeightsError: when the file is missing, is not such a file, or its parameters do not fit its configuration.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file ({error})") from error
    if metadata.get("network") not in _NETWORKS or "config" not in metadata:
        raise WeightsError(f"{path}: does not name its network; a public checkpoint goes through `lightwell import`")
    network, config = _NETWORKS[metadata["network"]]
    try:
        net = network(config(**json.loads(metadata["config"])))
        net.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its parameters do not fit its configuration ({error})") from error
    return net
