"""The mean of several runs' weights: ``python tools/mean_weights.py OUT.safetensors 0.5=runs/a 0.5=runs/b``.

A run is a folder that ``lightwell train`` wrote (its last weights) or a file. Shares are brought to a sum of 1. What a
file says of its network and recipe is taken from the first. Means are worth trying where the runs have an ancestor in
common.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("weights", nargs="+", metavar="SHARE=RUN")
    arguments = parser.parse_args()
    total: dict[str, Tensor] = {}
    told: dict[str, str] = {}
    shares = [float(each.partition("=")[0]) for each in arguments.weights]
    for share, each in zip(shares, arguments.weights, strict=True):
        run = Path(each.partition("=")[2])
        path = run / "last.safetensors" if run.is_dir() else run
        for name, value in load_file(path).items():
            total[name] = total.get(name, 0) + value * (share / sum(shares))
        if not told:
            with safe_open(path, "pt") as file:
                told = file.metadata() or {}
    save_file(total, arguments.output, told)


if __name__ == "__main__":
    main()
