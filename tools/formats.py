"""Writes docs/formats.md from what the codecs say of themselves.

Usage: python tools/formats.py [--check]   (with --check it only says whether the page is as it would be written)
"""

from __future__ import annotations

import sys
from pathlib import Path

from lightwell.pictures.codecs.base import CODECS, Facts

PAGE = Path(__file__).resolve().parents[1] / "docs" / "formats.md"

HEAD = """# Picture formats

Made from the codecs by `python tools/formats.py`; change those, not this page.

A picture is read upright, with its colours and all that is in the columns below, and written in the format that it came
in unless the output's name or an option says otherwise. Whatever is lost on the way is said, in `Picture.warnings` for
reading and by `Picture.write` for writing. Pixels without a colour profile are taken for sRGB.

| Format | Files | Bits written | Transparency | Kept besides the pixels | Needs |
|---|---|---|---|---|---|
"""
ORDER = ("ICC", "EXIF", "XMP", "IPTC", "dots per inch", "words")


def page() -> str:
    """The whole page."""
    facts = [codec.facts for codec in CODECS.values()]
    return HEAD + "".join(map(_row, facts)) + "".join(map(_section, facts))


def _row(facts: Facts) -> str:
    cells = (
        facts.name,
        " ".join(f"`{suffix}`" for suffix in facts.suffixes),
        ", ".join(map(str, facts.depths)) or "not written",
        "yes" if facts.alpha else "no",
        ", ".join(name for name in ORDER if name in facts.keeps) or "-",
        f"`lightwell[{facts.extra}]`" + " for more than 8 bits" * (facts.format == "AVIF") if facts.extra else "-",
    )
    return "| " + " | ".join(cells) + " |\n"


def _section(facts: Facts) -> str:
    lines = [f"Read: {facts.reads}."]
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
