"""Restorer: a model with its settings; an array or a picture in, the same kind out."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

import lightwell
from lightwell import color, tiling, zoo
from lightwell.errors import PictureError
from lightwell.picture import Format, Picture, read
from lightwell.session import Device, Session

__all__ = ["Restorer", "parse_bytes", "restore"]

Tile = Literal["auto", "off"] | int
Progress = Callable[[float], None]
Floats = NDArray[np.float32]

# The interpreter with its libraries and the model, before any picture; measured by benchmarks/memory.py.
_BASE_BYTES = 200 << 20
# What the network takes for each pixel of a tile where its card does not tell: it goes with the network's width, and
# the parameters with the width's square (874 bytes measured at 0.868 million). Files without a card: a wide network.
_BYTES_PER_PIXEL_OF_A_MILLION = 1024
_BYTES_PER_PIXEL = 4096
_SMALLEST_TILE, _LARGEST_TILE = 128, 1024
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709


def parse_bytes(size: int | str) -> int:
    """A number of bytes from a number or words such as ``2G``, ``1.5 GB`` or ``800M``."""
    if isinstance(size, int):
        return size
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?\s*", size, re.IGNORECASE)
    if not match:
        raise ValueError(f"a size in memory is written like 2G or 800M, not {size!r}")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


class Restorer:
    """A model, loaded once, that restores arrays and pictures; may be called from several threads at once.

    Args:
        model: a shipped model's name or an ONNX file; by default the shipped default.
        device: ``auto``, ``cpu``, ``cuda``, ``openvino`` or ``coreml``.
        threads: of the CPU for one picture; by default all.
        tile: side in pixels of the tiles that larger pictures are cut into; ``auto`` chooses it by ``max_memory``,
            ``off`` restores every picture whole.
        max_memory: what one picture may take with everything around it, in bytes or as ``2G``.

    Raises:
        WeightsError: there is no such model, or the file is not one.
        DeviceError: the device cannot run here.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        device: Device = "auto",
        threads: int | None = None,
        tile: Tile = "auto",
        max_memory: int | str = "2G",
    ) -> None:
        if tile not in ("auto", "off") and not (isinstance(tile, int) and tile >= _SMALLEST_TILE):
            raise ValueError(f"tile is auto, off or at least {_SMALLEST_TILE} pixels, not {tile!r}")
        self.max_memory = parse_bytes(max_memory)
        self.tile: Tile = tile
        self.model, path, self._bytes_per_pixel = _find(model)
        self._session = Session(path, device, threads)

    @property
    def device(self) -> str:
        """Where the model runs."""
        return self._session.device

    @overload
    def __call__(self, picture: Picture, *, strength: float = 1.0, progress: Progress | None = None) -> Picture: ...

    @overload
    def __call__(
        self, picture: NDArray[Any], *, strength: float = 1.0, progress: Progress | None = None
    ) -> NDArray[Any]: ...

    def __call__(
        self, picture: Picture | NDArray[Any], *, strength: float = 1.0, progress: Progress | None = None
    ) -> Picture | NDArray[Any]:
        """Restore a picture.

        Args:
            picture: a `Picture`, or an sRGB array ``(H, W, 3)`` or gray ``(H, W)`` of uint8, uint16, or floats in
                [0, 1].
            strength: 1 for the network's result, 0 for the input, between them a mixture of their light.
            progress: told the share that is done, in [0, 1].

        Returns:
            The same kind, shape and type.

        Raises:
            ValueError: an array of another shape, type or range, or a strength outside [0, 1].
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"strength is between 0 and 1, not {strength}")
        if isinstance(picture, Picture):
            profile, notes = None, picture.warnings
            if picture.icc and color.profile_space(picture.icc) == "RGB" and picture.pixels.shape[2] == 3:
                profile = color.rgb_profile(picture.icc)
                if profile is None:
                    notes += ("its colour profile is not of the matrix kind; its colours were taken for sRGB",)
                elif profile.is_srgb():
                    profile = None
            pixels = self._restore(picture.pixels, strength, profile, progress)
            software = f"lightwell {lightwell.__version__} (model {self.model}, strength {strength:g})"
            return replace(picture, pixels=pixels, software=software, warnings=notes)
        _check(picture)
        if picture.ndim == 2:
            return self._restore(picture[..., None], strength, None, progress)[..., 0]
        return self._restore(picture, strength, None, progress)

    def tile_for(self, height: int, width: int, sample_bytes: int = 1) -> int | None:
        """The tile side for a picture of this size; None where it is restored whole whatever its size."""
        if self.tile == "off":
            return None
        if isinstance(self.tile, int):
            return self.tile
        left = self.max_memory - _BASE_BYTES - _picture_bytes(height, width, sample_bytes)
        side = math.isqrt(max(left, 0) // self._bytes_per_pixel) // 32 * 32
        return min(max(side, _SMALLEST_TILE), _LARGEST_TILE)

    def memory_for(self, height: int, width: int, sample_bytes: int = 1) -> int:
        """The estimated peak of the process in bytes while it restores a picture of this size."""
        tile = self.tile_for(height, width, sample_bytes)
        pixels = height * width if tile is None else min(height * width, tile * tile)
        return _BASE_BYTES + _picture_bytes(height, width, sample_bytes) + pixels * self._bytes_per_pixel

    def _restore(
        self, pixels: NDArray[Any], strength: float, profile: color.RgbProfile | None, progress: Progress | None
    ) -> NDArray[Any]:
        """Restore ``(H, W, 3 or 1)`` of any taken type."""
        if strength == 0:
            return pixels.copy()
        height, width, channels = pixels.shape
        result = np.empty_like(pixels)

        def load(rows: slice, columns: slice) -> Floats:
            part = _to_floats(pixels[rows, columns])
            if profile is not None:
                part = color.linear_to_srgb(np.clip(profile.to_linear_srgb(part), 0, 1))
            return np.repeat(part, 3, axis=2) if channels == 1 else part

        def store(top: int, restored: Floats) -> None:
            rows = slice(top, top + len(restored))
            restored = np.clip(restored, 0, 1)
            if channels == 1:
                restored = np.asarray(restored @ _LUMA, np.float32)[..., None]
            if strength < 1 or profile is not None:
                light = color.srgb_to_linear(restored)
                if strength < 1:
                    part = _to_floats(pixels[rows])
                    own = profile.to_linear_srgb(part) if profile is not None else color.srgb_to_linear(part)
                    light = own + np.float32(strength) * (light - own)
                restored = profile.from_linear_srgb(light) if profile is not None else color.linear_to_srgb(light)
            result[rows] = _from_floats(restored, pixels.dtype)

        tile = self.tile_for(height, width, pixels.itemsize)
        tiling.restore_in_tiles(
            load, store, (height, width), self._run, tile=tile or max(height, width), progress=progress
        )
        return result

    def _run(self, low: Floats) -> Floats:
        batch = np.ascontiguousarray(low.transpose(2, 0, 1)[None])
        return np.moveaxis(self._session(batch)[0], 0, 2)


def restore(
    input: str | os.PathLike[str] | bytes | IO[bytes],
    output: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    strength: float = 1.0,
    format: Format | None = None,
    quality: int | None = None,
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Restore one file.

    Args:
        input: a path, a file's bytes, or a binary stream.
        output: the file to write; its suffix names the format.
        model: as in `Restorer`.
        strength: as in `Restorer.__call__`.
        format: as in `Picture.write`.
        quality: as in `Picture.write`.
        overwrite: replace ``output`` where it exists.
        options: ``device``, ``threads``, ``tile``, ``max_memory`` as in `Restorer`.

    Returns:
        The output's path.

    Raises:
        LightwellError: the input cannot be read, the output exists or cannot be written, or the model cannot run.
    """
    target = Path(output)
    if target.exists() and not overwrite:
        raise PictureError(f"{target} exists: choose another name, or pass overwrite=True")
    picture = read(input)
    Restorer(model, **options)(picture, strength=strength).write(target, format=format, quality=quality)
    return target


def _find(model: str | os.PathLike[str] | None) -> tuple[str, Path, int]:
    """Name, graph and bytes per pixel of a shipped model or a file."""
    if model is not None and (os.fspath(model).endswith(".onnx") or os.sep in os.fspath(model)):
        path = Path(model)
        return path.stem, path, _BYTES_PER_PIXEL
    card = zoo.default() if model is None else zoo.find(os.fspath(model))
    guess = _BYTES_PER_PIXEL_OF_A_MILLION * math.sqrt(card.content["parameters"] / 1e6)
    return card.name, card.graph, int(card.content.get("bytes_per_pixel", guess))


def _picture_bytes(height: int, width: int, sample_bytes: int) -> int:
    """What the picture itself takes: input, output and the decoder's copy of four samples a pixel."""
    return height * width * sample_bytes * (3 + 3 + 4)


def _check(array: Any) -> None:
    if not isinstance(array, np.ndarray):
        raise ValueError(f"takes a Picture or a numpy array, not {type(array).__name__}")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or 0 in array.shape:
        raise ValueError(
            f"takes (H, W, 3) or (H, W), at least one pixel, channels last and without alpha; this is {array.shape}"
        )
    if array.dtype not in (np.uint8, np.uint16) and not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"takes uint8, uint16 or floats in [0, 1], not {array.dtype}")
    if np.issubdtype(array.dtype, np.floating):
        lowest, highest = float(array.min()), float(array.max())
        if not (lowest >= -1e-6 and highest <= 1 + 1e-6):
            raise ValueError(f"floats are in [0, 1]; these go from {lowest:g} to {highest:g}")


def _to_floats(samples: NDArray[Any]) -> Floats:
    if samples.dtype in (np.uint8, np.uint16):
        return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
    return np.clip(samples.astype(np.float32), 0, 1)


def _from_floats(values: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    values = np.clip(values, 0, 1)
    if dtype in (np.uint8, np.uint16):
        return (values * np.float32(np.iinfo(dtype).max) + np.float32(0.5)).astype(dtype)
    return values.astype(dtype)
