"""The errors a person can meet; each message says what to do and needs no traceback."""

from __future__ import annotations

__all__ = [
    "DataError",
    "DeviceError",
    "LightwellError",
    "PictureError",
    "RecipeError",
    "TrainingError",
    "WeightsError",
]


class LightwellError(Exception):
    """Base of every error that lightwell raises for something a person can mend.

    Args:
        message: one line, for callers of any kind.
        remedy: the parameter that mends it, such as ``max_pixels``, for a front end to word.
    """

    def __init__(self, message: str = "", *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class PictureError(LightwellError):
    """A file is not a picture that can be read, or cannot be written."""


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
