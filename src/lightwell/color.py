"""The earlier name of `lightwell.pictures.space`."""

from __future__ import annotations

from lightwell.pictures.space import RgbProfile, linear_to_srgb, profile_space, rgb_profile, srgb_to_linear

__all__ = ["RgbProfile", "linear_to_srgb", "profile_space", "rgb_profile", "srgb_to_linear"]
