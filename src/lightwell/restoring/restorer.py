"""Restorer: a model with its settings; an array or a picture in, the same kind out."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

import lightwell
from lightwell import engines, zoo
from lightwell.engines import Device, Engine, Precision, cores
from lightwell.errors import PictureError, WeightsError
from lightwell.files import whole_file
from lightwell.pictures import Format, Picture, format_of_name, read_named, space
from lightwell.restoring.controls import Controls, controls_of, split_controls
from lightwell.restoring.grids import Box, Floats
from lightwell.restoring.lighting import mean_level
from lightwell.restoring.strategies import Guide, GuidedTiles, LightThenDetail, Network, Strategy
from lightwell.restoring.tiles import Progress, in_tiles, largest_piece, pieces_of
from lightwell.weights import name_of

__all__ = ["Restorer", "parse_bytes", "restore"]

Tile = Literal["auto", "off"] | int

# The interpreter with its libraries and the model, before any picture; measured by benchmarks/memory.py.
_BASE_BYTES = 220 << 20
# What a number of a tile's side costs in transform matrices: some eight tables of side x side floats for each.
_BYTES_PER_SIDE_SQUARED = 64
_SMALLEST_TILE = 128
# Larger tiles take longer for each pixel, as their features leave the cache; smaller ones overlap more. Guided tiles
# need a guide that shows something, and it holds no more pixels than a tile.
_LARGEST_TILE = {"tiles": 512, "normalised-tiles": 512, "light-then-detail": 320}
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709


def parse_bytes(size: int | str) -> int:
    """A number of bytes from a number or words such as ``2G``, ``1.5 GB`` or ``800M``.

    Raises:
        ValueError: it is neither, or not above zero.
    """
    if isinstance(size, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?\s*", size, re.IGNORECASE)
        if not match:
            raise ValueError(f"a size in memory is written like 2G or 800M, not {size!r}")
        size = int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))
    if not isinstance(size, int | float) or not 1 <= size < math.inf:
        raise ValueError(f"a size in memory is at least one byte, not {size!r}")
    return int(size)


class Restorer:
    """A model, loaded once, that restores arrays and pictures; may be called from several threads at once.

    Args:
        model: a shipped model's name, an ONNX file, the JSON card of a model whose files lie beside it, or weights: a
            safetensors file or a run's folder, of which a graph is made and kept; by default the shipped default.
        device: ``auto``, ``cpu``, ``cuda``, ``openvino``, ``coreml`` or ``torch``.
        threads: of the CPU for one picture; by default all. So many tiles of it are restored side by side, if
            ``max_memory`` has room for them.
        precision: ``auto``, ``float32``; ``bfloat16`` for less time on a CPU that has it, with OpenVINO; or
            ``float16`` on a GPU, with torch.
        tile: side in pixels of the tiles that larger pictures are cut into; ``auto`` chooses it by ``max_memory``,
            ``off`` restores every picture whole.
        max_memory: what one picture may take with everything around it, in bytes or as ``2G``; one that would take
            more is refused.
        many: whether many pictures are to come; ``auto`` is then OpenVINO, where that is installed.

    Raises:
        WeightsError: there is no such model, or the file is not one.
        DeviceError: the device or the precision cannot run here.
        FileError: the graph of weights cannot be written.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        device: Device = "auto",
        threads: int | None = None,
        precision: Precision = "auto",
        tile: Tile = "auto",
        max_memory: int | str = "2G",
        many: bool = False,
    ) -> None:
        if tile not in ("auto", "off") and not (isinstance(tile, int) and tile >= _SMALLEST_TILE):
            raise ValueError(f"tile is auto, off or at least {_SMALLEST_TILE} pixels, not {tile!r}")
        self.max_memory = parse_bytes(max_memory)
        self.tile: Tile = tile
        self.threads = threads or cores()
        self.model, self.spec, self._engines = _load(model, device, threads, precision, many)
        self.strategy: Strategy = _strategy(self.spec, self._engines)

    @property
    def device(self) -> str:
        """Where the model runs."""
        return list(self._engines.values())[-1].device

    @overload
    def __call__(
        self,
        picture: Picture,
        controls: Controls | None = None,
        *,
        guide: Guide | None = None,
        progress: Progress | None = None,
        **settings: float,
    ) -> Picture: ...

    @overload
    def __call__(
        self,
        picture: NDArray[Any],
        controls: Controls | None = None,
        *,
        guide: Guide | None = None,
        progress: Progress | None = None,
        **settings: float,
    ) -> NDArray[Any]: ...

    def __call__(
        self,
        picture: Picture | NDArray[Any],
        controls: Controls | None = None,
        *,
        guide: Guide | None = None,
        progress: Progress | None = None,
        **settings: float,
    ) -> Picture | NDArray[Any]:
        """Restore a picture.

        Args:
            picture: a `Picture`, or an sRGB array ``(H, W, 3)`` or gray ``(H, W)`` of uint8, uint16, or floats in
                [0, 1].
            controls: strength, brightness and what else a person may ask for; by default the model's result.
            guide: what `guide` gave for this picture, or one like it; by default it is made.
            progress: told the share that is done, in [0, 1].
            settings: fields of `Controls` by name, such as ``strength=0.5``, in place of those of ``controls``.

        Returns:
            The same kind, shape and type.

        Raises:
            PictureError: it cannot be restored within ``max_memory``.
            ValueError: an array of another shape, type or range, a setting outside its range or that the model does
                not know, or a guide of another picture's size.
        """
        controls = controls_of(settings, controls)
        source = _Source.of(picture)
        self.refuse_too_large(*source.size, source.pixels.itemsize)
        if guide is not None and guide.size != source.size:
            raise ValueError(f"the guide is one of a picture of {guide.size}, not {source.size}")
        pixels = self._restore(source, controls, guide, progress)
        if isinstance(picture, Picture):
            software = f"lightwell {lightwell.__version__} (model {self.model}, {controls.describe()})"
            return replace(picture, pixels=pixels, software=software, warnings=source.notes)
        return pixels[..., 0] if picture.ndim == 2 else pixels

    def refuse_unsuited(self, controls: Controls) -> None:
        """Says which settings the model does not know, before any picture is read.

        Raises:
            ValueError: when there is one.
        """
        self.strategy.refuse_unsuited(controls)

    def refuse_too_large(self, height: int, width: int, sample_bytes: int = 1) -> None:
        """Says when a picture of this size cannot be restored within ``max_memory``.

        Raises:
            PictureError: it may take more.
        """
        needed = self.memory_for(height, width, sample_bytes)
        if needed > self.max_memory:
            raise PictureError(
                f"{width}x{height} pixels may take {_size(needed)} to restore, more than the bound of "
                f"{_size(self.max_memory)}",
                remedy="max_memory",
            )

    def guide(self, picture: Picture | NDArray[Any]) -> Guide | None:
        """What the model finds the whole picture should look like, at a coarse scale; None where it needs no guide.

        Raises:
            ValueError: as for a call.
        """
        source = _Source.of(picture)
        return self.strategy.guide(source.load, source.size, self._side(source))

    def tile_for(self, height: int, width: int, sample_bytes: int = 1) -> int | None:
        """The tile side for a picture of this size; None where it is restored whole whatever its size."""
        if self.tile == "off":
            return None
        if isinstance(self.tile, int):
            return self.tile
        left = self.max_memory - _BASE_BYTES - _picture_bytes(height, width, sample_bytes)
        largest = _LARGEST_TILE[self.spec.strategy]
        for side in range(largest, _SMALLEST_TILE, -32):
            if self._tile_bytes(height, width, side) <= left:
                return side
        return _SMALLEST_TILE

    def memory_for(self, height: int, width: int, sample_bytes: int = 1) -> int:
        """The estimated peak of the process in bytes while it restores a picture of this size."""
        tile = self.tile_for(height, width, sample_bytes)
        at_once = self._at_once(height, width, sample_bytes, tile)
        return (
            _BASE_BYTES + _picture_bytes(height, width, sample_bytes) + self._tile_bytes(height, width, tile, at_once)
        )

    def _at_once(self, height: int, width: int, sample_bytes: int, tile: int | None) -> int:
        """How many tiles of a picture of this size are restored at a time."""
        most = min(self.threads, pieces_of((height, width), tile, self._overlap(tile)))
        left = self.max_memory - _BASE_BYTES - _picture_bytes(height, width, sample_bytes)
        while most > 1 and self._tile_bytes(height, width, tile, most) > left:
            most -= 1
        return most

    def _overlap(self, tile: int | None) -> int:
        return self.strategy.overlap(tile) if tile else 1

    def _tile_bytes(self, height: int, width: int, tile: int | None, at_once: int = 1) -> int:
        size = (height, width)
        rows, columns = largest_piece(size, tile)
        guide = self.strategy.guide_pixels(size, tile)
        pieces = max(rows * columns * at_once, guide) * self.spec.bytes_per_pixel
        tables = (rows * rows + columns * columns) * _BYTES_PER_SIDE_SQUARED
        # One band of finished pixels waits for its neighbour, and is copied and converted when it is stored.
        band = min(size) * min(max(size), tile) * 48 if tile else height * width * 24
        return pieces + tables + band + guide * 96

    def _side(self, source: _Source) -> int | None:
        height, width = source.size
        return self.tile_for(height, width, source.pixels.itemsize)

    def _restore(
        self, source: _Source, controls: Controls, guide: Guide | None, progress: Progress | None
    ) -> NDArray[Any]:
        if controls.strength == 0 and not controls.tones:
            return source.pixels.copy()
        tile = self._side(source)
        if guide is None:
            guide = self.strategy.guide(source.load, source.size, tile)
        result = np.empty_like(source.pixels)
        mixed = 1.0 if self.strategy.blends_in_guide else controls.strength

        def store(box: Box, restored: Floats) -> None:
            source.store(result, box, restored, mixed)

        in_tiles(
            source.load,
            store,
            source.size,
            self.strategy.piecewise(guide, source.size, controls),
            tile=tile,
            overlap=self._overlap(tile),
            at_once=self._at_once(*source.size, source.pixels.itemsize, tile),
            progress=progress,
        )
        return result


class _Source:
    """Pixels of any taken type as the network wants them, and back."""

    def __init__(self, pixels: NDArray[Any], profile: space.RgbProfile | None, notes: tuple[str, ...]) -> None:
        self.pixels, self.profile, self.notes = pixels, profile, notes

    @classmethod
    def of(cls, picture: Picture | NDArray[Any]) -> _Source:
        if not isinstance(picture, Picture):
            _check(picture)
            return cls(picture[..., None] if picture.ndim == 2 else picture, None, ())
        profile, notes = None, picture.warnings
        if picture.icc and space.profile_space(picture.icc) == "RGB" and picture.pixels.shape[2] == 3:
            profile = space.rgb_profile(picture.icc)
            if profile is None:
                notes += ("its colour profile is not of the matrix kind; its colours were taken for sRGB",)
            elif profile.is_srgb():
                profile = None
        return cls(picture.pixels, profile, notes)

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]

    def load(self, rows: slice, columns: slice) -> Floats:
        part = _to_floats(self.pixels[rows, columns])
        if self.profile is not None:
            light = self.profile.to_linear_srgb(part)
            part = np.asarray(space.linear_to_srgb(np.clip(light, 0, 1)), np.float32)
        return np.repeat(part, 3, axis=2) if part.shape[2] == 1 else part

    def store(self, result: NDArray[Any], box: Box, restored: Floats, strength: float) -> None:
        where = slice(box.top, box.bottom), slice(box.left, box.right)
        restored = np.clip(restored, 0, 1)
        if self.pixels.shape[2] == 1:
            restored = np.asarray(restored @ _LUMA, np.float32)[..., None]
        profile = self.profile
        if strength < 1 or profile is not None:
            light = space.srgb_to_linear(restored)
            if strength < 1:
                part = _to_floats(self.pixels[where])
                own = profile.to_linear_srgb(part) if profile is not None else space.srgb_to_linear(part)
                light = own + np.float32(strength) * (light - own)
            encoded = profile.from_linear_srgb(light) if profile is not None else space.linear_to_srgb(light)
            restored = np.asarray(encoded, np.float32)
        result[where] = _from_floats(restored, result.dtype)


def restore(
    input: str | os.PathLike[str] | bytes | IO[bytes],
    output: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
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
        format: as in `Picture.write`.
        quality: as in `Picture.write`.
        overwrite: replace ``output`` where it exists.
        options: ``device``, ``threads``, ``precision``, ``tile`` and ``max_memory`` as in `Restorer`; ``controls``, or
            ``strength`` and the other fields of `Controls`, as in `Restorer.__call__`.

    Returns:
        The output's path.

    Raises:
        LightwellError: the input cannot be read, the output exists or cannot be written, or the model cannot run.
    """
    target = Path(output)
    if target.exists() and not overwrite:
        raise PictureError(f"{target} exists: choose another name, or pass overwrite=True")
    controls, options = split_controls(options)
    picture = read_named(input)
    restored = Restorer(model, **options)(picture, controls)
    with whole_file(target, replace=overwrite) as stream:
        restored.write(stream, format=format or format_of_name(target), quality=quality)
    return target


def _load(
    model: str | os.PathLike[str] | None, device: Device, threads: int | None, precision: Precision, many: bool
) -> tuple[str, zoo.Spec, dict[str, Engine]]:
    """Name, spec and engines of a shipped model, a graph's file, a card's file, or weights."""
    if model is not None:
        from lightwell.export import cached_graph, is_weights  # torch is loaded only where there is no graph yet

        if is_weights(model):
            return name_of(model), *_load(cached_graph(model), device, threads, precision, many)[1:]
    if model is not None and zoo.is_file_name(model) and Path(model).suffix != ".json":
        engine = engines.start(Path(model), device, threads, precision, many=many)
        spec = zoo.Spec.from_metadata(engine.metadata)
        if len(spec.roles) > 1:
            raise WeightsError(f"{model} is one of several graphs of a model: give the model's card (.json)")
        return Path(model).stem, spec, {"restore": engine}
    if model is None:
        card = zoo.default()
    else:
        card = zoo.read_card(Path(model)) if zoo.is_file_name(model) else zoo.find(os.fspath(model))
    card.refuse_damaged()
    running = {
        role: engines.start_brief(path, threads)
        if role == "light"
        else engines.start(path, device, threads, precision, many=many)
        for role, path in card.graphs.items()
    }
    return card.name, card.spec, running


def _strategy(spec: zoo.Spec, running: Mapping[str, Engine]) -> Strategy:
    if spec.strategy == "normalised-tiles":
        engine = running["restore"]

        def at_level(level: float) -> Network:
            return _network(engine, spec.channels, {"level": np.array([level], np.float32)})

        return GuidedTiles(at_level(0), of_parts=lambda reduced: at_level(mean_level(reduced)))
    networks = {role: _network(engine, spec.channels) for role, engine in running.items()}
    if spec.strategy == "light-then-detail":
        planes = next(iter(running["detail"].inputs.values()))[1]
        return LightThenDetail(
            networks["light"], networks["detail"], spec.thumbnail, tells_stops=planes != spec.channels
        )
    return GuidedTiles(networks["restore"])


def _network(engine: Engine, channels: int, beside: Mapping[str, Floats] | None = None) -> Network:
    """A graph of one picture to one picture, as a function of ``(h, w, C)``.

    Args:
        engine: runs it.
        channels: of the picture that comes out.
        beside: what the graph is given beside the picture.

    Raises:
        WeightsError: the graph is of another kind.
    """
    beside = beside or {}
    pictures = [name for name in engine.inputs if name not in beside]
    if (
        len(pictures) != 1
        or len(engine.inputs) != 1 + len(beside)
        or not engine.outputs
        or len(engine.inputs[pictures[0]]) != 4
    ):
        wanted = " and ".join(["one float32 input (N, C, H, W)", *beside])
        raise WeightsError(f"the graph is not a restoring model: it needs {wanted}")
    (name,), output = pictures, engine.outputs[0]

    def run(low: Floats) -> Floats:
        batch = np.ascontiguousarray(low.transpose(2, 0, 1)[None], np.float32)
        restored = engine({name: batch, **beside})[output]
        if restored.shape != (1, channels, *batch.shape[2:]):
            raise WeightsError(f"the graph is not a restoring model: it turned {batch.shape} into {restored.shape}")
        return np.ascontiguousarray(np.moveaxis(restored[0], 0, 2))

    return run


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 1 << 30 else f"{max(1, count >> 20)} MB"


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
    if not _is_whole(array.dtype) and not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"takes uint8, uint16 or floats in [0, 1], not {array.dtype}")
    if np.issubdtype(array.dtype, np.floating):
        lowest, highest = float(array.min()), float(array.max())
        if not (lowest >= -1e-6 and highest <= 1 + 1e-6):
            raise ValueError(f"floats are in [0, 1]; these go from {lowest:g} to {highest:g}")


def _is_whole(dtype: np.dtype[Any]) -> bool:
    """Whether it is uint8 or uint16, in either order of bytes."""
    return dtype.kind == "u" and dtype.itemsize <= 2


def _to_floats(samples: NDArray[Any]) -> Floats:
    if _is_whole(samples.dtype):
        return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
    return np.clip(samples.astype(np.float32), 0, 1)


def _from_floats(values: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    values = np.clip(values, 0, 1)
    if _is_whole(dtype):
        return (values * np.float32(np.iinfo(dtype).max) + np.float32(0.5)).astype(dtype)
    return values.astype(dtype)
