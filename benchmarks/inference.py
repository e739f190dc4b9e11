"""The shipped graph in onnxruntime against the eager torch network with torch's FFT: seconds and peak memory.

    python benchmarks/inference.py [MODEL]

Each runs in a process of its own, in turn, and the ratios of the medians are printed: above 1 means that onnxruntime is
quicker or smaller. 1080p goes through guided tiles in both. Takes about six minutes on two cores.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

SIZES = {"400x600 whole": (400, 600, 1024), "1080x1920 in tiles of 512": (1080, 1920, 512)}
ROUNDS = 3


def run(runtime: str, model: str, height: int, width: int, tile: int) -> None:
    """Restores one picture three times in this process and prints the quickest time and the peak memory."""
    from lightwell.tiling import restore_in_tiles

    if runtime == "onnxruntime":
        from lightwell import zoo
        from lightwell.session import Session, cores

        session = Session(zoo.find(model).graph, "cpu", cores())
        network = session.__call__
    else:
        import torch

        from lightwell.models import create_model

        net = create_model(model, pretrained=True).eval().to(memory_format=torch.channels_last)

        def network(low: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return net(torch.from_numpy(low).contiguous(memory_format=torch.channels_last)).numpy()

    picture = np.random.default_rng(0).random((height, width, 3), np.float32) * 0.2
    result = np.empty_like(picture)

    def store(top: int, rows: np.ndarray) -> None:
        result[top : top + len(rows)] = rows

    def restore(low: np.ndarray) -> np.ndarray:
        return network(np.ascontiguousarray(low.transpose(2, 0, 1)[None]))[0].transpose(1, 2, 0)

    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        restore_in_tiles(lambda r, c: picture[r, c], store, (height, width), restore, tile=tile, guide_side=tile)
        seconds.append(time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": min(seconds), "peak": peak}))


def main(model: str) -> None:
    table = Table("size", "runtime", "seconds", "peak GB", "times as quick", "times as small", title=model)
    for name, size in SIZES.items():
        results: dict[str, list[dict[str, float]]] = {"torch": [], "onnxruntime": []}
        for _ in range(ROUNDS):
            for runtime, found in results.items():
                call = [sys.executable, __file__, "--run", runtime, model, *map(str, size)]
                found.append(json.loads(subprocess.run(call, check=True, capture_output=True).stdout))
        seconds = {key: statistics.median(each["seconds"] for each in found) for key, found in results.items()}
        peak = {key: statistics.median(each["peak"] for each in found) for key, found in results.items()}
        for runtime in results:
            table.add_row(
                name,
                runtime,
                f"{seconds[runtime]:.2f}",
                f"{peak[runtime] / 1e9:.2f}",
                f"{seconds['torch'] / seconds[runtime]:.2f}",
                f"{peak['torch'] / peak[runtime]:.2f}",
            )
    Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "darkir-s")
