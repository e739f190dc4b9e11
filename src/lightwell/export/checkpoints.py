"""Public checkpoints of other training code, loaded safely and brought into our form.

Everything about a network's structure that shapes and names can tell is read off the checkpoint; dilations leave no
trace in it (a dilated kernel has the shape of any other), so they are an argument.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lightwell.errors import WeightsError
from lightwell.models.darkir import DarkIR, DarkIRConfig

__all__ = ["darkir_config", "import_darkir", "read_state"]

_WRAPPERS = ("params_ema", "params", "model_state_dict", "state_dict", "model")
_SHOWN = 8


def read_state(path: Path) -> dict[str, Tensor]:
    """The parameters in a checkpoint file, by their bare names.

    Takes a bare dictionary or one wrapped as ``params``, ``model_state_dict`` or ``state_dict``, with or without the
    ``module.`` prefix of data-parallel training, as safetensors or in torch's format. Nothing in the file is executed.

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
    except (OSError, RuntimeError, EOFError, SafetensorError) as error:
        raise WeightsError(f"{path}: not a readable checkpoint ({error})") from error
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
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

    def blocks(prefix: str) -> int:
        indices = [int(m[1]) for key in state if (m := re.match(rf"{prefix}\.modules_list\.(\d+)\.", key))]
        return max(indices, default=-1) + 1

    def branches(prefix: str) -> int:
        indices = [int(m[1]) for key in state if (m := re.match(rf"{prefix}.*\.branches\.(\d+)\.", key))]
        return max(indices, default=-1) + 1

    def checked(name: str, given: Sequence[int] | None, count: int) -> tuple[int, ...]:
        chosen = tuple(given) if given is not None else (1, 4, 9)[: max(count, 1)]
        if count not in (0, len(chosen)):
            raise WeightsError(f"{name} has {len(chosen)} entries ({list(chosen)}), but the checkpoint has {count}")
        return chosen

    if "intro.weight" not in state or not any(key.startswith("downs.") for key in state):
        raise WeightsError("not a DarkIR checkpoint: it has no intro.weight and downs.0.weight")
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
    state = read_state(path)
    try:
        net = DarkIR(darkir_config(state, dilations, encoder_dilations))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    expected = net.state_dict()
    problems = {
        "missing": [key for key in expected if key not in state],
        "unexpected": [key for key in state if key not in expected],
        "of another shape": [key for key in expected if key in state and state[key].shape != expected[key].shape],
    }
    if any(problems.values()):
        listed = "; ".join(f"{len(keys)} {what}: {_shorten(keys)}" for what, keys in problems.items() if keys)
        raise WeightsError(f"{path}: does not hold a whole DarkIR: {listed}")
    net.load_state_dict(state)
    return net


def _shorten(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
