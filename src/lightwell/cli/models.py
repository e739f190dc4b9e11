"""`lightwell models`: what ships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lightwell.cli.options import flag

if TYPE_CHECKING:
    from lightwell.zoo import Card

__all__ = ["models"]


def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this model's card.")] = None,
    as_json: Annotated[bool, flag("--json", help="As JSON.")] = False,
) -> None:
    """[bold]lightwell models[/bold]    [bold]lightwell models darkir-s[/bold]

    List the models that ship with lightwell, with their numbers and the protocol of each; or print one's card.
    """
    import json

    from lightwell import zoo

    chosen = zoo.cards() if name is None else [zoo.find(name)]
    if as_json:
        contents = [card.content for card in chosen]
        typer.echo(json.dumps(contents if name is None else contents[0], indent=2, ensure_ascii=False))
    elif name is None:
        for card in chosen:
            _print_line(card)
        typer.echo("\nlightwell models NAME prints the whole card. Take one with: lightwell restore -m NAME night.jpg")
    else:
        _print_card(chosen[0])


def _print_line(card: Card) -> None:
    content = card.content
    mark = " (default)" if content.get("default") else ""
    size = sum(path.stat().st_size for path in card.files if path.is_file())
    parameters = content.get("parameters")
    counted = f", {parameters / 1e6:.2f} M parameters" if parameters else ""
    typer.echo(f"{card.name}{mark}: {card.summary}")
    typer.echo(f"  {size / 1e6:.1f} MB{counted}. Good at: {content.get('good_at', 'not told')}")
    for number in content.get("numbers", []):
        if number["protocol"] == "strict":
            typer.echo(f"  {_number(number)}")


def _print_card(card: Card) -> None:
    for key, value in card.content.items():
        if key == "numbers":
            typer.echo("numbers:")
            for number in value:
                typer.echo(f"  {_number(number)}")
        else:
            _print_value(key, value, 0)


def _print_value(key: str, value: Any, depth: int) -> None:
    pad = "  " * depth
    if isinstance(value, dict):
        typer.echo(f"{pad}{key}:")
        for inner, content in value.items():
            _print_value(inner, content, depth + 1)
    elif isinstance(value, list):
        typer.echo(f"{pad}{key}:{'' if value else ' none'}")
        for item in value:
            if isinstance(item, dict):
                typer.echo(f"{pad}  - " + ", ".join(f"{inner} {content}" for inner, content in item.items()))
            else:
                typer.echo(f"{pad}  - {item}")
    else:
        typer.echo(f"{pad}{key}: {value}")


def _number(number: dict[str, Any]) -> str:
    """One measurement, never without its data, count and protocol."""
    head = f"{number['data']} ({number['pictures']} pictures, {number['protocol']}):"
    figures = [f"PSNR {number['psnr']:.2f} dB"] if number.get("psnr") is not None else []
    figures += [f"SSIM {number['ssim']:.4f}"] if number.get("ssim") is not None else []
    return f"{head} {', '.join(figures)}"
