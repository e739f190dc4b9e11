"""What a set of graphs needs to be run, as a card and an ONNX file's own metadata say it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lightwell.errors import WeightsError

__all__ = ["METADATA_KEY", "Spec"]

METADATA_KEY = "lightwell"
"""The key of an ONNX file's metadata under which its spec stands as JSON."""

_ROLES = {"tiles": ("restore",), "normalised-tiles": ("restore",), "light-then-detail": ("light", "detail")}
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Spec:
    """How a model's graphs make a restored picture.

    Args:
        strategy: ``tiles``: one graph, ``restore``, in guided tiles; ``normalised-tiles``: the same, and the graph's
            second input, ``level``, is told the mean level of the whole picture; ``light-then-detail``: two graphs,
            ``light`` for the thumbnail and ``detail`` for the tiles (`lightwell.restoring.strategies`).
        channels: of the picture that goes in and comes out.
        multiple: sides that are multiples of this need no padding.
        bytes_per_pixel: memory that the graph of the tiles takes for each pixel of a tile.
        thumbnail: longest side of the thumbnail of light-then-detail.
        precision: of the graph's arithmetic.
        version: of this description.

    Raises:
        WeightsError: a value that this version of lightwell does not know.
    """

    strategy: Literal["tiles", "normalised-tiles", "light-then-detail"] = "tiles"
    channels: int = 3
    multiple: int = 8
    # Of a file that does not say: a wide network.
    bytes_per_pixel: int = 4096
    thumbnail: int = 48
    precision: Literal["float32"] = "float32"
    version: int = 1

    def __post_init__(self) -> None:
        if self.version != 1:
            raise WeightsError(
                f"the model is described in version {self.version} of the format; this lightwell knows 1: update it"
            )
        bounds = {
            "channels": (1, 3),
            "multiple": (1, 1024),
            "bytes_per_pixel": (1, _MOST_BYTES),
            "thumbnail": (8, 1024),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise WeightsError(f"the model's {name} is {value!r}, not a number from {low} to {high}")
        if self.strategy not in _ROLES or self.precision != "float32":
            raise WeightsError(
                f"the model needs the strategy {self.strategy!r} at {self.precision!r}, "
                "which this lightwell does not know: update it"
            )

    @property
    def roles(self) -> tuple[str, ...]:
        """What its graphs are there for."""
        return _ROLES[self.strategy]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Spec:
        """A spec of JSON's values; what it does not know is left out.

        Raises:
            WeightsError: for values that it cannot take.
        """
        if not isinstance(values, Mapping):
            raise WeightsError("the model's description is not a set of names and values")
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Spec:
        """The spec in an ONNX file's metadata; one that suits any network where the file holds none.

        Raises:
            WeightsError: when it is there but wrong.
        """
        if METADATA_KEY not in metadata:
            return cls()
        try:
            return cls.from_mapping(json.loads(metadata[METADATA_KEY]))
        except ValueError as error:
            raise WeightsError(f"the model's description is not JSON: {error}") from error
