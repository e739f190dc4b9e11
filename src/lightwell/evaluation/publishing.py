"""Shipping trained weights: the graph, the weights, and a card with numbers measured as `lightwell evaluate` does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lightwell.data.folders import Pair, find_pictures
from lightwell.data.public import find_set
from lightwell.errors import WeightsError
from lightwell.evaluation.evaluate import Evaluation, Method, evaluate
from lightwell.evaluation.measures import Measure, by_name, by_protocol
from lightwell.evaluation.restoring import restore_all
from lightwell.export.onnx import export_onnx, link_weights
from lightwell.files import whole_file
from lightwell.models import bare, load_model, save_weights
from lightwell.zoo import Spec
from lightwell.zoo.card import file_stems

__all__ = ["SETS", "multiplications", "publish"]

SETS: Mapping[str, str] = {
    "LOL v1 val_seen": "lol_v1:val_seen",
    "LOL v1 val_unseen": "lol_v1:val_unseen",
    "LOL v1 eval15": "lol_v1:eval15",
}
"""What every card tells of, by the name it bears there; the last one also gets the further measures."""

_PROTOCOLS = ("strict", "gtmean-gray", "y")


def publish(
    weights: Mapping[str, Path] | Path,
    name: str,
    data: Path,
    zoo: Path,
    *,
    sets: Mapping[str, str] = SETS,
    unpaired: Sequence[Path] = (),
) -> dict[str, Any]:
    """Writes a model's weights and graphs and brings the numbers of NAME.json up to date.

    What a person has to say (summary, training, known failures) and the spec stand in NAME.json already and stay. Where
    it says ``"stored": "float16"``, what ships and is measured is rounded to that. Everything is measured before
    anything in ``zoo`` is replaced.

    Args:
        weights: a weights file or the folder of a training run; of a model of several networks one for each role.
        name: of the model.
        data: the folder that holds the sets.
        zoo: the folder of the cards.
        sets: names of sets as in `lightwell.data.public.find_set`, by what the card calls them.
        unpaired: folders of pictures without truth.

    Returns:
        The card's content.

    Raises:
        DataError: when a set is missing or incomplete.
        WeightsError: when there is no card, or the weights are none.
    """
    card = zoo / f"{name}.json"
    try:
        content: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
        spec = Spec.from_mapping(content["spec"])
    except (OSError, KeyError, ValueError) as error:
        raise WeightsError(f"{card}: a card has to be there first ({error})") from error
    given = dict(weights) if isinstance(weights, Mapping) else {spec.roles[0]: weights}
    stems = file_stems(content, spec.roles)
    given |= {role: zoo / f"{stems[role]}.safetensors" for role in content.get("shared", {})}
    if set(given) != set(spec.roles):
        raise WeightsError(f"{name} needs weights for {' and '.join(spec.roles)}, not for {' and '.join(given)}")
    pairs = {label: find_set(data, each) for label, each in sets.items()}
    nets = {role: load_model(given[role]).eval() for role in spec.roles}
    if len(nets) > 1:  # a network behind the front lit is a detail
        nets = {role: bare(net) for role, net in nets.items()}
    with TemporaryDirectory(prefix="lightwell-") as scratch:
        files = []
        for role, net in nets.items():
            stem = stems[role]
            graph, linked = Path(scratch, f"{stem}.onnx"), Path(scratch, f"{stem}.safetensors")
            if role in content.get("shared", {}):
                for path in (graph, linked):
                    path.write_bytes((zoo / path.name).read_bytes())
                files += [graph, linked]
                continue
            save_weights(net, linked, half=content.get("stored") == "float16")
            shipped = load_model(linked).eval()
            export_onnx(shipped, graph, name=stem, bytes_per_pixel=spec.bytes_per_pixel)
            link_weights(graph, linked)
            files += [graph, linked]
        content["parameters"] = sum(
            p.numel() for net in nets.values() for key, p in net.named_parameters() if not key.startswith("side_out.")
        )
        content["sha256"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        model = Path(scratch, card.name)
        model.write_text(json.dumps({**content, "numbers": []}), encoding="utf-8")

        protocols = [by_protocol(protocol) for protocol in _PROTOCOLS]
        further = [by_name("fsim"), by_name("niqe")]
        results = {}
        for label, each in pairs.items():
            measures = [*protocols, *(further if label == list(sets)[-1] else [])]
            results[label] = _measured(model, label, each, measures, Path(scratch, "restored", label))
        content["numbers"] = [number for result in results.values() for number in _numbers(result)]
        content["compared"] = _compared(results[list(sets)[-1]])
        # Of several networks the thumbnail's cost next to nothing.
        content["gmacs_400x600"] = round(multiplications(list(nets.values())[-1]), 2)
        content["no_reference"] = [_without_truth(model, folder, Path(scratch, "unpaired")) for folder in unpaired]
        for path in files:
            with whole_file(zoo / path.name) as file:
                file.write(path.read_bytes())
    with whole_file(card) as file:
        file.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    return content


def multiplications(net: nn.Module, height: int = 400, width: int = 600) -> float:
    """Billions of multiply-accumulates of the convolutions for one picture; a Fourier transform is not counted."""
    channels = int(getattr(net, "channels", 3))
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        net(torch.zeros(1, channels, height, width))
    return float(counter.get_total_flops()) / 2e9


def _measured(graph: Path, data: str, pairs: Sequence[Pair], measures: Sequence[Measure], folder: Path) -> Evaluation:
    low, high = {pair.name: pair.low for pair in pairs}, {pair.name: pair.high for pair in pairs}
    return evaluate(data, [restore_all(str(graph), low, folder)], high, measures)


def _numbers(result: Evaluation) -> list[dict[str, Any]]:
    """Mean PSNR and SSIM under each protocol."""
    means = {column.key: float(mean) for column, mean in zip(result.columns, result.scores[:, 0].mean(0), strict=True)}
    return [
        {
            "data": result.data,
            "pictures": len(result.names),
            "protocol": protocol,
            "psnr": round(means[f"psnr/{protocol}"], 3),
            "ssim": round(means[f"ssim/{protocol}"], 4),
        }
        for protocol in _PROTOCOLS
    ]


def _compared(result: Evaluation) -> dict[str, Any]:
    """The further measures of the table that compares the networks."""
    means = dict(zip(result.columns, result.scores[:, 0].mean(0), strict=True))
    (fsim,) = (value for column, value in means.items() if column.metric == "FSIM")
    ((niqe, parameters),) = ((value, column.protocol) for column, value in means.items() if column.metric == "NIQE")
    return {"fsim": round(float(fsim), 4), "niqe": round(float(niqe), 3), "niqe_parameters": parameters}


def _without_truth(graph: Path, folder: Path, restored: Path) -> dict[str, Any]:
    """Mean NIQE before and after, with the parameters that ship with lightwell."""
    low, measure = find_pictures(folder), by_name("niqe")
    methods = [Method("input", low), restore_all(str(graph), low, restored / folder.name)]
    before, after = evaluate(folder.name, methods, None, [measure]).scores[:, :, 0].mean(0)
    return {
        "data": folder.name,
        "pictures": len(low),
        "metric": f"NIQE ({measure.columns[0].protocol})",
        "input": round(float(before), 3),
        "restored": round(float(after), 3),
    }
