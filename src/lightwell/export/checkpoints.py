"""Public checkpoints of other training code, loaded safely and brought into our form.

Everything about a network's structure that shapes and names can tell is read off the checkpoint; dilations leave no
trace in it (a dilated kernel has the shape of any other), so they are an argument.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lightwell.errors import WeightsError
from lightwell.models.darkir import DarkIR, DarkIRConfig
from lightwell.models.frlie import FRLIE, FRLIEConfig

__all__ = ["darkir_config", "import_darkir", "import_frlie", "import_network", "read_state"]

_WRAPPERS = ("params_ema", "params", "model_state_dict", "state_dict", "model")
_SHOWN = 8

Net = TypeVar("Net", bound=nn.Module)


def read_state(path: Path) -> dict[str, Tensor]:
    """The parameters in a checkpoint file, by their bare names.

    Takes a bare dictionary or one wrapped as ``params``, ``model_state_dict`` or ``state_dict``, with or without the
    ``module.`` prefix of data-parallel training, or one dictionary for each part of a network, whose names then lead
    those of the parameters; as safetensors or in torch's format. Nothing in the file is executed.

    Raises:
        WeightsError: when the file cannot be read safely or holds no parameters.
    """
    try:
        if path.suffix == ".safetensors":
            content: object = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: holds more than tensors, so loading it could run foreign code; save its state_dict alone"
        ) from error
    except Exception as error:  # a file that is none can make torch's reader raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"{path}: not a readable checkpoint ({reason})") from error
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if isinstance(content, Mapping) and all(isinstance(part, Mapping) for part in content.values()):
        content = {f"{name}.{key}": value for name, part in content.items() for key, value in part.items()}
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise WeightsError(f"{path}: no parameters found (looked at the top level and under {', '.join(_WRAPPERS)})")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def darkir_config(
    state: Mapping[str, Tensor], dilations: Sequence[int] | None = None, encoder_dilations: Sequence[int] | None = None
) -> DarkIRConfig:
    """The structure of the DarkIR whose parameters these are.

    Args:
        state: parameters by their public names.
        dilations: of the decoder's branches; the published ``1, 4, 9``, or as many of them as there are branches.
        encoder_dilations: of the encoder's branches, likewise.

    Raises:
        WeightsError: when these are not a DarkIR's parameters or the dilations do not fit the number of branches.
    """

    def count(pattern: str) -> int:
        numbers = {int(m[1]) for key in state if (m := re.match(pattern, key))}
        # A name may claim any number; what is built is bounded by the parameters that there are.
        if len(numbers) != max(numbers, default=-1) + 1:
            raise WeightsError(f"not a DarkIR checkpoint: of {pattern} some numbers are missing")
        return len(numbers)

    def blocks(prefix: str) -> int:
        return count(rf"{prefix}\.modules_list\.(\d{{1,6}})\.")

    def branches(prefix: str) -> int:
        return count(rf"{prefix}.*\.branches\.(\d{{1,6}})\.")

    def checked(name: str, given: Sequence[int] | None, count: int) -> tuple[int, ...]:
        chosen = tuple(given) if given is not None else (1, 4, 9)[: max(count, 1)]
        if count not in (0, len(chosen)):
            raise WeightsError(f"{name} has {len(chosen)} entries ({list(chosen)}), but the checkpoint has {count}")
        return chosen

    if "intro.weight" not in state or not any(key.startswith("downs.") for key in state):
        raise WeightsError("not a DarkIR checkpoint: it has no intro.weight and downs.0.weight")
    if state["intro.weight"].ndim != 4 or not all(state["intro.weight"].shape):
        raise WeightsError(f"not a DarkIR checkpoint: intro.weight is of shape {tuple(state['intro.weight'].shape)}")
    width, channels = state["intro.weight"].shape[:2]
    levels = sum(bool(re.fullmatch(r"downs\.\d+\.weight", key)) for key in state)
    return DarkIRConfig(
        img_channels=channels,
        width=width,
        enc_blk_nums=tuple(blocks(rf"encoders\.{level}") for level in range(levels)),
        dec_blk_nums=tuple(blocks(rf"decoders\.{level}") for level in range(levels)),
        middle_blk_num_enc=blocks("middle_blks_enc"),
        middle_blk_num_dec=blocks("middle_blks_dec"),
        dilations=checked("dilations", dilations, branches(r"(?:decoders|middle_blks_dec)")),
        encoder_dilations=checked("encoder_dilations", encoder_dilations, branches(r"(?:encoders|middle_blks_enc)")),
        extra_depth_wise=any(".extra_conv." in key for key in state),
    )


def import_darkir(
    path: Path, dilations: Sequence[int] | None = None, encoder_dilations: Sequence[int] | None = None
) -> DarkIR:
    """A DarkIR with the parameters of a public checkpoint.

    Args:
        path: the checkpoint.
        dilations: as in :func:`darkir_config`.
        encoder_dilations: as in :func:`darkir_config`.

    Raises:
        WeightsError: when the file cannot be read safely or does not hold a whole DarkIR; the message lists what is
            missing, unexpected or of another shape.
    """
    return _darkir(read_state(path), str(path), dilations, encoder_dilations)


def import_frlie(paths: Sequence[Path]) -> FRLIE:
    """A FRLIE with the parameters of public checkpoints, which come as two files: reconstruction and feature network.

    Args:
        paths: all files.

    Raises:
        WeightsError: when a file cannot be read safely, or together they do not hold a whole FRLIE.
    """
    return _frlie(_merged(paths), _named(paths))


def import_network(
    paths: Sequence[Path], dilations: Sequence[int] | None = None, encoder_dilations: Sequence[int] | None = None
) -> DarkIR | FRLIE:
    """Whichever network the parameters of these files belong to.

    Args:
        paths: all files of one network.
        dilations: of a DarkIR, as in :func:`darkir_config`.
        encoder_dilations: likewise.

    Raises:
        WeightsError: when a file cannot be read safely, or together they do not hold one whole network.
    """
    state = _merged(paths)
    if any(key.startswith(("encoder.conv1.", "feature_processor.")) for key in state):
        return _frlie(state, _named(paths))
    return _darkir(state, _named(paths), dilations, encoder_dilations)


def _darkir(
    state: Mapping[str, Tensor], origin: str, dilations: Sequence[int] | None, encoder_dilations: Sequence[int] | None
) -> DarkIR:
    try:
        config = darkir_config(state, dilations, encoder_dilations)
    except WeightsError as error:
        raise WeightsError(f"{origin}: {error}") from error
    # The bottom's blocks have products of its width with itself: more than the file can hold is not built.
    _refuse_too_wide(origin, state, (config.width * config.multiple) ** 2)
    return _filled(DarkIR(config), state, origin)


def _refuse_too_wide(origin: str, state: Mapping[str, Tensor], least: int) -> None:
    """Before a network is built: it must not be larger than the file by far."""
    held = sum(value.numel() for value in state.values())
    if least > 2 * held:
        raise WeightsError(f"{origin}: names a network of {least:,} parameters or more, but holds {held:,}")


def _frlie(state: Mapping[str, Tensor], origin: str) -> FRLIE:
    blocks = {match[1] for key in state if (match := re.match(r"feature_processor\.main_blocks\.(\d+)\.", key))}
    if "encoder.conv1.1.weight" not in state or not blocks:
        raise WeightsError(
            f"{origin}: half a FRLIE: give both files, that of the reconstruction and that of the feature network"
        )
    first = state["encoder.conv1.1.weight"]
    if first.ndim != 4 or not all(first.shape):
        raise WeightsError(f"{origin}: not a FRLIE: encoder.conv1.1.weight is of shape {tuple(first.shape)}")
    _refuse_too_wide(origin, state, 9 * first.shape[0] * first.shape[0])
    config = FRLIEConfig(width=first.shape[0], blocks=len(blocks))
    return _filled(FRLIE(config), state, origin)


def _merged(paths: Sequence[Path]) -> dict[str, Tensor]:
    return {key: value for path in paths for key, value in read_state(path).items()}


def _named(paths: Sequence[Path]) -> str:
    return " and ".join(map(str, paths))


def _filled(net: Net, state: Mapping[str, Tensor], origin: str) -> Net:
    """The network with these parameters, which must be exactly its own."""
    expected = net.state_dict()
    problems = {
        "missing": [key for key in expected if key not in state],
        "unexpected": [key for key in state if key not in expected],
        "of another shape": [key for key in expected if key in state and state[key].shape != expected[key].shape],
    }
    if any(problems.values()):
        listed = "; ".join(f"{len(keys)} {what}: {_shorten(keys)}" for what, keys in problems.items() if keys)
        raise WeightsError(f"{origin}: does not hold a whole {type(net).__name__}: {listed}")
    net.load_state_dict(state)
    return net


def _shorten(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
