"""`lightwell serve`: the page and the service."""

from __future__ import annotations

from typing import Annotated

import typer

from lightwell.cli.console import worded
from lightwell.cli.options import Device, DeviceName

__all__ = ["serve"]


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any but this machine's own makes a token and asks for it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A name it answers to, besides addresses; may be repeated."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME|FILE", help="The default. Others by their names.")
    ] = None,
    device: Device = DeviceName.auto,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads for each picture.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Pictures at a time.")] = 1,
    max_memory: Annotated[
        str | None,
        typer.Option("--max-memory", metavar="SIZE", help="For all jobs together. Default: 2G for each job."),
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option("--max-pixels", min=1, metavar="N", help="Of one picture. Default: 100 million.")
    ] = None,
    max_body: Annotated[str, typer.Option("--max-body", metavar="SIZE", help="Of one request.")] = "128M",
    max_held: Annotated[
        str, typer.Option("--max-held", metavar="SIZE", help="Of all waiting pictures and kept results together.")
    ] = "1G",
    queue: Annotated[int, typer.Option(min=1, max=10000, help="Pictures that may wait; more are refused.")] = 32,
    max_seconds: Annotated[float, typer.Option("--max-seconds", min=1, help="Of work on one picture.")] = 600.0,
    keep: Annotated[float, typer.Option(min=1, help="Seconds that the result of a job is kept.")] = 600.0,
) -> None:
    """[bold]lightwell serve[/bold]  and open http://127.0.0.1:8000

    A page that restores photos in a browser, and a service that takes them by HTTP, on this machine: nothing leaves
    it. Stopped (Ctrl-C, SIGTERM), it finishes what runs. With --host 0.0.0.0 other machines reach it, with the token
    that it prints (or the one in LIGHTWELL_TOKEN); put TLS before it.
    """
    from lightwell.restoring.restorer import parse_bytes
    from lightwell.serve.limits import Limits
    from lightwell.serve.server import Address, run

    plain = Limits()
    try:
        limits = Limits(
            body=parse_bytes(max_body),
            pixels=max_pixels or plain.pixels,
            queue=queue,
            held=parse_bytes(max_held),
            seconds=max_seconds,
            keep=keep,
        )
        memory = None if max_memory is None else parse_bytes(max_memory)
    except ValueError as error:
        raise typer.BadParameter(worded(error)) from error

    def ready(address: str, token: str | None, name: str) -> None:
        # The part behind # stays in the browser.
        typer.echo(f"lightwell serves {name} at {address}/{f'#token={token}' if token else ''}")
        if token:
            typer.echo(f"A program sends the header Authorization: Bearer {token}")

    run(
        Address(host, port, tuple(allow_host or ())),
        model=model,
        device=device.value,
        workers=jobs,
        max_memory=memory,
        limits=limits,
        threads=threads,
        ready=ready,
    )
