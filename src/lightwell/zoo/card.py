"""The card of a model: what it is, what it is good at, what was measured, where it fails."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightwell.errors import WeightsError
from lightwell.zoo.spec import Spec

__all__ = ["Card", "Score", "file_stems", "read_card"]


@dataclass(frozen=True)
class Score:
    """One measurement, with all that it means nothing without.

    Args:
        data: what was restored.
        pictures: how many.
        protocol: one of `lightwell.metrics.PROTOCOLS`.
        psnr: mean in dB.
        ssim: mean.
    """

    data: str
    pictures: int
    protocol: str
    psnr: float
    ssim: float


@dataclass(frozen=True, eq=False)
class Card:
    """What is known of a model.

    Args:
        name: how it is asked for.
        summary: one line.
        good_at: what it is for.
        default: whether it is taken when none is named.
        parameters: how many numbers it has learnt.
        spec: how its graphs are run.
        graphs: the ONNX file of each role.
        weights: the safetensors file of each role.
        numbers: what was measured against the truth.
        sha256: digests of the files, by their names.
        content: the whole card, as in its JSON file.
    """

    name: str
    summary: str
    good_at: str
    default: bool
    parameters: int
    spec: Spec
    graphs: Mapping[str, Path]
    weights: Mapping[str, Path]
    numbers: tuple[Score, ...]
    sha256: Mapping[str, str]
    content: Mapping[str, Any]

    @property
    def files(self) -> tuple[Path, ...]:
        """The model's files that are here: its graphs, and the weights unless they are in the graphs."""
        return (*self.graphs.values(), *(path for path in self.weights.values() if path.name in self.sha256))

    def damaged(self) -> list[str]:
        """The names of the model's files that are missing or differ from what the card says was shipped."""
        return [path.name for path in self.files if _digest(path) != self.sha256.get(path.name)]

    def refuse_damaged(self) -> None:
        """Says so when a file is not what was shipped.

        Raises:
            WeightsError: for missing and changed files.
        """
        if damaged := self.damaged():
            raise WeightsError(
                f"the model {self.name} is damaged ({', '.join(damaged)} missing or changed): "
                "install lightwell again (pip install --force-reinstall lightwell)"
            )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def read_card(path: Path) -> Card:
    """A card's file; the model's own files lie beside it.

    Raises:
        WeightsError: when it is missing or no card.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        name = str(content["name"])
        spec = Spec.from_mapping(content["spec"])
        stems = file_stems(content, spec.roles)
        return Card(
            name=name,
            summary=str(content["summary"]),
            good_at=str(content["good_at"]),
            default=bool(content["default"]),
            parameters=int(content["parameters"]),
            spec=spec,
            graphs={role: path.parent / f"{stem}.onnx" for role, stem in stems.items()},
            weights={role: path.parent / f"{stem}.safetensors" for role, stem in stems.items()},
            numbers=tuple(Score(**number) for number in content["numbers"]),
            sha256={str(file): str(digest) for file, digest in content["sha256"].items()},
            content=content,
        )
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: not the card of a model ({type(error).__name__}: {error})") from error


def file_stems(content: Mapping[str, Any], roles: tuple[str, ...]) -> dict[str, str]:
    """What the files of each role are called: NAME of a model that has only one, else NAME.ROLE.

    A card's ``shared`` names, by role, the model whose files it takes.

    Raises:
        ValueError: for a name that is a path.
    """
    shared = content.get("shared", {})
    names = {role: str(shared.get(role, content["name"])) for role in roles}
    for name in names.values():
        if "/" in name or "\\" in name or name.startswith("."):
            raise ValueError(f"{name!r} is not the name of a model")
    return {role: name if len(roles) == 1 else f"{name}.{role}" for role, name in names.items()}
