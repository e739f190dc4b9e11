"""The `lightwell` command.

Each command is a function in a module of its own that imports only typer and the standard library at its top, so that
`lightwell --help` is quick; what the command needs is imported when it runs.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

import lightwell
from lightwell.cli import (
    cluster,
    degrade,
    detect_eval,
    doctor,
    evaluate,
    export,
    export_web,
    importing,
    models,
    restore,
    runs,
    serve,
    train,
    video,
)
from lightwell.cli.console import worded
from lightwell.cli.options import flag
from lightwell.errors import LightwellError, PlanError, RecipeError

__all__ = ["app", "main"]

app = typer.Typer(
    name="lightwell",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(name: str, function: Callable[..., None], short_help: str) -> None:
    # Typer breaks a help text's lines where the docstring's lines end.
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    flowing = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
    app.command(name, help=flowing, short_help=short_help)(function)


_add("restore", restore.restore, "Restore dark photographs.")
_add("video", video.video, "Restore a dark film.")
_add("serve", serve.serve, "A page and a service on this machine.")
_add("cluster", cluster.cluster, "Restore a million photographs on many machines.")
_add("models", models.models, "List the shipped models, or print the card of one.")
_add("doctor", doctor.doctor, "Say what is installed, what will run, and whether it computes the same.")
_add("degrade", degrade.degrade, "Make dark, noisy, blurred copies of good photographs.")
_add("train", train.train, "Train a network by a recipe.")
_add("runs", runs.runs, "List what was trained, and compare.")
_add("evaluate", evaluate.evaluate, "Measure restored pictures and write a report.")
_add("detect-eval", detect_eval.detect_eval, "Run an object detector before and after restoring.")
_add("export", export.export, "Write a model as an ONNX file.")
_add("export-web", export_web.export_web, "Write the page as files that need no service.")
_add("import", importing.import_checkpoint, "Bring a public checkpoint into our form.")

# The extra that brings a module which the plain installation lacks.
_EXTRAS = {
    "av": "video",
    "torch": "train",
    "onnx": "train",
    "onnxscript": "train",
    "safetensors": "train",
    "scipy": "evaluate",
    "skimage": "evaluate",
    "jinja2": "evaluate",
    "faster_coco_eval": "detect",
    "tensorboard": "train",
    "fastapi": "serve",
    "multipart": "serve",
    "python_multipart": "serve",
    "starlette": "serve",
    "uvicorn": "serve",
    "ray": "cluster",
    "pyarrow": "cluster",
    "fsspec": "cluster",
}


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lightwell {lightwell.__version__}")
        raise typer.Exit


@app.callback()
def _lightwell(
    version: Annotated[bool, flag("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """[bold]lightwell restore night.jpg[/bold]

    Restores dark photographs: light, noise, colour cast and shake, undone together.
    """


def _terminate(number: int, _: object) -> None:
    sys.exit(128 + number)


def main() -> None:
    """Run the command line; an error that a person can mend is one line, without a traceback."""
    # As an exception, so that what is half written is removed.
    signal.signal(signal.SIGTERM, _terminate)
    # Pillow's remarks on odd metadata; what is lost is told in our words.
    warnings.filterwarnings("ignore", module="PIL")
    try:
        app()
    except LightwellError as error:
        typer.echo(f"lightwell: {worded(error)}", err=True)
        sys.exit(2 if isinstance(error, PlanError | RecipeError) else 1)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRAS:
            raise
        command = next((word for word in sys.argv[1:] if not word.startswith("-")), "this command")
        sys.exit(f"lightwell {command} needs {module}: pip install 'lightwell[{_EXTRAS[module]}]'")
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    finally:
        _end_output()


def _end_output() -> None:
    """What a closed pipe or a full disk did not take was told; Python would tell it once more at its own end."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
