"""What the README shows runs as it is written."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_block_on_networks_and_metrics_runs() -> None:
    section = README.read_text(encoding="utf-8").partition("## Train, measure, export")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
