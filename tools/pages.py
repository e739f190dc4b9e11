"""Writes docs/benchmarks.md, the README's table of models and its picture from the cards that ship.

    python tools/pages.py [--data data]

With --data (the folder that holds `lol_v1`) the rows of the untouched input and of one fixed gamma are measured again;
otherwise they come from docs/baselines.json.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from publish import PROTOCOLS, SETS, Array, measure

from lightwell import Restorer, zoo
from lightwell.data.public import find_set
from lightwell.evaluation.evaluate import BASELINE_GAMMA
from lightwell.picture import read

ROOT = Path(__file__).parents[1]
BASELINES = ROOT / "docs" / "baselines.json"

PUBLISHED = (
    ("RetinexNet", "16.77", "Wei et al., BMVC 2018, as measured in the FRLIE paper, table 1", "not named"),
    ("KinD", "20.73", "Zhang et al., ACM MM 2019, as measured in the FRLIE paper, table 1", "not named"),
    ("FRLIE", "22.32", "Yang, Zhang, Guo: Low-light Image Enhancement via Feature Restoration, table 1", "not named"),
    ("IAT (0.09 M parameters)", "23.38", "Cui et al., BMVC 2022, as quoted by others", "not checked by us"),
    ("HVI-CIDNet", "23.81", "Yan et al., CVPR 2025, as quoted by others", "not checked by us"),
    ("Retinexformer", "25.16", "Cai et al., ICCV 2023; retrainings by others reach 22.4 to 23.5", "not checked by us"),
)

INTRODUCTION = """# Benchmarks

Written by `tools/pages.py` from the cards of the shipped models; every number of ours comes from

```
python tools/publish.py WEIGHTS NAME --data ~/sets
```

and can be had one by one with `lightwell evaluate --model NAME --low DIR --high DIR --protocol strict -o report`.

Data: LOL v1 (Wei et al., BMVC 2018), whole 600x400 frames. *val_seen*: 16 pictures whose scenes occur in the training
half at another exposure, as 14 of the 15 scenes of *eval15* do. *val_unseen*: 20 pictures of scenes kept out of
training. How the checkpoint was chosen stands in its card. PSNR in dB and SSIM, means over the pictures. Protocols:
`strict` is the 8-bit output as it is; `gtmean-gray` after one gain per picture taken from the truth; `y` on the luma.
"""

QUOTED = """## What others report on eval15

Quoted, not measured here. A figure without a protocol cannot be compared: the same pictures score 20 or 24 dB
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
    def brighten(low: Array, gamma: float) -> Array:
        return np.round((low / 255) ** gamma * 255).astype(np.uint8)

    return {
        name: [
            number
            for label, source in SETS.items()
            for number in measure(partial(brighten, gamma=gamma), label, find_set(data, source))
        ]
        for name, gamma in (("untouched input", 1.0), (f"gamma {BASELINE_GAMMA}", BASELINE_GAMMA))
    }


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


def before_after(path: Path) -> None:
    """The example photographs, each as taken beside its restored self."""
    restorer = Restorer()
    height = 300
    columns = []
    for source in sorted((ROOT / "examples").glob("*.jpg")):
        low = read(source).pixels
        pair = np.concatenate((low, restorer(low)), axis=1)
        columns.append(
            Image.fromarray(pair).resize((pair.shape[1] * height // pair.shape[0], height), Image.Resampling.LANCZOS)
        )
    sheet = Image.new("RGB", (max(column.width for column in columns), len(columns) * (height + 6) - 6), "white")
    for row, column in enumerate(columns):
        sheet.paste(column, ((sheet.width - column.width) // 2, row * (height + 6)))
    sheet.save(path, quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    if arguments.data:
        BASELINES.write_text(json.dumps(measure_baselines(arguments.data), indent=1) + "\n")
    cards = zoo.cards()
    rows = json.loads(BASELINES.read_text()) | {card.name: card.content["numbers"] for card in cards}
    quoted = "".join(f"| {' | '.join(row)} |\n" for row in PUBLISHED)
    tables = "\n".join(table(data, rows) for data in reversed(SETS))
    page = f"{INTRODUCTION}\n{tables}\n{QUOTED}{quoted}{NOT_COMPARED}"
    (ROOT / "docs" / "benchmarks.md").write_text(page, encoding="utf-8")

    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition("<!-- models:begin -->\n")
    _, _, after = rest.partition("<!-- models:end -->")
    readme.write_text(
        f"{before}<!-- models:begin -->\n{models_table(cards)}<!-- models:end -->{after}", encoding="utf-8"
    )
    before_after(ROOT / "docs" / "before-after.jpg")


if __name__ == "__main__":
    main()
