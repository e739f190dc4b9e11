"""Runs the notebooks of examples/ in this environment and stores what they show.

python tools/notebooks.py [NAME...]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PATIENCE = 600  # seconds for a cell


def run(path: Path) -> NotebookNode:
    """A notebook, run from top to bottom by this Python in its own folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    content = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(content, timeout=PATIENCE, coalesce_streams=True, resources=resources).execute()
    return content


def main() -> None:
    """Run those that are named, or all."""
    for name in sys.argv[1:] or sorted(path.stem for path in EXAMPLES.glob("*.ipynb")):
        path = EXAMPLES / f"{name}.ipynb"
        content = run(path)
        for cell in content.cells:
            cell.metadata.pop("execution", None)  # times, which differ with every run
        content.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(content, path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
