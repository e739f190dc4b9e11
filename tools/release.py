"""Says what stands in the way of a release: the tree, the version in each place, the changelog.

python tools/release.py
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import lightwell

ROOT = Path(__file__).resolve().parents[1]


def faults() -> list[str]:
    """What is wrong, a line each."""
    found = []
    version = lightwell.__version__
    if subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True).stdout:
        found.append("there are changes that are not committed")
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    if not cited or cited[1] != version:
        found.append(f"CITATION.cff is not of {version}")
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if not headings or headings[0].split()[0] != version:
        found.append(f"CHANGELOG.md begins with {headings[0] if headings else 'nothing'}, not with {version}")
    return found


if __name__ == "__main__":
    lines = faults()
    print("\n".join(lines) or f"lightwell {lightwell.__version__}: tree, citation and changelog are as they should be")
    sys.exit(bool(lines))
