"""A network as published and behind fronts: ``python benchmarks/fronts.py --data ~/sets drgn-lw runs/drgn-lw-lit ...``.

Every MODEL is what ``lightwell restore -m`` takes; its pictures go to ``OUTPUT/NAME`` to look at, and are not made
again. PSNR in dB, protocol ``strict``, whole pictures, on LOL v1's eval15 (15 pictures), val_seen (16) and val_unseen
(20): means with 95 % bootstrap intervals over the pictures. The difference is that to the first model, picture by
picture over all 51, with its interval and the p-value of Wilcoxon's signed-rank test, corrected for their number
(Holm). ``~/sets`` holds ``lol_v1``. ``--record docs/measured.json`` puts the table where ``tools/pages.py`` finds it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from lightwell import Restorer, read
from lightwell.data.public import find_set
from lightwell.evaluation.statistics import adjust, compare, summarise
from lightwell.export import cached_graph, is_weights
from lightwell.metrics import psnr
from lightwell.weights import name_of

SETS = ("eval15", "val_seen", "val_unseen")


def scores(model: str, data: Path, folder: Path) -> dict[str, dict[str, float]]:
    """PSNR of every picture of every set."""
    kept = folder / "scores.json"
    if kept.exists():
        return json.loads(kept.read_text())
    restorer = Restorer(cached_graph(model) if is_weights(model) else model)
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, float]] = {}
    for name in SETS:
        found[name] = {}
        for pair in find_set(data, f"lol_v1:{name}"):
            restored = restorer(read(pair.low))
            restored.write(folder / f"{name}_{pair.name}.png")
            found[name][pair.name] = float(psnr(restored.pixels, read(pair.high).pixels))
        print(f"{folder.name} {name}: {np.mean(list(found[name].values())):.2f}", flush=True)
    kept.write_text(json.dumps(found))
    return found


def interval(values: np.ndarray, sign: str = "") -> str:
    found = summarise(values)
    low, high = found.interval or (float("nan"),) * 2
    return f"{found.mean:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/fronts"))
    parser.add_argument("--record", type=Path, help="JSON file that gets the table under 'fronts'")
    chosen = parser.parse_args()
    results = {name_of(model): scores(model, chosen.data, chosen.output / name_of(model)) for model in chosen.models}
    pictures = [np.array([each[s][n] for s in SETS for n in sorted(each[s])]) for each in results.values()]
    p = adjust([compare(values, pictures[0]).p for values in pictures[1:]])
    lines = [f"| | {' | '.join(SETS)} | difference, all {len(pictures[0])} | p |", "|---|---|---|---|---|---|"]
    for number, (name, each) in enumerate(results.items()):
        cells = [interval(np.array(list(each[s].values()))) for s in SETS]
        tested = (interval(pictures[number] - pictures[0], "+"), f"{p[number - 1]:.3f}") if number else ("", "")
        lines.append(f"| {' | '.join((name, *cells, *tested))} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if chosen.record:
        kept = json.loads(chosen.record.read_text(encoding="utf-8"))
        kept.setdefault("fronts", {})[next(iter(results))] = text
        chosen.record.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
