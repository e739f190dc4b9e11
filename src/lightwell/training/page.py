"""A run as a page: its curves and pictures of held-out scenes, beside ``log.csv`` from which it is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from lightwell.files import whole_file
from lightwell.training.runs import read_log

__all__ = ["write_page"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 560, 200, 56, 22
_SHOWN = 8
_POINTS = 400
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 1180px; margin: 2rem auto; padding: 0 1rem }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1rem }
figure { margin: 0 } figcaption { font-size: 14px }
svg { width: 100%; height: auto } svg text { font-size: 11px; fill: currentColor; opacity: .7 }
polyline { fill: none; stroke: #3b82c4; stroke-width: 1.5 } line { stroke: currentColor; opacity: .2 }
img { width: 100%; max-width: 900px; display: block; margin-bottom: .3rem }
"""


def write_page(folder: Path, name: str, scores: Sequence[str]) -> None:
    """Writes ``index.html`` into a run's folder.

    Args:
        folder: with ``log.csv``, and ``pictures`` if there are any.
        name: what the page calls the run.
        scores: columns of the log that are scores of held-out sets, in dB; they come first.

    Raises:
        FileError: when the disk refuses.
    """
    lines = read_log(folder)
    columns = [column for column in (lines[-1] if lines else {}) if column not in ("step", "stage", *scores)]
    figures = []
    for column in (*scores, *columns):
        points = [(float(line["step"]), float(line[column])) for line in lines if line.get(column)]
        points = [(x, y) for x, y in points if math.isfinite(y)]
        if points:
            unit = " (PSNR in dB, strict)" if column in scores else ""
            last = f"{points[-1][1]:.4g}"
            best = f", best {max(y for _, y in points):.4g}" if column in scores else ""
            caption = escape(f"{column}{unit}: {last}{best}")
            figures.append(f"<figure><figcaption>{caption}</figcaption>{_curve(points, column in scores)}</figure>")
    pictures = sorted((folder / "pictures").glob("*.png"))[-_SHOWN:]
    strips = "".join(
        f'<figure><img src="pictures/{escape(path.name)}" alt="held-out scenes" loading="lazy">'
        f"<figcaption>step {escape(path.stem.lstrip('0') or '0')}: dark, restored, truth</figcaption></figure>"
        for path in reversed(pictures)
    )
    step = lines[-1]["step"] if lines else "0"
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{escape(name)}</h1><p>After step {escape(step)}. The numbers are in "
        f'<a href="log.csv">log.csv</a>, what is trained in <a href="run.json">run.json</a>.</p>'
        f'<div class="curves">{"".join(figures)}</div><h2>Held-out scenes</h2>'
        f"{strips or '<p>None yet.</p>'}</body></html>\n"
    )
    with whole_file(folder / "index.html") as file:
        file.write(page.encode())


def _curve(points: Sequence[tuple[float, float]], dots: bool) -> str:
    """Values over steps as an inline SVG; long curves are thinned by taking means."""
    if len(points) > _POINTS:
        size = -(-len(points) // _POINTS)
        groups = [points[i : i + size] for i in range(0, len(points), size)]
        points = [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]
    xs, ys = zip(*points, strict=True)
    low, high = min(ys), max(ys)
    first, last = min(xs), max(xs)
    wide, tall = _WIDTH - _LEFT - 8, _HEIGHT - _BOTTOM - 8

    def place(x: float, y: float) -> str:
        across = (x - first) / (last - first) if last > first else 0.5
        up = (y - low) / (high - low) if high > low else 0.5
        return f"{_LEFT + wide * across:.1f},{8 + tall * (1 - up):.1f}"

    places = [place(x, y) for x, y in points]
    parts = [f'<polyline points="{" ".join(places)}"/>']
    if dots:
        centres = (spot.split(",") for spot in places)
        parts += [f'<circle cx="{x}" cy="{y}" r="2.5" fill="#3b82c4"/>' for x, y in centres]
    bottom = _HEIGHT - _BOTTOM
    parts += [f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y}" y2="{y}"/>' for y in (8, bottom)]
    parts.append(f'<text x="{_LEFT - 5}" y="14" text-anchor="end">{high:.4g}</text>')
    parts.append(f'<text x="{_LEFT - 5}" y="{bottom}" text-anchor="end">{low:.4g}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{first:.0f}</text>')
    parts.append(f'<text x="{_WIDTH}" y="{_HEIGHT - 6}" text-anchor="end">step {last:.0f}</text>')
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'
