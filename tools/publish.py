"""Ships trained weights: writes zoo/NAME.safetensors and zoo/NAME.onnx and brings the numbers of the card up to date.

    python tools/publish.py runs/darkir-s/best.safetensors darkir-s --data data

What a person has to say (summary, training, known failures) stands in zoo/NAME.json already and stays. `data` holds
`lol_v1` (`our485`, `eval15`) and, for the numbers without truth, any folders named with --unpaired.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lightwell import Restorer, zoo
from lightwell.data.paired import Pair
from lightwell.data.public import find_set
from lightwell.export.onnx import export_onnx, link_weights
from lightwell.metrics import fsim, load_niqe, niqe, score
from lightwell.models import load_weights, save_weights
from lightwell.pictures import read

SETS = {
    "LOL v1 val_seen": "lol_v1:val_seen",
    "LOL v1 val_unseen": "lol_v1:val_unseen",
    "LOL v1 eval15": "lol_v1:eval15",
}
Array = NDArray[Any]
PROTOCOLS = ("strict", "gtmean-gray", "y")
FOLDER = Path(zoo.__file__).parent


def measure(restore: Callable[[Array], Array], data: str, pairs: Iterable[Pair]) -> list[dict[str, object]]:
    """Mean PSNR and SSIM of whole frames, as 8-bit pictures, under each protocol."""
    scores = defaultdict(list)
    for pair in pairs:
        restored = restore(read(pair.low).pixels)
        target = read(pair.high).pixels
        for protocol in PROTOCOLS:
            scores[protocol].append(score(restored, target, protocol))
    return [
        {
            "data": data,
            "pictures": len(values),
            "protocol": protocol,
            "psnr": round(mean(value.psnr for value in values), 3),
            "ssim": round(mean(value.ssim for value in values), 4),
        }
        for protocol, values in scores.items()
    ]


def compared(restore: Callable[[Array], Array], pairs: Iterable[Pair]) -> dict[str, object]:
    """The further measures of the table that compares the networks, means over the pictures."""
    model = load_niqe("lightwell-bsds300")
    values = []
    for pair in pairs:
        restored = restore(read(pair.low).pixels)
        values.append((fsim(restored, read(pair.high).pixels), niqe(restored, model)))
    similar, natural = np.mean(values, axis=0)
    return {"fsim": round(float(similar), 4), "niqe": round(float(natural), 3), "niqe_parameters": model.name}


def multiplications(net: nn.Module, height: int = 400, width: int = 600) -> float:
    """Billions of multiply-accumulates of the convolutions for one picture; a Fourier transform is not counted."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        net(torch.zeros(1, 3, height, width))
    return float(counter.get_total_flops()) / 2e9


def without_truth(restorer: Restorer, folder: Path) -> dict[str, object]:
    """Mean NIQE before and after, with the parameters that ship with lightwell."""
    model = load_niqe("lightwell-bsds300")
    values = []
    for path in sorted(folder.iterdir()):
        low = read(path).pixels
        values.append((niqe(low, model), niqe(restorer(low), model)))
    before, after = np.mean(values, axis=0)
    return {
        "data": folder.name,
        "pictures": len(values),
        "metric": f"NIQE ({model.name})",
        "input": round(float(before), 3),
        "restored": round(float(after), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--unpaired", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()

    net = load_weights(arguments.weights).eval()
    card, graph, weights = (FOLDER / f"{arguments.name}.{suffix}" for suffix in ("json", "onnx", "safetensors"))
    content = json.loads(card.read_text(encoding="utf-8"))
    save_weights(net, weights)
    export_onnx(net, graph)
    link_weights(graph, weights)

    restorer = Restorer(graph, tile="off")
    content["parameters"] = sum(p.numel() for key, p in net.named_parameters() if not key.startswith("side_out."))
    content["numbers"] = [
        number for data, name in SETS.items() for number in measure(restorer, data, find_set(arguments.data, name))
    ]
    content["compared"] = compared(restorer, find_set(arguments.data, SETS["LOL v1 eval15"]))
    content["gmacs_400x600"] = round(multiplications(net), 2)
    content["no_reference"] = [without_truth(restorer, folder) for folder in arguments.unpaired]
    content["sha256"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (graph, weights)}
    card.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for number in content["numbers"]:
        print(number)


if __name__ == "__main__":
    main()
