"""What every metric does with the pictures it is given: one check, one scale.

Pictures are RGB or gray, ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``, sRGB-encoded. ``uint8``, ``uint16`` and floats in
[0, 1] are brought to *levels*, 0 to 255: 255, 65535 and 1.0 are the same white, so pictures of different bit depths may
be compared. Anything else is a ``ValueError``, NaN and infinity among it: a score of such a picture would mean nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GRAY", "LUMA", "Array", "Float", "check", "check_pair", "gray", "levels", "luma", "round_half_up"]

Array = NDArray[Any]
Float = NDArray[np.floating[Any]]

GRAY = (0.299, 0.587, 0.114)
LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)


def check(picture: Array, name: str = "picture") -> Array:
    """``picture`` as ``(H, W, C)`` in its own type, or the reason why it is none.

    Raises:
        ValueError: not an array of a known type, rank, channel count and range, empty, or not finite.
    """
    picture = np.asarray(picture)
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 3) or picture.size == 0:
        raise ValueError(f"{name} has shape {picture.shape}; taken are (H, W), (H, W, 1) and (H, W, 3)")
    if np.issubdtype(picture.dtype, np.floating):
        low, high = picture.min(), picture.max()
        if not np.isfinite(low) or not np.isfinite(high):
            raise ValueError(f"{name} holds NaN or infinity")
        if low < 0 or high > 1:
            raise ValueError(
                f"{name} holds floats from {low:g} to {high:g}; taken are floats in [0, 1]: clip or scale it"
            )
    elif picture.dtype.name not in ("uint8", "uint16"):
        raise ValueError(f"{name} is of type {picture.dtype}; taken are uint8, uint16 and floats in [0, 1]")
    return picture


def check_pair(restored: Array, target: Array) -> tuple[Array, Array]:
    """Both pictures checked; their shapes must be the same, their types need not.

    Raises:
        ValueError: as `check`, or unequal shapes.
    """
    restored, target = check(restored, "restored"), check(target, "target")
    if restored.shape != target.shape:
        raise ValueError(f"restored is {restored.shape}, target is {target.shape}: shapes must be the same")
    return restored, target


def levels(picture: Array, dtype: type[np.float32] | type[np.float64] = np.float64) -> Float:
    """A checked picture's values in 0 to 255, whatever its type."""
    scale = {"uint8": 1.0, "uint16": 1 / 257}.get(picture.dtype.name, 255.0)
    values: Float = np.multiply(picture, scale, dtype=dtype)
    return values


def round_half_up(values: Float) -> Float:
    """Nearest whole number, halves upwards: MATLAB's rounding for values that are not negative."""
    rounded: Float = np.floor(values + 0.5)
    return rounded


def gray(values: Float) -> Float:
    """Levels ``(H, W, C)`` to BT.601 gray ``(H, W)`` on 0 to 255, not rounded; gray pictures stay as they are."""
    return values[:, :, 0] if values.shape[2] == 1 else values @ np.array(GRAY, values.dtype)


def luma(values: Float) -> Float:
    """Levels ``(H, W, C)`` to BT.601 luma ``(H, W)`` on 16 to 235, not rounded (ITU-R BT.601, MATLAB's rgb2ycbcr).

    A gray picture is one whose three channels are equal.
    """
    weighted = values[:, :, 0] * (219 / 255) if values.shape[2] == 1 else values @ np.array(LUMA, values.dtype)
    return weighted + values.dtype.type(16)
