"""The page of a batch: every picture before and after, in one HTML file that loads nothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Generator, Iterator
from contextlib import closing
from html import escape
from importlib.resources import files
from pathlib import Path

import typer
from PIL import Image

from lightwell.cli.console import printable, worded
from lightwell.cli.options import command_line
from lightwell.errors import LightwellError
from lightwell.files import make_folder, whole_file
from lightwell.jobs.events import Done, Event, Failed, Job, Skipped
from lightwell.jobs.plan import Plan
from lightwell.pictures import Picture, read, to_8_bits, to_srgb

__all__ = ["reported"]

_MOST = 1000
_SIDE = 360
_STYLE = """
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 1.6rem; }
.sheet figure { margin: 0; } .sheet figcaption { overflow-wrap: anywhere; padding: .2rem 0 0; }
.pair { position: relative; line-height: 0; --cut: 50%; } .pair img { width: 100%; display: block; }
.pair .before { position: absolute; inset: 0; height: 100%; clip-path: inset(0 calc(100% - var(--cut)) 0 0); }
.pair::after { content: ""; position: absolute; inset: 0 auto 0 var(--cut); width: 2px; background: #fff; }
.sheet input, .all { width: 100%; accent-color: var(--out); }
.failed { border-left: 3px solid var(--out); padding-left: .8rem; list-style: none; }
"""
_SCRIPT = """
for (const range of document.querySelectorAll("input[type=range]")) range.addEventListener("input", () => {
  const pairs = range.className === "all" ? document.querySelectorAll(".pair") : [range.previousElementSibling];
  for (const pair of pairs) pair.style.setProperty("--cut", `${range.value}%`);
});
"""


def reported(
    events: Generator[Event, None, None], work: Plan, page: str, *, replace: bool, model: str | None = None
) -> Generator[Event, None, None]:
    """Passes a run's events on and writes a page of what came of them, when they end or are closed.

    Pictures whose output was there before are shown as well; of more than a thousand only the first are.

    Args:
        events: of a run; closed with this generator.
        work: what was planned.
        page: the file to write, ``.html``.
        replace: the file, where it exists.
        model: that restores; None where nothing is left to do.

    Raises:
        typer.BadParameter: the page has no name for one, or exists.
    """
    path = Path(page)
    if path.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"--report is a page: choose a name that ends in .html, not {printable(page)!r}")
    if path.exists() and not replace:
        raise typer.BadParameter(f"{printable(page)} exists: choose --overwrite or another name for the report")
    try:
        make_folder(path.parent)
    except LightwellError as error:
        raise typer.BadParameter(worded(error)) from error
    return _reported(events, work, path, model)


def _reported(
    events: Generator[Event, None, None], work: Plan, path: Path, model: str | None
) -> Generator[Event, None, None]:
    figures: list[str] = []
    failures = [_failure(failed) for failed in work.failures]
    done = skipped = 0

    def take(event: Event) -> None:
        nonlocal done, skipped
        match event:
            case Failed():
                failures.append(_failure(event))
            case Done(job, seconds, (width, height)):
                done += 1
                figures.extend(_figure(job, f"{width} x {height}, {seconds:.1f} s", len(figures)))
            case Skipped(job):
                skipped += 1
                figures.extend(_figure(job, "from an earlier run", len(figures)))

    try:
        with closing(events):
            for job in work.done():
                take(Skipped(job))
            for event in events:
                take(event)
                yield event
    finally:
        counts = [f"{done} restored", f"{skipped} from an earlier run" if skipped else "", f"{len(failures)} failed"]
        left = done + skipped - len(figures)
        counts.append(f"{left} not shown" if left else "")
        summary = ", ".join(filter(None, counts))
        with whole_file(path) as stream:
            stream.write(_page(summary, model, failures, figures).encode("utf-8", "backslashreplace"))


def _page(summary: str, model: str | None, failures: list[str], figures: list[str]) -> str:
    style = files("lightwell.evaluation.report").joinpath("page.css").read_text("utf-8") + _STYLE
    by = f" Model {escape(printable(model))}." if model else ""
    wrong = f'<ul class="failed">{"".join(failures)}</ul>' if failures else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        f"<title>lightwell: {escape(summary)}</title><style>{style}</style></head><body><h1>Before and after</h1>"
        f'<p class="lead">{escape(summary)}.{by} Left of the line a photo as taken, '
        "right of it restored.</p>"
        f'{wrong}<p><label class="small">All pictures<input class="all" type="range" value="50"></label></p>'
        f'<div class="sheet">{"".join(figures)}</div><section class="foot"><h2>How this was made</h2>'
        f"<p><code>{escape(printable(command_line()))}</code></p></section><script>{_SCRIPT}</script></body></html>\n"
    )


def _failure(failed: Failed) -> str:
    return f"<li><b>{escape(printable(failed.name))}</b>: {escape(worded(failed.error))}</li>"


def _figure(job: Job, words: str, shown: int) -> Iterator[str]:
    """A picture before and after; nothing above the most that a page holds, or where a file can no longer be read."""
    if shown >= _MOST or job.source is None or job.output is None:
        return
    name = escape(printable(str(job.source)))
    try:
        before, after = (_thumbnail(read(path, half=True)) for path in (job.source, job.output))
    except LightwellError:
        return
    yield (
        f'<figure><div class="pair"><img src="{after}" alt="{name}, restored" loading="lazy">'
        f'<img class="before" src="{before}" alt="{name}, as taken" loading="lazy"></div>'
        f'<input type="range" value="50" aria-label="where {name} is cut">'
        f'<figcaption>{name} <span class="small">{escape(words)}</span></figcaption></figure>'
    )


def _thumbnail(picture: Picture) -> str:
    pixels = to_8_bits(to_srgb(picture).pixels)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
