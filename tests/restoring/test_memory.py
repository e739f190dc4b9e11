"""Peak memory against the estimate, each size in a process of its own (Linux)."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import numpy as np
from pathlib import Path
from lightwell import Restorer
height, width, model, memory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
restorer = Restorer(model, max_memory=memory, threads=1)
restorer(np.random.default_rng(0).integers(0, 40, (height, width, 3), np.uint8))
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
print(peak, restorer.memory_for(height, width))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("model", ["lightwell-s", "darkir-s"])
@pytest.mark.parametrize("size", [(1, 1), (40, 20_000), (1, 100_000), (16_384, 16), (900, 1200)])
def test_the_estimate_bounds_the_peak_at_any_shape(model: str, size: tuple[int, int]) -> None:
    words = [sys.executable, "-c", SCRIPT, *map(str, size), model, "1G"]
    peak, estimate = map(int, subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())
    assert peak <= 1.15 * estimate
    assert max(peak, estimate) <= 1 << 30
