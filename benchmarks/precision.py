"""How far engines and precisions agree with float32 in onnxruntime: ``python benchmarks/precision.py --low DIR``.

Each picture is restored whole by the trusted engine and by every other one, as floats cut off to [0, 1]; what an engine
refuses by itself, because it differs too much, is told. The mark for a precision is 45 dB and 4 levels of 255.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from lightwell import Restorer, read
from lightwell.engines.reference import agreement
from lightwell.errors import LightwellError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--low", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--engines", nargs="+", default=["openvino", "openvino-bfloat16", "torch", "torch-bfloat16"])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--tile", default="auto", help="auto, off or a side in pixels")
    options = parser.parse_args()
    tile = int(options.tile) if options.tile.isdecimal() else options.tile

    trusted = Restorer(options.model, device="cpu", threads=options.threads, tile=tile)
    paths = sorted(options.low.iterdir())
    for name in options.engines:
        device, _, precision = name.partition("-")
        rows = []
        try:
            other = Restorer(
                options.model, device=device, precision=precision or "auto", threads=options.threads, tile=tile
            )
            for path in paths:
                low = read(path).pixels / np.float32(255)
                expected, found = trusted(low), other(low)
                rows.append((*agreement({"": expected}, {"": found}), 255 * float(np.abs(found - expected).mean())))
        except LightwellError as error:
            print(f"{name}: refused after {len(rows)} pictures: {error}")
            continue
        decibels, levels, mean = np.array(rows).T
        print(
            f"{name}, {trusted.model}, {len(rows)} pictures: {decibels.min():.1f} dB at least, {decibels.mean():.1f} "
            f"in the mean; off by at most {levels.max():.2f} levels, {mean.mean():.3f} in the mean",
            flush=True,
        )


if __name__ == "__main__":
    main()
