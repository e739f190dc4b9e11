"""Writes a page that shows pictures before and after: gallery.py BEFORE AFTER makes AFTER/index.html."""

from __future__ import annotations

import html
import os
import sys
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>lightwell: before and after</title>
<style>
  body {{ margin: 0 auto; max-width: 60rem; padding: 1.5rem; font: 1rem/1.5 system-ui, sans-serif;
         background: #14161a; color: #e6e6e6; }}
  figure {{ margin: 2rem 0; }}
  .pair {{ position: relative; line-height: 0; }}
  .pair img {{ width: 100%; border-radius: 6px; }}
  .pair .before {{ position: absolute; inset: 0; clip-path: inset(0 calc(100% - var(--cut, 50%)) 0 0); }}
  .pair::after {{ content: ""; position: absolute; top: 0; bottom: 0; left: var(--cut, 50%); width: 2px;
                 background: #fff; opacity: .7; }}
  input {{ width: 100%; margin: .6rem 0 0; }}
  figcaption {{ color: #9aa0a8; font-size: .9rem; }}
</style>
<h1>Before and after</h1>
<p>Drag the slider below a picture: the photo as taken lies left of the line, the restored one right of it.</p>
{figures}
</html>
"""

FIGURE = """<figure>
  <div class="pair">
    <img src="{after}" alt="{name}, restored">
    <img class="before" src="{before}" alt="{name}, as taken">
  </div>
  <input type="range" value="50" aria-label="where {name} is cut"
         oninput="this.previousElementSibling.style.setProperty('--cut', this.value + '%')">
  <figcaption>{name}</figcaption>
</figure>"""


def main(before: Path, after: Path) -> None:
    figures = [
        FIGURE.format(
            name=html.escape(path.name),
            before=html.escape(Path(os.path.relpath(path, after)).as_posix()),
            after=html.escape(path.name),
        )
        for path in sorted(before.glob("*.jpg"))
        if (after / path.name).exists()
    ]
    page = after / "index.html"
    page.write_text(PAGE.format(figures="\n".join(figures)), encoding="utf-8")
    print(f"{len(figures)} pictures before and after: {page.resolve()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
