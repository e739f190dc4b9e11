"""Every block of code in the documentation runs as it is written, or says why it does not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for folder in (".", "docs", "checkpoints", "examples") for path in (ROOT / folder).glob("*.md"))
ELSEWHERE = {"keras.md": "tests/keras, on every backend"}
BLOCK = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>.+?) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    reason: str | None


def blocks(page: Path) -> Iterator[Block]:
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield Block(match["language"], textwrap.dedent(match["code"]), match["reason"])


def runs(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language in ("sh", "python") and block.reason is None]


def names(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_block_says_what_it_is(page: Path) -> None:
    fences = len(re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.M))
    found = list(blocks(page))
    assert fences == 2 * len(found)
    for block in found:
        assert block.language in ("sh", "python", "text", "json"), block.code
        if block.language == "python":
            compile(block.code, str(page), "exec")
        if block.language == "json":
            json.loads(block.code)
        if block.language == "sh":
            result = subprocess.run(["bash", "-n", "-c", block.code], capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the pages speak of: a dark photograph, a folder of some, pairs, a scan."""
    small = [Image.open(path).resize((96, 64)) for path in sorted(ROOT.glob("examples/*.jpg"))]
    for name in ("photos", "pairs/low", "pairs/high"):
        (tmp_path / name).mkdir(parents=True)
    Image.open(ROOT / "examples/coffee_dark.jpg").resize((150, 100)).save(tmp_path / "night.jpg")
    small[0].convert("L").save(tmp_path / "scan.tif")
    for number, picture in enumerate(small):
        picture.save(tmp_path / "photos" / f"{number}.jpg")
        picture.save(tmp_path / "pairs/low" / f"{number}.jpg")
        picture.point(lambda level: min(5 * level, 255)).save(tmp_path / "pairs/high" / f"{number}.jpg")
    shutil.copytree(tmp_path / "pairs/high", tmp_path / "bright")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in ELSEWHERE and runs(page)], ids=names)
def test_the_blocks_of_a_page_run_from_top_to_bottom(page: Path, desk: Path) -> None:
    if page.name in ("folder.md", "README.md"):
        shutil.rmtree(desk / "bright")  # they make it
    command = desk / "bin" / "lightwell"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom lightwell.cli.app import main\nmain()\n")
    command.chmod(0o755)
    surroundings = {**os.environ, "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
    known: dict[str, object] = {}
    for block in runs(page):
        if block.language == "python":
            exec(compile(block.code, str(page), "exec"), known)
            continue
        words = ["bash", "-euo", "pipefail", "-c", block.code]
        result = subprocess.run(
            words,
            env=surroundings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, block.code + result.stdout + result.stderr


def test_the_messages_of_the_page_of_errors_are_those_of_the_code() -> None:
    code = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    code = re.sub(r"\s+", " ", re.sub(r'"\s*\n\s*f?"', "", code))
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    table = page.partition("| message |")[2].partition("\n\n")[0]
    messages = [word for row in table.splitlines()[2:] for word in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert len(messages) > 10
    missing = [word for word in messages if word.replace("'lightwell[...]'", "'lightwell[") not in code]
    assert not missing
