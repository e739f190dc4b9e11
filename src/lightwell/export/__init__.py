"""Networks as graphs for other programs. This file needs no torch as long as a graph is there already."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from lightwell import zoo
from lightwell.downloads import cache
from lightwell.weights import find_weights, name_of

__all__ = ["cached_graph", "is_weights"]


def is_weights(model: str | os.PathLike[str]) -> bool:
    """Whether a model is given as weights, a file or the folder of a run, and has to become a graph before it runs.

    A name that ships goes before a folder that is called the same, as in `lightwell.weights.find_weights`.
    """
    path = Path(model)
    shipped = os.fspath(model) in (card.name for card in zoo.cards())
    return path.suffix == ".safetensors" or (path.is_dir() and not shipped)


def cached_graph(model: str | os.PathLike[str], tell: Callable[[str], None] = lambda _: None) -> Path:
    """The ONNX graph of weights, made where there is none of these very weights yet.

    It is kept beside the weights under their name, or in the cache where that folder takes no files. Another file that
    has this name is left alone. Weights of a network behind the front ``lit`` become a card with two graphs beside it.

    Args:
        model: a weights file or the folder of a training run, as `lightwell.weights.find_weights` takes them.
        tell: called with a line before something that takes time.

    Returns:
        What `lightwell.Restorer` takes.

    Raises:
        WeightsError: when there are no such weights, or they cannot become a graph.
        FileError: when neither place can be written.
    """
    weights = find_weights(model)
    name = name_of(weights)
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    beside, elsewhere = weights.with_suffix(".onnx"), cache() / "graphs" / f"{digest}.onnx"
    card, other = weights.with_name(f"{name}.json"), cache() / "graphs" / digest / f"{name}.json"
    for made in (beside, elsewhere, card, other):
        # A graph's metadata, or a card, hold the digest of the weights that they were made from.
        if made.is_file() and digest.encode() in made.read_bytes():
            return made

    from lightwell.models import load_weights
    from lightwell.models.front import Lit

    net = load_weights(weights)
    if isinstance(net, Lit):
        beside, elsewhere = card, other
    ours = not beside.exists() or _KEY.encode() in beside.read_bytes()
    made = beside if ours and os.access(beside.parent, os.W_OK) else elsewhere
    made.parent.mkdir(parents=True, exist_ok=True)
    tell(f"making {made} from {weights}, once")

    from lightwell.export.onnx import export_lit, export_onnx

    if isinstance(net, Lit):
        return export_lit(net, made.parent, name, {_KEY: digest})[-1]
    export_onnx(net, made, name=name, metadata={_KEY: digest})
    return made


_KEY = "lightwell_made_from_sha256"
