"""Writes docs/benchmarks.md and its pictures, the README's table of models and its picture from the cards that ship.

    python tools/pages.py [--check] [--data data] [--time]

With --data (the folder that holds `lol_v1`) the rows of the untouched input and of one fixed gamma are measured again,
with --time how long the models take; otherwise both come from docs/measured.json. With --check it writes nothing and
says whether the text is as it would be written.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lightwell import Restorer, zoo
from lightwell.data.public import find_set
from lightwell.evaluation.evaluate import BASELINE_GAMMA
from lightwell.evaluation.publishing import SETS
from lightwell.metrics import score
from lightwell.pictures import read

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "docs" / "measured.json"
TIMED = (400, 600)
ROUNDS = 5

PROTOCOLS = ("strict", "gtmean-gray", "y")
PUBLISHED = (
    ("RetinexNet", "16.77", "Wei et al., BMVC 2018, as measured in the FRLIE paper, table 1", "not named"),
    ("KinD", "20.73", "Zhang et al., ACM MM 2019, as measured in the FRLIE paper, table 1", "not named"),
    ("FRLIE", "22.32", "Yang, Zhang, Guo: Low-light Image Enhancement via Feature Restoration, table 1", "not named"),
    ("GARF", "24.35", "measured from its published weights or pictures", "strict"),
    ("FCANet", "24.08", "measured from its published weights or pictures", "strict"),
    ("IAT (0.09 M parameters)", "23.38", "Cui et al., BMVC 2022; measured from its published weights", "strict"),
    ("ULBPNet", "23.35", "measured from its published weights or pictures", "strict"),
    ("RAUNA", "22.49", "measured from its published weights or pictures", "strict"),
    ("DepthLLformer", "20.83", "measured from its published weights or pictures", "strict"),
    ("Zero-DCE", "14.86", "Guo et al., CVPR 2020; measured from its published weights or pictures", "strict"),
    ("SCI (medium)", "14.85", "Ma et al., CVPR 2022; measured from its published weights or pictures", "strict"),
    ("HVI-CIDNet", "23.81", "Yan et al., CVPR 2025, as quoted by others", "not checked by us"),
    ("Retinexformer", "25.16", "Cai et al., ICCV 2023; retrainings by others reach 22.4 to 23.5", "not checked by us"),
)

INTRODUCTION = """# Benchmarks

How the shipped models do on LOL v1, beside the untouched input, one fixed curve and what others report. Written by
`tools/pages.py` from the cards of the shipped models; every number of ours comes from

<!-- not run: needs LOL v1 -->
```sh
python tools/publish.py WEIGHTS NAME --data ~/sets
```

and can be had one by one with `lightwell evaluate --model NAME --low DIR --high DIR --protocol strict -o report`.

Data: LOL v1 (Wei et al., BMVC 2018), whole 600x400 frames. *val_seen*: 16 pictures whose scenes occur in the training
half at another exposure, as 14 of the 15 scenes of *eval15* do. *val_unseen*: 20 pictures of scenes kept out of
training. How the checkpoint was chosen stands in its card. PSNR in dB and SSIM, means over the pictures. Protocols:
`strict` is the 8-bit output as it is; `gtmean-gray` after one gain per picture taken from the truth; `y` on the luma.
"""

COMPARED = """## The networks side by side

One recipe each, trained on two CPU cores and not to the end of what it could learn: the table compares these weights,
not what the papers reached. eval15, 15 pictures: PSNR, SSIM and FSIM of the output as it is (`strict`), and NIQE with
our own parameters (`lightwell-bsds300`). GMACs: multiply-accumulates of the convolutions at 400x600, in billions; a
Fourier transform is not counted. Time: the ONNX graph in onnxruntime on a CPU, one frame of 400x600, best of five
interleaved rounds, as a multiple of the first row (`python tools/pages.py --time`).

"""

FRONTS = """## Behind fronts

The same network with something before it that its paper does not have (`lightwell train NAME --set front=...`):
`normalised` shows it every picture at an exposure of its own, `lit` as the light of lightwell-s-lol lights it. These
runs went on from `drgn-lw` for some hundred steps of small crops ([training log](training-log.md)); `drgn-lw-lit`
ships. `drgn-lw` itself has been trained on since: its first row here is what they went on from. PSNR in dB, `strict`,
means with 95 % bootstrap intervals; differences are to the first row, picture by picture, with Holm's corrected p of
Wilcoxon's signed-rank test (`python benchmarks/fronts.py`).

"""

EXPERIMENTS = """## The papers' experiments at a small scale

By `python benchmarks/ablations.py --data ~/sets`: pictures at a quarter of their size, narrow networks, few steps. They
tell what a part of a method is worth so early, not what it is worth when everything is trained to its end. The paper's
figures are of other data and full size, so only differences can be compared. PSNR in dB, `strict`, means over 16 and 20
pictures with 95 % bootstrap intervals; differences are to the first row, with Holm's corrected p of Wilcoxon's
signed-rank test. Intervals are over pictures: how much another seed changes is not in them. What has no table here has
not been run.

"""

QUOTED = """## What others report on eval15

Quoted; rows with a protocol were measured by others of this project, not by a command of this repository. A figure
without a protocol cannot be compared: the same pictures score 20 or 24 dB
depending on whether a gain from the truth is applied first.

| method | PSNR | source | protocol |
|---|---|---|---|
"""

NOT_COMPARED = """
## What cannot be compared

- The DarkIR paper reports LOL-Blur, LOL-v2 and LSRW, not LOL v1; none of these sets is used here, so its figures
  (26.62 dB for DarkIR-m on LOL-Blur, 23.87 dB on LOL-v2-real) say nothing about these weights.
- 89 of the 100 test pictures of LOL-v2-real are LOL v1 pictures, 86 of them in its training half: a model trained on
  LOL v1 has no independent score there.
- The DRGN paper measures on its own test sets (Test148, LOL1000, VOC144).
- Fifteen pictures are few: `lightwell evaluate` gives a bootstrap interval with every mean.
"""


def measure_baselines(data: Path) -> dict[str, list[dict[str, object]]]:
    """What doing nothing and one fixed gamma score, as the cards' numbers."""
    rows: dict[str, list[dict[str, object]]] = {}
    for name, gamma in (("untouched input", 1.0), (f"gamma {BASELINE_GAMMA}", BASELINE_GAMMA)):
        numbers = rows.setdefault(name, [])
        for label, source in SETS.items():
            pairs = [(read(pair.low).pixels, read(pair.high).pixels) for pair in find_set(data, source)]
            for protocol in PROTOCOLS:
                scores = [
                    score(np.round((low / 255) ** gamma * 255).astype(np.uint8), high, protocol) for low, high in pairs
                ]
                psnr, ssim = np.mean([(each.psnr, each.ssim) for each in scores], axis=0)
                numbers.append(
                    {
                        "data": label,
                        "pictures": len(pairs),
                        "protocol": protocol,
                        "psnr": round(float(psnr), 3),
                        "ssim": round(float(ssim), 4),
                    }
                )
    return rows


def table(data: str, rows: dict[str, list[dict[str, object]]]) -> str:
    """PSNR and SSIM of every row on one set, under each protocol."""
    pictures = next(number["pictures"] for number in next(iter(rows.values())) if number["data"] == data)
    lines = [
        f"## {data} ({pictures} pictures)\n",
        "| | " + " | ".join(f"`{protocol}`" for protocol in PROTOCOLS) + " |",
        "|---|" + "---|" * len(PROTOCOLS),
    ]
    for name, numbers in rows.items():
        found = {number["protocol"]: number for number in numbers if number["data"] == data}
        cells = (f"{found[protocol]['psnr']:.2f} / {found[protocol]['ssim']:.3f}" for protocol in PROTOCOLS)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def measure_time(cards: list[zoo.Card]) -> dict[str, float]:
    """Seconds for one frame with each model, taken in turns in one process, as multiples of the first model's."""
    low = np.random.default_rng(0).integers(0, 60, (*TIMED, 3), dtype=np.uint8)
    restorers = {card.name: Restorer(card.name, tile="off") for card in cards}
    seconds: dict[str, list[float]] = {name: [] for name in restorers}
    for _ in range(ROUNDS):
        for name, restorer in restorers.items():
            begun = time.perf_counter()
            restorer(low)
            seconds[name].append(time.perf_counter() - begun)
    first = min(seconds[cards[0].name])
    return {name: round(min(values) / first, 2) for name, values in seconds.items()}


def comparison(cards: list[zoo.Card], times: dict[str, float]) -> str:
    """One row a model: size, cost, time, scores on eval15."""
    lines = [
        "| model | parameters | GMACs | time | PSNR | SSIM | FSIM | NIQE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for card in cards:
        content = card.content
        number = next(n for n in content["numbers"] if n["data"] == "LOL v1 eval15" and n["protocol"] == "strict")
        further = content["compared"]
        cells = (
            f"{content['parameters'] / 1e6:.2f} M",
            f"{content['gmacs_400x600']:.1f}",
            f"{times[card.name]:.2f}",
            f"{number['psnr']:.2f}",
            f"{number['ssim']:.3f}",
            f"{further['fsim']:.3f}",
            f"{further['niqe']:.2f}",
        )
        lines.append(f"| {card.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def models_table(cards: list[zoo.Card]) -> str:
    lines = ["| name | parameters | good at | " + " | ".join(SETS) + " |", "|---|---|---|" + "---|" * len(SETS)]
    for card in cards:
        scores = (
            f"{number['psnr']:.2f}"
            for data in SETS
            for number in card.content["numbers"]
            if number["data"] == data and number["protocol"] == "strict"
        )
        default = " (default)" if card.content["default"] else ""
        parameters = f"{card.content['parameters'] / 1e6:.2f} M"
        lines.append(
            f"| `{card.name}`{default} | {parameters} | {card.content['good_at']} | " + " | ".join(scores) + " |"
        )
    return "\n".join(lines) + "\n\nPSNR in dB, protocol `strict`; 16, 20 and 15 pictures.\n"


def sheet(path: Path, names: list[str], height: int) -> None:
    """The example photographs, a row each: as taken, then restored by each of some models."""
    restorers = [Restorer(name) for name in names]
    rows = []
    for source in sorted((ROOT / "examples").glob("*.jpg")):
        low = read(source).pixels
        strip = np.concatenate((low, *(restorer(low) for restorer in restorers)), axis=1)
        size = (strip.shape[1] * height // strip.shape[0], height)
        rows.append(Image.fromarray(strip).resize(size, Image.Resampling.LANCZOS))
    whole = Image.new("RGB", (max(row.width for row in rows), len(rows) * (height + 6) - 6), "white")
    for number, row in enumerate(rows):
        whole.paste(row, ((whole.width - row.width) // 2, number * (height + 6)))
    whole.save(path, quality=90)


def benchmarks(cards: list[zoo.Card], measured: dict[str, Any]) -> str:
    """The page docs/benchmarks.md."""
    rows = measured["baselines"] | {card.name: card.content["numbers"] for card in cards}
    quoted = "".join(f"| {' | '.join(row)} |\n" for row in PUBLISHED)
    tables = "\n".join(table(data, rows) for data in reversed(SETS))
    beside = comparison(cards, measured["time"])
    beside += "\n[![The example photographs](comparison.jpg)](comparison.jpg)\n\n*From left to right: as taken"
    beside += "".join(f", {card.name}" for card in cards) + ". The picture leads to its full size.*\n"
    fronts = FRONTS + "\n".join(measured["fronts"].values())
    experiments = EXPERIMENTS + "\n".join(measured["experiments"].values())
    parts = (INTRODUCTION, tables, COMPARED + beside, fronts, experiments, QUOTED + quoted + NOT_COMPARED)
    return "\n".join(parts)


def readme(cards: list[zoo.Card], before: str) -> str:
    """README.md with its table of models anew."""
    head, _, rest = before.partition("<!-- models:begin -->\n")
    _, _, after = rest.partition("<!-- models:end -->")
    return f"{head}<!-- models:begin -->\n{models_table(cards)}<!-- models:end -->{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    cards = zoo.cards()
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    if arguments.data:
        measured["baselines"] = measure_baselines(arguments.data)
    if arguments.time:
        measured["time"] = measure_time(cards)
    pages = {
        MEASURED: json.dumps(measured, indent=1, ensure_ascii=False) + "\n",
        ROOT / "docs" / "benchmarks.md": benchmarks(cards, measured),
        ROOT / "README.md": readme(cards, (ROOT / "README.md").read_text(encoding="utf-8")),
    }
    if arguments.check:
        stale = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
        sys.exit(f"{', '.join(stale)}: not what the cards say, run python tools/pages.py" if stale else 0)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    sheet(ROOT / "docs" / "before-after.jpg", [cards[0].name], 300)
    sheet(ROOT / "docs" / "comparison.jpg", [card.name for card in cards], 200)


if __name__ == "__main__":
    main()
