"""Figures in the documentation are those of the files that commands wrote."""

from __future__ import annotations

import itertools
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from lightwell import zoo

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
SCRIPT = re.compile(r"(?:benchmarks|tools|examples)/\w+\.py")
GIVES = re.compile(SCRIPT.pattern + "|`lightwell [a-z]|card|not kept|[Qq]uoted")
ANOTHERS = {"tools/export_onnx.py"}  # YOLOX's own
COUNTED = {"two": 2, "four": 4, "five": 5}
MEASURED = sorted((ROOT / "docs/measured").glob("*.json"))
QUOTES = re.compile(r"^<!-- measured: (\S+) -->\n\n?((?:.+\n)+)", re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?!\w)")


def test_benchmarks_and_the_table_of_the_readme_are_what_the_cards_say() -> None:
    command = [sys.executable, str(ROOT / "tools/pages.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_sizes_are_of_the_models_that_ship() -> None:
    measured = json.loads((ROOT / "docs/sizes.json").read_text(encoding="utf-8"))
    assert measured["models"] == {
        card.name: pytest.approx(sum(path.stat().st_size for path in card.files) / 1e6, abs=0.06)
        for card in zoo.cards()
    }
    assert sum(measured["parts"].values()) < 200


def test_the_oldest_dependencies_that_were_tried_are_those_that_are_allowed() -> None:
    tried = json.loads((ROOT / "docs/installs.json").read_text(encoding="utf-8"))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    allowed = dict(re.findall(r'"([\w-]+)(?:\[\w+\])?>=([\d.]+)"', project))
    oldest = [each for each in tried if each["dependencies"] == "oldest" and each["python"].startswith("3.11.")]
    assert {each["file"] for each in oldest} == {"wheel", "source"}
    for name, version in (item for each in oldest for item in each["versions"].items()):
        assert f"{version}.".startswith(f"{allowed[name]}."), name


def test_the_log_tells_of_the_models_that_ship() -> None:
    log = (ROOT / "docs/training-log.md").read_text(encoding="utf-8")
    table = log[log.index("| measure | lightwell-s |") :].partition("\n\n")[0].splitlines()
    names = [cell.strip() for cell in table[0].split("|")[2:-1]]
    found = 0
    for row in table[2:]:
        what, *cells = (cell.strip() for cell in row.split("|")[1:-1])
        named = re.fullmatch(r"(LOL v1 \w+), (\d+) pictures, (\S+) \(dB\)", what)
        for name, cell in zip(names, cells, strict=True) if named else ():
            assert named is not None
            number = next(n for n in zoo.find(name).numbers if (n.data, n.protocol) == (named[1], named[3]))
            assert number.pictures == int(named[2]), f"{what}: {name}"
            # Cards hold three digits and the table two of the same means.
            assert float(cell.split()[0]) == pytest.approx(number.psnr, abs=0.0056), f"{what}: {name}"
            found += 1
    assert found == 9


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_beside_a_figure_is_there_and_takes_these_options(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = [block.splitlines() for block in re.findall(FENCED, text)]
    spans = re.findall(r"`([^`]+)`", re.sub(FENCED, "", text).replace("\n", " "))
    for code in [*spans, *itertools.chain(*blocks)]:
        script = SCRIPT.search(code)
        if not script or script[0] in ANOTHERS:
            continue
        path = ROOT / script[0]
        assert path.is_file(), code
        source = path.read_text(encoding="utf-8")
        for option in re.findall(r"(?<=\s)--[\w-]+", code):
            assert f'"{option}"' in source, f"{script[0]} has no {option}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "benchmarks.md"], ids=lambda page: page.name)
def test_a_table_of_figures_says_what_gives_them(page: Path) -> None:
    text = re.sub(FENCED, "", page.read_text(encoding="utf-8"))
    text = re.sub(r"<!-- models:begin -->.*<!-- models:end -->", "", text, flags=re.DOTALL)
    for section in re.split(r"^(?=## )", text, flags=re.MULTILINE):
        rows = "\n".join(re.sub("`[^`]*`", "", line) for line in section.splitlines() if line.startswith("|"))
        if len(re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", rows)) >= 2:
            assert GIVES.search(section), section.splitlines()[0]


def numbers(figures: object) -> list[float]:
    """All numbers in what JSON holds."""
    if isinstance(figures, dict | list):
        return [n for each in (figures.values() if isinstance(figures, dict) else figures) for n in numbers(each)]
    return [figures] if isinstance(figures, int | float) else []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quoted_figures_are_those_that_a_benchmark_recorded(page: Path) -> None:
    for name, block in QUOTES.findall(page.read_text(encoding="utf-8")):
        figures = numbers(json.loads((ROOT / f"docs/measured/{name}.json").read_text(encoding="utf-8"))["figures"])
        said = [number.replace(",", "") for number in NUMBER.findall(re.sub("`[^`]*`", "", block))]
        assert said, block
        for number in said:
            digits = len(number.partition(".")[2])
            assert number in [f"{each:.{digits}f}" for each in figures], f"{number} is not in docs/measured/{name}.json"


@pytest.mark.parametrize("path", MEASURED, ids=lambda path: path.stem)
def test_what_a_benchmark_recorded_is_quoted_beside_its_command(path: Path) -> None:
    command = json.loads(path.read_text(encoding="utf-8"))["command"]
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    assert any(f"<!-- measured: {path.stem} -->" in text and command in text.replace("\n", " ") for text in texts)


def test_the_gallery_says_how_dark_its_pictures_are() -> None:
    pytest.importorskip("skimage")
    made = runpy.run_path(str(ROOT / "examples/make.py"))["EXAMPLES"]
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    said = re.findall(r"([\w ]+) stops dark.*?\n\n<!-- made: slider (\w+)_dark -->", page, re.IGNORECASE)
    assert {name for _, name in said} == set(made)
    for words, name in said:
        number = next(count for word, count in COUNTED.items() if word in words)
        half = 0.5 if "and a half" in words else 0
        assert number + half == pytest.approx(-made[name].ev[0], abs=0.25), name
