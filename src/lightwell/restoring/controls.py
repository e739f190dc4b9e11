"""What a person may ask for, and the tone curve that follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from lightwell.pictures.space import linear_to_srgb, srgb_to_linear
from lightwell.restoring.grids import Floats

__all__ = ["Controls", "controls_of", "mix_light", "split_controls"]

_MOST_STOPS = 4.0
# At warmth 1 red and blue part by one stop.
_WARMTH_STOPS = np.array([0.5, 0.0, -0.5], np.float32)


@dataclass(frozen=True)
class Controls:
    """How a picture is to be restored.

    Args:
        strength: 1 for the model's result, 0 for the input, between them a mixture of their light.
        brightness: exposure in stops (EV) on top of what the model chooses; black and white stay.
        warmth: -1 (cooler) to 1 (warmer); at 1 red and blue part by one stop.
        denoise: how much of the noise and shake is taken out, 0 to 1. Single networks know only 1.
        preview: stop at the lit picture, still noisy and shaken, which takes a fraction of the time.

    Raises:
        ValueError: a value outside its range.
    """

    strength: float = 1.0
    brightness: float = 0.0
    warmth: float = 0.0
    denoise: float = 1.0
    preview: bool = False

    def __post_init__(self) -> None:
        bounds = {
            "strength": (0, 1),
            "brightness": (-_MOST_STOPS, _MOST_STOPS),
            "warmth": (-1, 1),
            "denoise": (0, 1),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not (isinstance(value, int | float) and low <= value <= high):
                raise ValueError(f"{name} is between {low:g} and {high:g}, not {value}")
        if self.preview not in (True, False):
            raise ValueError(f"preview is True or False, not {self.preview}")

    @property
    def tones(self) -> bool:
        """Whether brightness or warmth change anything."""
        return self.brightness != 0 or self.warmth != 0

    def tone(self, picture: Floats) -> Floats:
        """A picture, ``(..., 3)`` sRGB-encoded in [0, 1], with brightness and warmth applied.

        In linear light ``x`` becomes ``g x / (1 + (g - 1) x)`` with the gain ``g`` of its channel: dark parts are
        multiplied by g, white stays white, and nothing is clipped.
        """
        if not self.tones:
            return picture
        light = srgb_to_linear(np.clip(picture, 0, 1))
        gain = np.exp2(np.float32(self.brightness) + np.float32(self.warmth) * _WARMTH_STOPS)
        return np.asarray(linear_to_srgb(gain * light / (1 + (gain - 1) * light)), np.float32)

    def describe(self) -> str:
        """The settings that are not at their defaults, and the strength, for a picture's metadata."""
        words = [f"strength {self.strength:g}"]
        words += [f"brightness {self.brightness:+g}"] if self.brightness else []
        words += [f"warmth {self.warmth:+g}"] if self.warmth else []
        words += [f"denoise {self.denoise:g}"] if not math.isclose(self.denoise, 1) else []
        words += ["preview"] if self.preview else []
        return ", ".join(words)


def controls_of(settings: Mapping[str, Any], controls: Controls | None = None) -> Controls:
    """Controls with some settings, by the names of the fields, in place of what they say.

    Raises:
        TypeError: there is no such setting.
        ValueError: a value outside its range.
    """
    return replace(controls or Controls(), **settings)


def split_controls(options: Mapping[str, Any]) -> tuple[Controls, dict[str, Any]]:
    """The controls among a call's keywords, given whole as ``controls`` or as settings by name, and the others."""
    names = {field.name for field in fields(Controls)}
    settings = {name: value for name, value in options.items() if name in names}
    others = {name: value for name, value in options.items() if name not in names and name != "controls"}
    return controls_of(settings, options.get("controls")), others


def mix_light(before: Floats, after: Floats, share: float) -> Floats:
    """A mixture of two sRGB-encoded pictures in linear light: ``share`` of the second."""
    if share == 1:
        return after
    dark = srgb_to_linear(np.clip(before, 0, 1))
    bright = srgb_to_linear(np.clip(after, 0, 1))
    return np.asarray(linear_to_srgb(dark + np.float32(share) * (bright - dark)), np.float32)
