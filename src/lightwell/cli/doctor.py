"""`lightwell doctor`: what is installed, what will run, and whether it computes the same."""

from __future__ import annotations

import time
from typing import Annotated

import typer

__all__ = ["doctor"]

_WHEELS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml", "onnxruntime-silicon")
_SHOWN = ("numpy", "pillow", "typer", "rich", "torch", "openvino", "safetensors")
# Another device may round otherwise; two 8-bit levels are seen by nobody.
_TOLERANCE = 2 / 255
_HALF_TOLERANCE = 4 / 255


def doctor(
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME|FILE", help="The model to check with.")
    ] = None,
) -> None:
    """[bold]lightwell doctor[/bold]

    Say what is installed, which device will run, and whether each device computes what the CPU computes.
    Exit status: 0 all is well, 1 something is wrong.
    """
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import lightwell
    from lightwell import zoo

    healthy = True
    typer.echo(f"lightwell {lightwell.__version__}, Python {platform.python_version()}, {platform.platform()}")
    found = {}
    for name in (*_WHEELS, *_SHOWN):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    typer.echo(", ".join(f"{name} {number}" for name, number in found.items()))
    wheels = [name for name in _WHEELS if name in found]
    if len(wheels) > 1:
        healthy = False
        typer.echo(
            f"Two onnxruntime packages overwrite each other: {', '.join(wheels)}. "
            f"Mend it: pip uninstall {' '.join(wheels)}, then pip install the one you want."
        )
    for card in zoo.cards():
        if damaged := card.damaged():
            healthy = False
            typer.echo(
                f"{card.name} is damaged ({', '.join(damaged)}). Mend it: pip install --force-reinstall lightwell"
            )
    if not _check_devices(model):
        healthy = False
    if not healthy:
        raise typer.Exit(1)


def _check_devices(model: str | None) -> bool:
    import numpy as np

    from lightwell.engines import cores, openvino, torch
    from lightwell.engines.onnx_runtime import providers
    from lightwell.errors import LightwellError
    from lightwell.restoring.restorer import Restorer

    try:
        reference = Restorer(model, device="cpu")
        chosen = Restorer(model).device
    except LightwellError as error:
        typer.echo(f"cannot run: {error}")
        return False
    typer.echo(f"lightwell restore will run {reference.model} on {chosen} (CPU: {cores()} cores)")

    # As large as a tile, so that the seconds say which device is the quickest.
    dark = np.random.default_rng(0).random((256, 256, 3), np.float32) * np.float32(0.2)
    expected = reference(dark)
    healthy = True
    ways = [(device, "float32") for device in providers()]
    if openvino.installed():
        ways = [way for way in ways if way[0] != "openvino"] + [("openvino", "float32"), ("openvino", "bfloat16")]
    if torch.installed():
        ways += [("torch", "float32")]
    for device, precision in ways:
        name = device if precision == "float32" else f"{device}, {precision}"
        try:
            restorer = (
                reference if device == "cpu" else Restorer(model, device=device, precision=precision)  # type: ignore[arg-type]
            )
            restorer(dark)
            started = time.monotonic()
            gap = float(np.abs(restorer(dark) - expected).max())
        except LightwellError as error:
            typer.echo(f"  {name}: does not run: {error}")
            continue
        seconds = time.monotonic() - started
        tolerance = _TOLERANCE if precision == "float32" else _HALF_TOLERANCE
        verdict = "ok" if gap <= tolerance else "WRONG, do not use it"
        healthy = healthy and gap <= tolerance
        typer.echo(f"  {name}: {verdict}, differs from the CPU by at most {gap:.1e} (of 1), {seconds:.2f} s")
    return healthy
