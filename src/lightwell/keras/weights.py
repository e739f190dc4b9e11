"""Weights of the torch network in a Keras model and back, through safetensors files; torch is not loaded for it.

The files are those of `lightwell.models.registry`: parameters under the names of the public checkpoints, and metadata
that name the network and hold its configuration as JSON.
"""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lightwell.errors import WeightsError
from lightwell.files import whole_file
from lightwell.keras.layers import Conv, DarkIRDecoderBlock, DarkIREncoderBlock, PixelShuffle
from lightwell.keras.model import create_darkir_model
from lightwell.weights import find_weights

__all__ = ["create_darkir", "from_torch", "to_torch"]

Array = NDArray[Any]

_WIDTHS = {"darkir-s": 16, "darkir-m": 32, "darkir-l": 64}
_SIDE = "side_out."


def create_darkir(
    name: str | None = None, weights: str | os.PathLike[str] | None = None, **options: Any
) -> keras.Model:
    """A published DarkIR by name, with the weights that ship or with fresh ones.

    Args:
        name: "darkir-s", "darkir-m" or "darkir-l"; without it the structure is that of the weights.
        weights: a shipped model's name, a safetensors file or a run's folder; without it the weights are fresh.
        options: more arguments of `create_darkir_model`, such as ``use_side_loss=True``.

    Raises:
        ValueError: for an unknown name, or neither name nor weights.
        WeightsError: when no weights of that name ship, or the file does not fit.
    """
    if name is not None and name not in _WIDTHS:
        raise ValueError(f"name must be one of {', '.join(_WIDTHS)}: {name!r}")
    if weights is None:
        if name is None:
            raise ValueError("create_darkir needs name, weights or both")
        return create_darkir_model(width=_WIDTHS[name], **options)
    path = find_weights(weights)
    config = _read(path)[1] if name is None else {"width": _WIDTHS[name]}
    unknown = set(config) - set(inspect.signature(create_darkir_model).parameters)
    if unknown:
        raise WeightsError(f"weights {path}: its configuration is not of a DarkIR ({', '.join(sorted(unknown))})")
    model = create_darkir_model(**{**config, **options})
    from_torch(model, path)
    return model


def from_torch(model: keras.Model, weights: str | os.PathLike[str]) -> None:
    """Loads a torch network's parameters into a model of the same structure.

    A side output is left out where the model has none.

    Args:
        model: made by `create_darkir_model`.
        weights: a shipped model's name, a safetensors file or a run's folder.

    Raises:
        WeightsError: when no weights of that name ship, the file is not readable, or it is of another structure.
    """
    path = find_weights(weights)
    state, _ = _read(path)
    values = []
    for name, variable in _named_variables(model):
        if name not in state:
            raise WeightsError(f"weights {path}: has no parameter {name!r}, which the model has")
        value = _to_keras(name, state.pop(name), len(variable.shape))
        if value.shape != tuple(variable.shape):
            raise WeightsError(
                f"weights {path}: {name} is of shape {value.shape} where the model has {tuple(variable.shape)}; "
                "choose width, img_channels and blocks as the weights have them, or leave the choice to "
                "create_darkir(weights=...)"
            )
        values.append((variable, value))
    left = [name for name in state if not name.startswith(_SIDE)]
    if left:
        raise WeightsError(f"weights {path}: has a parameter {left[0]!r}, which the model has not")
    # Only now, so that a file that does not fit leaves the model as it was.
    for variable, value in values:
        variable.assign(value)


def to_torch(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Writes a model's parameters so that `lightwell.models.registry.load_weights` makes the torch network from them.

    The torch network always has a side output; where the model has none its weights are zeros. The file appears whole
    or not at all.

    Args:
        model: made by `create_darkir_model`.
        path: the safetensors file.

    Raises:
        FileError: when the folder or the disk refuses.
        ValueError: for a model that is no DarkIR.
    """
    config = _config(model)
    state = {
        name: _to_torch(name, keras.ops.convert_to_numpy(variable.value)) for name, variable in _named_variables(model)
    }
    if f"{_SIDE}weight" not in state:
        channels, bottom = config["img_channels"], config["width"] * 2 ** len(config["enc_blk_nums"])
        state[f"{_SIDE}weight"] = np.zeros((channels, bottom, 3, 3), np.float32)
        state[f"{_SIDE}bias"] = np.zeros(channels, np.float32)
    with whole_file(Path(path)) as file:
        file.write(save(state, {"network": "darkir", "config": json.dumps(config)}))


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Parameters and configuration in a file."""
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if metadata.get("network") != "darkir":
            raise WeightsError(
                f"weights {path}: does not say that it is a DarkIR; a public checkpoint goes through `lightwell import`"
            )
        config = json.loads(metadata["config"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"weights {path}: not a readable safetensors file of a DarkIR ({error})") from error
    return state, config


def _named_variables(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    """Every weight with its name in the torch network."""
    for layer in model.layers:
        if isinstance(layer, Conv | DarkIREncoderBlock | DarkIRDecoderBlock):
            for variable in layer.weights:
                # From the layer on: a model within a model has longer paths.
                path = variable.path[variable.path.index(layer.name) :]
                yield _torch_name(path), variable


def _torch_name(path: str) -> str:
    """``encoders_0_1/branches_0/kernel`` to ``encoders.0.modules_list.1.branches.0.branch.0.weight``."""
    *parts, weight = path.split("/")
    name = ".".join(parts)
    name = re.sub(r"^(encoders|decoders)_(\d+)_(\d+)", r"\1.\2.modules_list.\3", name)
    name = re.sub(r"^(middle_blks_enc|middle_blks_dec)_(\d+)", r"\1.modules_list.\2", name)
    name = re.sub(r"^downs_(\d+)", r"downs.\1", name)
    name = re.sub(r"^ups_(\d+)", r"ups.\1.0", name)
    name = re.sub(r"branches_(\d+)$", r"branches.\1.branch.0", name)
    name = re.sub(r"process1_(\d)$", r"process1.\1", name)
    name = re.sub(r"\.sca$", ".sca.1", name)
    if re.search(r"\.norm\d$", name):
        weight = {"gamma": "weight", "beta": "bias"}[weight]
    return f"{name}.{ {'kernel': 'weight'}.get(weight, weight) }"


def _to_keras(name: str, value: Array, rank: int) -> Array:
    """A torch parameter in the layout of the Keras one."""
    value = value.astype(np.float32)
    if value.ndim == 4 and rank == 1:  # a gate
        return value.reshape(-1)
    if value.ndim < 4:
        return value
    if name.startswith("ups."):
        value = _channel_last_squares(value)
    if ".branch." in name or (".extra_conv." in name and value.shape[1] == 1):  # depthwise
        return value.transpose(2, 3, 0, 1)
    return value.transpose(2, 3, 1, 0)


def _to_torch(name: str, value: Array) -> Array:
    """The inverse of :func:`_to_keras`."""
    value = value.astype(np.float32)
    if name.endswith((".beta", ".gamma")):
        value = value.reshape(1, -1, 1, 1)
    elif value.ndim == 4:
        depthwise = value.shape[3] == 1 and (".branch." in name or ".extra_conv." in name)
        value = value.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        if name.startswith("ups."):
            value = value.reshape(4, -1, *value.shape[1:]).swapaxes(0, 1).reshape(value.shape)
    return np.ascontiguousarray(value)


def _channel_last_squares(value: Array) -> Array:
    """Output channels from torch's order, the four of a square side by side, to `PixelShuffle`'s."""
    return value.reshape(-1, 4, *value.shape[1:]).swapaxes(0, 1).reshape(value.shape)


def _config(model: keras.Model) -> dict[str, Any]:
    """The structure of a model, as the torch network's configuration."""
    blocks = [layer for layer in model.layers if isinstance(layer, DarkIREncoderBlock | DarkIRDecoderBlock)]
    levels = sum(isinstance(layer, PixelShuffle) for layer in model.layers)

    def count(stage: str) -> int:
        return sum(re.fullmatch(rf"{stage}_\d+", block.name) is not None for block in blocks)

    def dilations(kind: type[Any], otherwise: list[int]) -> list[int]:
        return next((list(block.dilations) for block in blocks if isinstance(block, kind)), otherwise)

    try:
        *_, img_channels, width = model.get_layer("intro").kernel.shape
    except ValueError as error:
        raise ValueError("model was not made by create_darkir_model: it has no layer 'intro'") from error
    return {
        "img_channels": img_channels,
        "width": width,
        "enc_blk_nums": [count(f"encoders_{level}") for level in range(levels)],
        "dec_blk_nums": [count(f"decoders_{level}") for level in range(levels)],
        "middle_blk_num_enc": count("middle_blks_enc"),
        "middle_blk_num_dec": count("middle_blks_dec"),
        "dilations": dilations(DarkIRDecoderBlock, [1, 4, 9]),
        "encoder_dilations": dilations(DarkIREncoderBlock, [1]),
        "extra_depth_wise": all(block.extra_depth_wise for block in blocks),
    }
