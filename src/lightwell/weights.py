"""Which file of weights a person means. Needs no torch."""

from __future__ import annotations

import os
from pathlib import Path

from lightwell import zoo
from lightwell.errors import WeightsError

__all__ = ["find_weights", "name_of"]

_RUN_WEIGHTS = ("best.safetensors", "last.safetensors")


def find_weights(model: str | os.PathLike[str]) -> Path:
    """The weights file that is meant by a shipped model's name, a weights file, or the folder of a training run.

    A run's folder means ``best.safetensors`` in it, or ``last.safetensors`` where there is no best one yet. A name that
    ships goes before a folder that is called the same; ``./NAME`` means the folder.

    Raises:
        WeightsError: when there is no such model.
    """
    text, path = os.fspath(model), Path(model)
    shipped = zoo.networks()
    if text in shipped:
        return shipped[text]
    if several := [name for name in shipped if name.startswith(f"{text}.")]:
        raise WeightsError(f"{text} is made of several networks: choose {' or '.join(several)}")
    if path.is_dir():
        for name in _RUN_WEIGHTS:
            if (path / name).is_file():
                return path / name
        raise WeightsError(f"{model}: no run's folder, it holds neither {' nor '.join(_RUN_WEIGHTS)}")
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise WeightsError(f"{model}: there is no such weights file")
        return path
    raise WeightsError(
        f"no model {text!r}: neither a shipped one ({', '.join(shipped) or 'none'}), nor a .safetensors file, "
        "nor a run's folder"
    )


def name_of(model: str | os.PathLike[str]) -> str:
    """What a model is called: its name, that of its file, or that of the run's folder.

    Bytes of a file's name that are no text are written as escapes.
    """
    path = Path(model)
    if path.is_dir() or (path.suffix == ".safetensors" and f"{path.stem}.safetensors" in _RUN_WEIGHTS):
        name = path.resolve().name if path.is_dir() else path.resolve().parent.name
    else:
        name = path.stem if path.suffix in (".safetensors", ".onnx") else path.name
    return name.encode("utf-8", "backslashreplace").decode()
