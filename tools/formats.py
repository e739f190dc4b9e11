"""Writes docs/formats.md from what the codecs say of themselves.

Usage: python tools/formats.py [--check]   (with --check it only says whether the page is as it would be written)
"""

from __future__ import annotations

import sys
from pathlib import Path

from lightwell.pictures.codecs.base import CODECS, Facts

PAGE = Path(__file__).resolve().parents[1] / "docs" / "formats.md"

HEAD = """# Picture formats

<!-- Made from the codecs by `python tools/formats.py`: change those, not this page. -->

A picture is read upright, with its colours and all that is in the columns below, and written in the format that it came
in unless the output's name or an option says otherwise. Whatever is lost on the way is said, in `Picture.warnings` for
reading and by `Picture.write` for writing. Pixels without a colour profile are taken for sRGB.

*Bits* are those that are written, *Keeps* is what is kept besides the pixels, *Needs* is the
[extra](install.md) to install.

| | Files | Bits | Alpha | Keeps | Needs |
|---|---|---|---|---|---|
"""
SHOWN = 4  # suffixes in the table; a format of more has them below
ORDER = ("ICC", "EXIF", "XMP", "IPTC", "dots per inch", "words")


def page() -> str:
    """The whole page."""
    facts = [codec.facts for codec in CODECS.values()]
    return HEAD + "".join(map(_row, facts)) + "".join(map(_section, facts))


def _row(facts: Facts) -> str:
    cells = (
        facts.name,
        _suffixes(facts) if len(facts.suffixes) <= SHOWN else f"[{len(facts.suffixes)} kinds](#{facts.name.lower()})",
        ", ".join(map(str, facts.depths)) or "none",
        "yes" if facts.alpha else "no",
        ", ".join(name for name in ORDER if name in facts.keeps) or "-",
        f"`[{facts.extra}]`" + " for more than 8 bits" * (facts.format == "AVIF") if facts.extra else "-",
    )
    return "| " + " | ".join(cells) + " |\n"


def _suffixes(facts: Facts) -> str:
    return " ".join(f"`{suffix}`" for suffix in facts.suffixes)


def _section(facts: Facts) -> str:
    lines = [f"Read: {facts.reads}."]
    if len(facts.suffixes) > SHOWN:
        lines.insert(0, f"Files: {_suffixes(facts)}.")
    if facts.max_side:
        lines.append(f"Written up to {facts.max_side} pixels a side.")
    if facts.quality:
        lines.append("Written at a quality of 1 to 100, 95 by default.")
    lines += [f"{phrase[0].upper()}{phrase[1:]}." for phrase in facts.lost]
    return f"\n## {facts.name}\n\n" + "".join(f"- {line}\n" for line in lines)


def main() -> int:
    """Write the page, or say whether it is stale."""
    if "--check" in sys.argv[1:]:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
            return 0
        print(f"{PAGE} is not what the codecs say: run python tools/formats.py", file=sys.stderr)
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
