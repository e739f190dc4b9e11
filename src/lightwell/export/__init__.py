"""Networks as graphs for other programs. This file needs no torch as long as a graph is there already."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from lightwell.downloads import cache
from lightwell.weights import find_weights, name_of

__all__ = ["cached_graph", "is_weights"]


def is_weights(model: str | os.PathLike[str]) -> bool:
    """Whether a model is given as weights, a file or the folder of a run, and has to become a graph before it runs."""
    path = Path(model)
    return path.suffix == ".safetensors" or path.is_dir()


def cached_graph(model: str | os.PathLike[str], tell: Callable[[str], None] = lambda _: None) -> Path:
    """The ONNX graph of weights, made where there is none of these very weights yet.

    It is kept beside the weights under their name, or in the cache where that folder takes no files. Another file that
    has this name is left alone.

    Args:
        model: a weights file or the folder of a training run, as `lightwell.weights.find_weights` takes them.
        tell: called with a line before something that takes time.

    Raises:
        WeightsError: when there are no such weights, or they cannot become a graph.
        PictureError: when neither place can be written.
    """
    weights = find_weights(model)
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    beside, elsewhere = weights.with_suffix(".onnx"), cache() / "graphs" / f"{digest}.onnx"
    for graph in (beside, elsewhere):
        # The graph's metadata hold the digest of the weights that it was made from.
        if graph.is_file() and digest.encode() in graph.read_bytes():
            return graph
    ours = not beside.exists() or _KEY.encode() in beside.read_bytes()
    graph = beside if ours and os.access(beside.parent, os.W_OK) else elsewhere
    graph.parent.mkdir(parents=True, exist_ok=True)
    tell(f"making {graph} from {weights}, once")

    from lightwell.export.onnx import export_onnx
    from lightwell.models import load_weights

    export_onnx(load_weights(weights), graph, name=name_of(weights), metadata={_KEY: digest})
    return graph


_KEY = "lightwell_made_from_sha256"
