"""What the documentation site shows of the code itself, made when it is built: a hook of MkDocs (mkdocs.yml).

In a page the line ``<!-- made: NAME WORDS -->`` stands for what the function of that name in `MADE` gives. Besides, the
notebooks and the changelog become pages, the example photographs are restored by the default model for the gallery, and
a public name without a docstring fails the build.
"""

from __future__ import annotations

import base64
import html
import inspect
import json
import logging
import math
import re
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, get_type_hints

import griffe
import typer.models
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from PIL import Image

from lightwell import Restorer, zoo
from lightwell.cli.app import app
from lightwell.pictures import read

ROOT = Path(__file__).resolve().parents[1]
PUBLIC = (
    "lightwell",
    "lightwell.video",
    "lightwell.cluster",
    "lightwell.models",
    "lightwell.metrics",
    "lightwell.keras",
)
GALLERY_WIDTH = 640
FAILURES = {
    "seven_stops": "Seven stops dark: little but noise is left, and the colours come back in blotches.",
    "shaken": "A long shake: the picture gets its light, and stays blurred.",
    "dusk": "Dusk, as it should be: taken for dark, and lit. `--strength 0.3` leaves it nearly as it was.",
}
log = logging.getLogger("mkdocs.hooks.lightwell")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that no file of the docs' folder holds."""
    for name in undocumented():
        log.warning("%s has no docstring", name)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "changelog.md", content=changelog))
    for path in sorted((ROOT / "examples").glob("*.ipynb")):
        text, pictures = notebook(json.loads(path.read_text(encoding="utf-8")), path.stem)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    for name, content in gallery_pictures().items():
        files.append(File.generated(config, f"gallery/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Put in place what is made."""
    depth = page.file.src_uri.count("/")

    def fill(match: re.Match[str]) -> str:
        name, *words = match[1].split()
        return MADE[name](*words).replace("](/", "](" + "../" * depth)

    return re.sub(r"^<!-- made: (.+?) -->$", fill, markdown, flags=re.MULTILINE)


def on_page_content(content: str, page: Page, **_: object) -> str:
    """Lines break well: names with hyphens stay in one piece, lists of choices need not, code keeps its indentation."""
    for role in sorted(set(re.findall(r":(?:attr|class|func|meth|mod):", content))):
        log.warning("%s shows %s as it is: docstrings of public names take backticks alone", page.file.src_uri, role)
    name = re.compile(r"[\w.-]*-[\w.-]{1,20}")

    def whole(text: re.Match[str]) -> str:
        return name.sub(r'<span class="whole">\g<0></span>', text[0])

    content = re.sub(r"(?<=<code>)[^<\n]+(?=</code>)", lambda text: whole(text).replace("|", "|<wbr>"), content)
    shell = r'(?<=<div class="language-sh highlight">).*?(?=</div>)'
    content = re.sub(shell, lambda block: re.sub(r"(?<=>)[^<]+", whole, block[0]), content, flags=re.DOTALL)
    # Where a line of code breaks, the style sheet sets the rest in further than the line itself.
    line = r'<span id="__span[^>]*(?=>(?:<[^>]*>)*( +))'
    return re.sub(line, lambda begun: f'{begun[0]} style="--in: {len(begun[1])}ch"', content)


def undocumented() -> Iterator[str]:
    """Public functions, classes and their public members that no docstring describes, read without importing them."""
    loader = griffe.GriffeLoader(search_paths=[str(ROOT / "src")])
    loader.load("lightwell")
    loader.resolve_aliases(implicit=True)
    for home in PUBLIC:
        module = loader.modules_collection[home]
        if not module.exports:
            yield home
        for name in map(str, module.exports or ()):
            thing = module[name]
            target = thing.final_target if thing.is_alias else thing
            if target.is_module:  # where a function and its module share a name
                target = target[name]
            if target.is_attribute:
                continue
            if not target.docstring:
                yield f"{home}.{name}"
            if target.is_class and home != "lightwell.keras":  # whose methods are those that Keras asks for
                yield from (
                    f"{home}.{name}.{key}"
                    for key, member in target.members.items()
                    if not key.startswith("_") and member.is_function and not member.docstring
                )


def commands() -> str:
    """Every command with its arguments and options, from the functions themselves."""
    parts = []
    for command in app.registered_commands:
        function = command.callback
        assert function is not None
        signature = inspect.signature(function)
        types = get_type_hints(function, vars(inspect.getmodule(function)), include_extras=True)
        rows = [_row(name, types[name], parameter.default) for name, parameter in signature.parameters.items()]
        text = re.sub(r"\[bold\](.*?)\[/bold\]", r"`\1`", command.help or "")
        text = re.sub("` +`", "`\n\n`", text)  # two examples in a line of the help
        table = "\n".join(rows)
        parts.append(f"## lightwell {command.name}\n\n{text}\n\n| | |\n|---|---|\n{table}\n")
    return "\n".join(parts)


def _row(name: str, annotated: Any, default: object) -> str:
    kind, info = annotated.__origin__, annotated.__metadata__[0]
    metavar = info.metavar
    if isinstance(info, typer.models.ArgumentInfo):
        words = metavar or name.upper()
    else:
        # What stands first in typer.Option is its default as far as typer knows.
        given = [word for word in (info.default, *(info.param_decls or ())) if str(word).startswith("-")]
        long = given or [f"--{name.replace('_', '-')}"]
        words = ", ".join(long)
        words += f" {metavar or _kind(kind)}" if metavar != "" else ""
    plain = default in (inspect.Parameter.empty, None, False, (), [], math.inf) or kind is bool
    values = default if isinstance(default, tuple | list) else [getattr(default, "value", default)]
    shown = " ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in values)
    limits = [f"{each:g}" for each in (info.min, info.max) if each is not None]
    notes = [" to ".join(limits) if len(limits) == 2 else f"at least {limits[0]}"] if limits else []
    notes += [] if plain else [f"default `{shown}`"]
    help_text = re.sub(r"\[/?bold\]", "`", info.help or "").replace("|", "\\|")
    remarks = f" ({', '.join(notes)})" if notes else ""
    return f"| `{words}` | {help_text}{remarks} |"


def _kind(kind: Any) -> str:
    known = {float: "NUMBER", int: "N", str: "TEXT", Path: "FILE"}
    inner = [each for each in getattr(kind, "__args__", (kind,)) if each is not type(None)]
    values = [str(each.value) for each in inner[0]] if inner and hasattr(inner[0], "__members__") else []
    return "|".join(values) or known.get(inner[0], "TEXT")


def models() -> str:
    """Every shipped model's card, in words."""
    parts = []
    for card in zoo.cards():
        content = card.content
        protocols = dict.fromkeys(each.protocol for each in card.numbers)
        head = "| |" + "".join(f" `{each}` |" for each in protocols) + "\n|---|" + "---|" * len(protocols)
        cells = {(each.data, each.protocol): f"{each.psnr:.2f}&nbsp;/ {each.ssim:.3f}" for each in card.numbers}
        rows = "".join(
            f"| {data}, {count} pictures |" + "".join(f" {cells.get((data, each), '')} |" for each in protocols) + "\n"
            for data, count in {each.data: each.pictures for each in card.numbers}.items()
        )
        failures = "".join(f"- {_coded(line)}\n" for line in content["known_failures"])
        training = content["training"]
        data = training["data"] if isinstance(training["data"], list) else [training["data"]]
        parts.append(
            f"## {card.name}\n\n{card.summary}\n\nGood at: {_coded(card.good_at)}. "
            f"{card.parameters / 1e6:.2f} M parameters.\n\n"
            f"**Where it fails**\n\n{failures}\n"
            f"**Measured**, PSNR in dB / SSIM by [protocol](protocols.md)\n\n{head}\n{rows}"
            f"\n**Trained on** {'; '.join(data)}. Chosen by: {training['chosen_by']}.\n"
        )
    return "\n".join(parts).replace("(docs/training-log.md)", "([training log](training-log.md))")


def _coded(text: str) -> str:
    """A line of a card with its options as code."""
    return re.sub(r"(?:lightwell \w+ )?--\w+ [\w.-]+\b", r"`\g<0>`", text)


def baselines(data: str = "LOL v1 eval15") -> str:
    """What doing nothing, one gamma and the models score on eval15, strict beside gtmean-gray."""
    measured = json.loads((ROOT / "docs/measured.json").read_text(encoding="utf-8"))["baselines"]
    rows = measured | {card.name: card.content["numbers"] for card in zoo.cards()}
    lines = ["| | `strict` | `gtmean-gray` | difference |", "|---|---|---|---|"]
    for name, numbers in rows.items():
        found = {each["protocol"]: each["psnr"] for each in numbers if each["data"] == data}
        strict, scaled = found["strict"], found["gtmean-gray"]
        lines.append(f"| {name} | {strict:.2f} | {scaled:.2f} | {scaled - strict:.2f} |")
    return "\n".join(lines) + f"\n\nMean PSNR in dB, {data}."


def sizes() -> str:
    """What an installation takes, as tools/sizes.py measured it."""
    measured = json.loads((ROOT / "docs/sizes.json").read_text(encoding="utf-8"))
    lines = ["| | MB |", "|---|---|"]
    lines += [f"| {name} | {size:.1f} |" for name, size in measured["parts"].items()]
    lines.append(f"| **together** | **{sum(measured['parts'].values()):.1f}** |")
    models_ = ", ".join(f"{name} {size:.1f}" for name, size in measured["models"].items())
    return "\n".join(lines) + f"\n\nThe models' part of lightwell, in MB: {models_}. Measured with {measured['with']}."


def installs() -> str:
    """Where a photo was restored after an installation, as tools/installs.py recorded it."""
    files: dict[str, list[str]] = {}
    for each in json.loads((ROOT / "docs/installs.json").read_text(encoding="utf-8")):
        extras = " and " + ", ".join(f"`[{name}]`" for name in each["extras"]) if each["extras"] else ""
        versions = ", ".join(f"{name} {version}" for name, version in each["versions"].items())
        head = f"Python {each['python']}, {each['dependencies']} dependencies{extras}"
        files.setdefault(f"**{head}**: {versions}", []).append(each["file"])
    return "\n".join(f"- {line} ({' and '.join(kinds)})" for line, kinds in files.items())


def slider(name: str, folder: str = "") -> str:
    """One example photograph before and after, with a line to move."""
    folder = f"{folder}/" if folder else ""
    alt = html.escape(name.replace("_", " "))
    return (
        f'<figure class="before-after" markdown="0"><div class="pair">'
        f'<img src="gallery/{folder}{name}_after.jpg" alt="{alt}, restored" width="640" loading="lazy">'
        f'<img class="before" src="gallery/{folder}{name}.jpg" alt="{alt}, as taken" loading="lazy"></div>'
        f'<input type="range" value="50" aria-label="where {alt} is cut"></figure>'
    )


def failures() -> str:
    """The failures, each with what to look for."""
    return "\n\n".join(f"{text}\n\n{slider(name, 'failures')}" for name, text in FAILURES.items())


MADE: dict[str, Callable[..., str]] = {
    "commands": commands,
    "models": models,
    "baselines": baselines,
    "sizes": sizes,
    "installs": installs,
    "slider": slider,
    "failures": failures,
}


@cache
def gallery_pictures() -> dict[str, bytes]:
    """The example photographs as they are and as the default model restores them."""
    restorer, pictures = Restorer(), {}
    examples = ROOT / "examples"
    for path in sorted([*examples.glob("*.jpg"), *examples.glob("failures/*.jpg")]):
        stem = path.relative_to(examples).with_suffix("").as_posix()
        low = read(path)
        pictures[f"{stem}.jpg"] = _jpeg(Image.fromarray(low.pixels))
        pictures[f"{stem}_after.jpg"] = _jpeg(Image.fromarray(restorer(low).pixels))
    return pictures


def _jpeg(image: Image.Image) -> bytes:
    image.thumbnail((GALLERY_WIDTH, GALLERY_WIDTH))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def notebook(content: dict[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """A notebook's cells and stored outputs as Markdown, with its pictures as files."""
    parts, pictures = [], {}
    for cell in content["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            kind = next((each for each in ("image/jpeg", "image/png") if each in data), None)
            if "image/svg+xml" in data:
                file = f"{name}-{len(pictures)}.svg"
                pictures[file] = "".join(data["image/svg+xml"]).encode()
                parts.append(f"![]({file})")
            elif kind:
                file = f"{name}-{len(pictures)}.{kind.partition('/')[2]}"
                pictures[file] = base64.b64decode("".join(data[kind]))
                parts.append(f"![]({file})")
            else:
                text = "".join(output.get("text") or data.get("text/plain", ""))
                parts.append(f"```text\n{text.rstrip()}\n```")
    parts.insert(1, f"*The notebook is `examples/{name}.ipynb`: open it in Jupyter. The tests run it.*")
    return "\n\n".join(parts) + "\n", pictures
