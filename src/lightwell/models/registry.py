"""Networks by name, and their weights in files.

A weights file is a safetensors file whose metadata names the network's class and holds its configuration as JSON, so
that it can be loaded without being told what is in it. The folder of a training run stands for its best weights.
"""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from lightwell import zoo
from lightwell.errors import WeightsError
from lightwell.files import whole_file
from lightwell.weights import find_weights

__all__ = [
    "Network",
    "Trainable",
    "build_network",
    "create_model",
    "find_weights",
    "import_networks",
    "list_models",
    "load_model",
    "load_weights",
    "mark_imported",
    "register_model",
    "register_network",
    "save_weights",
]


@runtime_checkable
class Network(Protocol):
    """What a network has besides being an ``nn.Module`` that takes and gives ``(N, C, H, W)``.

    It may also have ``channels``, the C that it takes (3 where it does not say), ``multiple``, of which heights and
    widths cost nothing to pad (1 where it does not say), and ``beside``, names of numbers ``(1,)`` that it takes after
    the picture (none where it does not say).
    """

    config: Any
    """A frozen dataclass that JSON can hold; the class makes the network again from it."""


@runtime_checkable
class Trainable(Protocol):
    """A network whose fresh weights are not yet what training should begin with."""

    def prepare_training(self) -> None:
        """Sets what has to be set; called once, before weights to start from are loaded."""


Build = TypeVar("Build", bound=Callable[[], nn.Module])
NetworkClass = TypeVar("NetworkClass", bound=type[nn.Module])

_BUILDERS: dict[str, Callable[[], nn.Module]] = {}
_NETWORKS: dict[str, tuple[type[nn.Module], Callable[..., Any]]] = {}
_IMPORTED: set[Path] = set()


def register_network(config: Callable[..., Any]) -> Callable[[NetworkClass], NetworkClass]:
    """Class decorator that lets weights files name a network; ``config`` is the dataclass its constructor takes.

    Raises:
        ValueError: when the name, the class's in lower case, is taken.
    """

    def register(network: NetworkClass) -> NetworkClass:
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


def import_networks(file: str | os.PathLike[str]) -> None:
    """Runs a Python file that registers networks of one's own. Only call it on a file that you trust: it is run.

    A file is run once, however often it is asked for.

    Raises:
        WeightsError: when the file is missing or fails.
    """
    path = Path(file).resolve()
    if path in _IMPORTED:
        return
    if not path.is_file():
        raise WeightsError(f"{file}: there is no such Python file")
    builders, networks = _BUILDERS.copy(), _NETWORKS.copy()
    try:
        runpy.run_path(str(path))
    except Exception as error:
        _BUILDERS.clear()
        _NETWORKS.clear()
        _BUILDERS.update(builders)
        _NETWORKS.update(networks)
        raise WeightsError(f"{file}: {type(error).__name__}: {error}") from error
    _IMPORTED.add(path)


def mark_imported(file: str | os.PathLike[str]) -> None:
    """Keeps :func:`import_networks` from running a file again that was run otherwise, as a recipe is."""
    _IMPORTED.add(Path(file).resolve())


def list_models(pattern: str = "*", pretrained: bool = False) -> list[str]:
    """Names of the networks that match a wildcard, such as ``darkir*``: those that can be built and those that ship.

    Args:
        pattern: as of a file name.
        pretrained: only those with weights that ship.
    """
    names = set(zoo.networks())
    if not pretrained:
        names |= _BUILDERS.keys()
    return sorted(name for name in names if fnmatch(name, pattern))


def create_model(name: str, pretrained: bool | str | os.PathLike[str] = False, **settings: Any) -> nn.Module:
    """A network by name, in training mode.

    Args:
        name: one of `list_models`.
        pretrained: True loads the weights that ship under this name; a path or another name loads those of
            `find_weights`.
        settings: replace fields of the network's configuration, as ``width=24``.

    Raises:
        ValueError: for an unknown name or setting.
        WeightsError: when there are no such weights, or they do not fit.
    """
    if pretrained is True:
        net = load_weights(_shipped(name))
        if settings and _changed(net, settings).config != net.config:
            raise WeightsError(f"the weights of {name} are of another configuration than {settings}")
        return net
    net = _changed(_fresh(name), settings)
    if not isinstance(pretrained, bool):
        path = find_weights(pretrained)
        given = load_weights(path)
        try:
            net.load_state_dict(given.state_dict())
        except RuntimeError as error:
            raise WeightsError(f"{path}: does not fit {name} ({' '.join(str(error).split())[:300]})") from error
    return net


def _shipped(name: str) -> Path:
    path = zoo.networks().get(name)
    if path is None:
        raise WeightsError(f"no model {name!r} ships: choose one of {', '.join(zoo.networks())}")
    return path


def _fresh(name: str) -> nn.Module:
    if name in _BUILDERS:
        return _BUILDERS[name]()
    if name in list_models():
        network, config, _ = _read(_shipped(name), with_state=False)
        return network(config)
    known = list_models()
    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}? There are" if close else "choose one of"
    raise ValueError(f"unknown model {name!r}: {hint} {', '.join(known)}")


def _changed(net: nn.Module, settings: dict[str, Any]) -> nn.Module:
    """A fresh network of the same class with some of its configuration replaced; the same one without settings."""
    if not settings:
        return net
    config = getattr(net, "config", None)
    if not is_dataclass(config) or isinstance(config, type):
        raise ValueError(f"{type(net).__name__} has no settings to replace: {', '.join(settings)}")
    known = [field.name for field in fields(config)]
    if unknown := sorted(settings.keys() - set(known)):
        raise ValueError(f"{type(net).__name__} has no setting {', '.join(unknown)}: there are {', '.join(known)}")
    return type(net)(replace(config, **settings))


def load_model(model: str | os.PathLike[str]) -> nn.Module:
    """The network of `find_weights`, in training mode.

    Raises:
        WeightsError: when there is no such model or its file is not one of ours.
    """
    return load_weights(find_weights(model))


def save_weights(net: nn.Module, path: Path, *, half: bool = False) -> None:
    """Writes a network's parameters and configuration; the file appears whole or not at all.

    Args:
        net: the network.
        path: the file.
        half: whether parameters are rounded to float16, which halves the file; loading widens them again.

    Raises:
        FileError: when the folder or the disk refuses.
    """
    metadata = {"network": type(net).__name__.lower(), "config": json.dumps(asdict(net.config))}  # type: ignore[call-overload]
    state = {key: value.contiguous() for key, value in net.state_dict().items()}
    if half:
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    with whole_file(path) as file:
        file.write(save(state, metadata))


def load_weights(path: Path) -> nn.Module:
    """The network in a file that `save_weights` wrote.

    Raises:
        WeightsError: when the file is missing, is not such a file, or its parameters do not fit its configuration.
    """
    network, config, state = _read(path)
    try:
        net = network(config)
        net.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its parameters do not fit its configuration ({error})") from error
    return net


def build_network(name: str, config: dict[str, Any]) -> nn.Module:
    """A network with fresh weights from what a weights file says of it.

    Args:
        name: of its class, in lower case.
        config: the fields of its configuration.

    Raises:
        ValueError: when there is no such network.
        TypeError: when the configuration is not one of it.
    """
    if name not in _NETWORKS:
        raise ValueError(f"no network {name!r} is registered")
    network, known = _NETWORKS[name]
    return network(known(**config))


def _read(path: Path, *, with_state: bool = True) -> tuple[type[nn.Module], Any, dict[str, Any]]:
    """A file's class of network, its configuration and its parameters."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            keys = file.keys() if with_state else ()
            state = {key: file.get_tensor(key) for key in keys}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file ({error})") from error
    if "network" not in metadata or "config" not in metadata:
        raise WeightsError(f"{path}: does not name its network; a public checkpoint goes through `lightwell import`")
    if metadata["network"] not in _NETWORKS:
        raise WeightsError(
            f"{path}: holds a network {metadata['network']!r}, which lightwell does not know: give the Python file "
            "that registers it with --import FILE.py, or to lightwell.models.import_networks"
        )
    network, config = _NETWORKS[metadata["network"]]
    try:
        return network, config(**json.loads(metadata["config"])), state
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its parameters do not fit its configuration ({error})") from error
