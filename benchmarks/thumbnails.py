"""What lights are worth at their own scale: ``python benchmarks/thumbnails.py --data ~/sets WEIGHTS...``.

PSNR, in dB and unrounded, of the guide against the target's thumbnail (longest side 48): LOL v1's eval15, val_seen and
val_unseen, the forty held-out photographs darkened as ``benchmarks/pictures.py`` darkens them, and as they are (mean
and worst). The last row is the mean of all the guides, if there are several. ``~/sets`` is what ``pictures.py`` takes.

``--exposures`` prints instead how well thumbnails of one scene at exposures 0.7 EV and more apart agree once their mean
level is made the same, by a gain of levels and by one of light: pictures of LOL v1's train half whose targets are the
same to 40 dB.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from lightwell.data.degrade import to_linear, to_srgb
from lightwell.models import create_model
from lightwell.training.tasks import reduced
from pictures import Case, dark, good, lol

Decode = Callable[[Tensor], Tensor]

SIDE = 48


def cases(data: Path) -> dict[str, list[tuple[Tensor, Tensor]]]:
    """Thumbnails and targets of every set, ``(1, 3, h, w)``."""

    def thumbnails(pictures: Iterator[Case]) -> list[tuple[Tensor, Tensor]]:
        return [
            tuple(reduced(torch.tensor(p), SIDE).permute(2, 0, 1)[None] for p in (case.low, case.target))
            for case in pictures
        ]  # type: ignore[misc]

    sets = {split: thumbnails(lol(data, split)) for split in ("eval15", "val_seen", "val_unseen")}
    sets["held"] = thumbnails(dark(data, False)) + thumbnails(dark(data, True))
    sets["same"] = thumbnails(good(data))
    return sets


def psnr(guide: Tensor, target: Tensor) -> float:
    return float(-10 * torch.log10((guide.clamp(0, 1) - target).square().mean().clamp_min(1e-7)))


def normalised(low: Tensor, decode: Decode, encode: Decode) -> Tensor:
    """At the gain that brings the mean level to 0.42, bright parts bent as in the network; found by bisection."""
    lower, upper = torch.tensor(0.1), torch.tensor(1e4)
    values = decode(low)
    for _ in range(40):
        gain = (lower * upper).sqrt()
        level = encode(values * gain)
        level = torch.where(level > 1, 2 - 1 / level.clamp_min(1), level)
        lower, upper = (gain, upper) if level.mean() < 0.42 else (lower, gain)
    return level


def exposures(data: Path) -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    agreement: dict[str, list[float]] = {"a gain of levels": [], "a gain of light": []}
    for case in lol(data, "train"):
        low, target = (reduced(torch.tensor(p), SIDE).permute(2, 0, 1)[None] for p in (case.low, case.target))
        for other, its in seen:
            if its.shape != target.shape or psnr(its, target) < 40:
                continue
            if torch.log2(to_linear(low).mean() / to_linear(other).mean()).abs() < 0.7:
                continue
            for name, ways in (("a gain of levels", (lambda x: x,) * 2), ("a gain of light", (to_linear, to_srgb))):
                agreement[name].append(psnr(normalised(low, *ways), normalised(other, *ways)))
        seen.append((low, target))
    for name, scores in agreement.items():
        print(f"{name}: {np.mean(scores):.1f} dB, {len(scores)} pairs of pictures")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="*", help="safetensors files of light-s")
    parser.add_argument("--data", type=Path, required=True, help="folder with lol_v1 and photographs")
    parser.add_argument("--model", default="light-s", help="name of the network the weights are of")
    parser.add_argument("--exposures", action="store_true", help="agreement of one scene's exposures")
    chosen = parser.parse_args()
    if chosen.exposures:
        exposures(chosen.data)
        return
    sets = cases(chosen.data)
    guides: dict[str, list[list[Tensor]]] = {name: [] for name in sets}
    print("weights", *sets, "same worst", sep="\t")

    def row(label: str, scores: dict[str, list[float]]) -> None:
        print(
            label, *(f"{np.mean(s):.2f}" for s in scores.values()), f"{min(scores['same']):.2f}", sep="\t", flush=True
        )

    for path in chosen.weights:
        net = create_model(chosen.model).eval()
        net.load_state_dict(load_file(path))
        with torch.inference_mode():
            for name, pairs in sets.items():
                guides[name].append([net(low) for low, _ in pairs])
        row(path.name, {n: [psnr(g, t) for g, (_, t) in zip(guides[n][-1], sets[n], strict=True)] for n in sets})
    if len(chosen.weights) > 1:
        means = {
            name: [
                psnr(torch.stack([one[i] for one in guides[name]]).mean(0), target)
                for i, (_, target) in enumerate(sets[name])
            ]
            for name in sets
        }
        row("mean", means)


if __name__ == "__main__":
    main()
