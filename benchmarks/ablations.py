"""The papers' experiments at a small scale: ``python benchmarks/ablations.py --data ~/sets -o runs/ablations``.

``~/sets`` holds ``lol_v1`` (``our485`` and ``eval15``) and ``photographs``. All pictures are reduced to a quarter of
their size, networks are narrow and steps few, so that an experiment takes minutes on one CPU core: it tells what a part
of a method is worth here, not what it is worth when everything is trained to its end.

- ``frlie``: the loss that matches features, left out or with it the two stages (FRLIE paper, Table 1).
- ``drgn``: DRGN without one of its parts at a time (DRGN paper, Table 1). It has not been run to its end yet, so no
  figure of it is in docs.
- ``pairs``: what pairs that ``drgn-lw`` makes of photographs add to a small network's training on LOL v1 (DRGN paper,
  section 2.3), and what pairs of the model of a camera add.

PSNR in dB, protocol ``strict``, on LOL v1's val_seen (16 pictures) and val_unseen (20), means over the pictures with
95 % bootstrap intervals; of several seeds each picture's mean. The difference is that to the experiment's first row,
picture by picture, with its interval and the p-value of Wilcoxon's signed-rank test, corrected for their number (Holm).
Intervals are over pictures, not over seeds. Runs that are there are not repeated.
``--record docs/measured.json`` puts the tables where ``tools/pages.py`` finds them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from lightwell.data.degrade import Degradation
from lightwell.data.folders import find_pictures
from lightwell.data.night import learned_night_of, load_degradation, night_of
from lightwell.data.paired import load_pair, load_picture
from lightwell.data.public import find_set
from lightwell.data.splits import held_out_photographs
from lightwell.data.views import View
from lightwell.evaluation.statistics import adjust, compare, summarise
from lightwell.metrics import psnr
from lightwell.metrics.protocols import PROTOCOLS
from lightwell.models import load_model
from lightwell.models.darkir import DarkIR, DarkIRConfig
from lightwell.models.drgn import DRGN, Critics, DRGNConfig
from lightwell.models.frlie import FRLIE, FRLIEConfig
from lightwell.models.registry import register_model
from lightwell.pictures import read
from lightwell.recipes import load_recipe
from lightwell.training.loop import train
from lightwell.training.recipe import Recipe, Stage

SCALE = 4
JUDGED = ("val_seen", "val_unseen")
PHOTOGRAPHS = 100
_CROPS = (View((64, 96), batch=8),)


@register_model
def small_frlie() -> FRLIE:
    """A quarter of FRLIE's multiply-accumulates."""
    return FRLIE(FRLIEConfig(width=16))


@register_model
def small_drgn() -> DRGN:
    """A quarter of DRGN's width, a third of its blocks."""
    return DRGN(DRGNConfig(width=16, blocks=(2, 3, 4)))


@register_model
def small_drgn_one_step() -> DRGN:
    """One generator of about the size of both."""
    return DRGN(DRGNConfig(width=16, blocks=(4, 6, 8), degradation=False))


@register_model
def small_drgn_one_scale() -> DRGN:
    """Full resolution only, at about the same cost."""
    return DRGN(DRGNConfig(width=16, blocks=(3,)))


@register_model
def small_darkir() -> DarkIR:
    """Half of darkir-s's width."""
    return DarkIR(DarkIRConfig(width=8))


@dataclass(frozen=True)
class Variant:
    """A row: what is trained, and what the paper reports for it (dB), if it does."""

    label: str
    recipe: Recipe
    paper: float | None = None


@dataclass(frozen=True)
class Experiment:
    """A table: its first row is what the others are compared with."""

    title: str
    source: str
    variants: tuple[Variant, ...]


def short(recipe: Recipe, model: str, steps: Sequence[int], views: tuple[View, ...], **changes: Any) -> Recipe:
    """A shipped recipe on the small pictures, in few steps and without validation on the way."""
    stages = tuple(
        replace(stage, steps=count, views=views, decay=None, lr=1e-3, lr_end=1e-5, warmup=min(10, count))
        for stage, count in zip(recipe.stages, steps, strict=True)
    )
    return replace(
        recipe,
        model=model,
        pairs={"train": 1.0},
        held_out=(),
        ema=0.98,
        save_every=10_000,
        stages=stages,
        **changes,
    )


def without(recipe: Recipe, loss: str) -> Recipe:
    """The recipe with a loss left out wherever it is weighed."""
    return replace(
        recipe,
        stages=tuple(replace(s, losses={k: v for k, v in s.losses.items() if k != loss}) for s in recipe.stages),
    )


def frlie(steps: int) -> Experiment:
    shipped = load_recipe("frlie")
    two = replace(shipped, stages=(shipped.stages[0], shipped.stages[-1]))
    full = short(two, "small-frlie", (steps // 3, steps - steps // 3), _CROPS)
    whole = load_recipe("frlie-whole")
    whole = short(replace(whole, stages=whole.stages[-1:]), "small-frlie", (steps,), _CROPS)
    return Experiment(
        "FRLIE with and without restored features",
        "Yang, Zhang, Guo, ICASSP 2022, table 1: LOL v1 eval15",
        (
            Variant("as published", full, 22.319),
            Variant("w/o FR: trained as a whole, without the loss", whole, 21.489),
            Variant("two stages, without the loss alone", without(full, "features")),
        ),
    )


def drgn(steps: int) -> Experiment:
    shipped = load_recipe("drgn")
    counts = steps // 3, steps - steps // 3
    views = (View((48, 72), batch=8),)
    small = partial(short, shipped, steps=counts, views=views, critics=partial(Critics, 8))
    full = small(model="small-drgn")
    one = short(load_recipe("drgn-one-step"), "small-drgn-one-step", (steps,), views)
    return Experiment(
        "DRGN without one of its parts",
        "Jiang et al., AAAI 2022, table 1: LOL1000",
        (
            Variant("DRGN", full, 19.88),
            Variant("w/o DL-DA", one, 19.03),
            Variant("w/o MSR", small(model="small-drgn-one-scale"), 19.32),
            Variant("w/o KL", without(full, "kl"), 19.61),
            Variant("w/o SSIM", without(full, "ssim"), 19.56),
        ),
    )


def pairs(steps: int) -> Experiment:
    stage = Stage("frames", steps, _CROPS, {"l1": 1.0, "ssim": 0.1}, lr=2e-3, lr_end=1e-5, warmup=10)
    alone = Recipe("pairs", "small-darkir", (stage,), pairs={"train": 1.0}, held_out=(), ema=0.98, save_every=10_000)

    def beside(made: str) -> Recipe:
        return replace(alone, pairs={"train": 2 / 3, made: 1 / 3}, steady=(made,))

    return Experiment(
        "A small network with and without synthesised pairs",
        "the paper gives no such row: with degradation learning and augmentation DRGN gains 0.85 dB (19.03 to 19.88)",
        (
            Variant("LOL v1 alone", alone),
            Variant("a third of pairs made by drgn-lw", beside("learned")),
            Variant("a third of pairs made by the model of a camera", beside("camera")),
        ),
    )


EXPERIMENTS = {"frlie": (frlie, 240), "pairs": (pairs, 240), "drgn": (drgn, 150)}


def small(pictures: Tensor) -> Tensor:
    """``(H, W, C)`` uint8 at a quarter of the size, the mean of each 4x4."""
    x = pictures.permute(2, 0, 1)[None].float()
    size = tuple(side // SCALE for side in x.shape[-2:])
    return F.interpolate(x, size, mode="area")[0].permute(1, 2, 0).round().byte()


def write_pair(folder: Path, name: str, pair: Tensor) -> None:
    for half, picture in zip(("low", "high"), pair.chunk(2, 2), strict=True):
        (folder / half).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.numpy()).save(folder / half / f"{name}.png")


def prepare(data: Path, folder: Path) -> None:
    """The small sets: ``train``, ``val_seen``, ``val_unseen``, ``learned``, ``camera`` and ``photographs``."""
    if (folder / "done").exists():
        return
    for split in ("train", *JUDGED):
        for pair in find_set(data, f"lol_v1:{split}"):
            write_pair(folder / split, pair.name, small(load_pair(pair)))
    held_out = set(held_out_photographs())
    photographs = [p for p in find_pictures(data / "photographs").values() if p.stem not in held_out][:PHOTOGRAPHS]
    generator = load_degradation("drgn-lw")
    like = [pair.low for pair in find_set(data, "lol_v1:train")]
    # Exposures about as dark as LOL v1's; the rest as the model of a camera has it.
    camera = Degradation(ev=(-5.0, -2.0), shade_chance=0.0, blur_chance=0.0)
    (folder / "photographs").mkdir(parents=True, exist_ok=True)
    for path in photographs:
        good, picture = load_picture(path), read(path)
        Image.fromarray(small(good).numpy()).save(folder / "photographs" / f"{path.stem}.png")
        dark = {
            "learned": learned_night_of(picture, 0, path.name, generator, like),
            "camera": night_of(picture, 0, path.name, camera),
        }
        for name, low in dark.items():
            write_pair(folder / name, path.stem, small(torch.cat((torch.tensor(low.pixels), good), 2)))
    (folder / "done").touch()


@torch.inference_mode()
def scores(run: Path, data: Path) -> dict[str, list[float]]:
    """PSNR of every judged picture, by set."""
    net = load_model(run).eval()

    def each(split: str) -> Iterator[float]:
        for pair in find_set(data, split):
            low, target = load_pair(pair).chunk(2, 2)
            restored = net(low.permute(2, 0, 1)[None].float() / 255)[0].permute(1, 2, 0)
            levels = (restored.clamp(0, 1) * 255).round().byte().numpy()
            yield float(psnr(*PROTOCOLS["strict"].prepare(levels, target.numpy())))

    return {split: list(each(split)) for split in JUDGED}


def measured(variant: Variant, folder: Path, data: Path, seeds: int) -> dict[str, np.ndarray]:
    """Trains what is not there yet; every picture's mean over the seeds."""
    found = []
    for seed in range(seeds):
        run = folder / f"seed{seed}"
        kept = run / "scores.json"
        if not kept.exists():
            train(replace(variant.recipe, data=data, seed=seed), run, resume=(run / "state.pt").exists())
            kept.write_text(json.dumps(scores(run, data)))
        found.append(json.loads(kept.read_text()))
        print(f"{run}: {', '.join(f'{split} {np.mean(found[-1][split]):.2f}' for split in JUDGED)}", flush=True)
    return {split: np.mean([each[split] for each in found], 0) for split in JUDGED}


def interval(values: np.ndarray, sign: str = "") -> str:
    found = summarise(values)
    low, high = found.interval or (float("nan"),) * 2
    return f"{found.mean:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def table(experiment: Experiment, results: Sequence[dict[str, np.ndarray]], seeds: int) -> str:
    """The experiment's table in Markdown."""
    pictures = [np.concatenate([result[split] for split in JUDGED]) for result in results]
    differences = [compare(values, pictures[0]) for values in pictures[1:]]
    p = adjust([difference.p for difference in differences])
    steps = experiment.variants[0].recipe.steps
    lines = [
        f"### {experiment.title}\n",
        f"{steps} steps, {seeds} seed{'s' if seeds > 1 else ''}. Paper: {experiment.source}.\n",
        "| | paper | val_seen | val_unseen | difference, all 36 | p |",
        "|---|---|---|---|---|---|",
    ]
    for number, (variant, result) in enumerate(zip(experiment.variants, results, strict=True)):
        paper = f"{variant.paper:.2f}" if variant.paper else "-"
        cells = [variant.label, paper, *(interval(result[split]) for split in JUDGED)]
        if number:
            cells += [interval(pictures[number] - pictures[0], "+"), f"{p[number - 1]:.3f}"]
        else:
            cells += ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", help=f"of {', '.join(EXPERIMENTS)}; all by default")
    parser.add_argument("--data", type=Path, required=True, help="folder with lol_v1 and photographs")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--steps", type=int, help="of each run, other than the experiment's own number")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--record", type=Path, help="JSON file that gets the tables under 'experiments'")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.experiments if name not in EXPERIMENTS]:
        parser.error(f"no experiment {', '.join(unknown)}: choose from {', '.join(EXPERIMENTS)}")
    data = chosen.output / "data"
    prepare(chosen.data, data)
    for name in chosen.experiments or EXPERIMENTS:
        make, usual = EXPERIMENTS[name]
        steps = chosen.steps or usual
        experiment = make(steps)
        results = [
            measured(variant, chosen.output / f"{name}-{steps}" / str(number), data, chosen.seeds)
            for number, variant in enumerate(experiment.variants)
        ]
        text = table(experiment, results, chosen.seeds)
        print(text, flush=True)
        if chosen.record:
            kept = json.loads(chosen.record.read_text(encoding="utf-8"))
            kept.setdefault("experiments", {})[name] = text
            chosen.record.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
