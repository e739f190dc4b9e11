"""The errors a person can meet; each message says what to do and needs no traceback."""

from __future__ import annotations

__all__ = [
    "DataError",
    "DeviceError",
    "FileError",
    "LightwellError",
    "PictureError",
    "PlanError",
    "RecipeError",
    "TrainingError",
    "VideoError",
    "WeightsError",
]


class LightwellError(Exception):
    """Base of every error that lightwell raises for something a person can mend.

    Args:
        message: what is wrong, in words that fit Python, a command line and a service alike.
        remedy: what to do about it, as a code that each of these words in its own terms (`lightwell.cli.console` for
            the command line); None where the message says all.
    """

    def __init__(self, message: str = "", *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class PictureError(LightwellError):
    """A file is not a picture that can be read, or cannot be written."""


class FileError(LightwellError):
    """A file or folder cannot be read or written, whatever it holds."""


class PlanError(LightwellError):
    """What is asked for contradicts itself or would lose a file; nothing was done."""


class DeviceError(LightwellError):
    """The device asked for cannot run here."""


class WeightsError(LightwellError):
    """A weights file or a model's name does not fit."""


class DataError(LightwellError):
    """A data set's folder is incomplete or inconsistent."""


class RecipeError(LightwellError):
    """A training recipe or one of its settings is wrong."""


class TrainingError(LightwellError):
    """Training cannot go on."""


class VideoError(LightwellError):
    """A file is not a film that can be read, or a film cannot be written."""
