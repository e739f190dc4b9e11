from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.transform import resize

from lightwell.restoring.controls import Controls
from lightwell.restoring.grids import Box, Load, reduce_area
from lightwell.restoring.strategies import GuidedTiles
from lightwell.restoring.tiles import Store, fits_whole, in_tiles

Restore = Callable[[np.ndarray], np.ndarray]


def run(picture: np.ndarray, restore: Restore, tile: int) -> np.ndarray:
    result = np.full_like(picture, np.nan)

    def store(box: Box, part: np.ndarray) -> None:
        where = slice(box.top, box.bottom), slice(box.left, box.right)
        assert np.isnan(result[where]).all(), "pixels are stored once"
        result[where] = part

    size = picture.shape[:2]
    tiled(lambda r, c: picture[r, c], store, size, restore, tile)
    assert not np.isnan(result).any()
    return result


def tiled(load: Load, store: Store, size: tuple[int, int], restore: Restore, tile: int, **options: Any) -> None:
    strategy = GuidedTiles(restore)
    piecewise = strategy.piecewise(strategy.guide(load, size, tile), size, Controls())
    in_tiles(load, store, size, piecewise, tile=tile, overlap=strategy.overlap(tile), **options)


def exposure(part: np.ndarray) -> np.ndarray:
    """Brings the mean of what it sees to one half, so that tiles by themselves differ."""
    return part * np.float32(0.5 / max(part.mean(), 1e-6))


def contrast(part: np.ndarray) -> np.ndarray:
    """Stretches what it sees to a fixed mean and spread: another line in each tile."""
    return (part - part.mean()) * np.float32(0.2 / max(part.std(), 1e-3)) + np.float32(0.5)


def dark_photo() -> np.ndarray:
    """A photo lit from the right."""
    light = np.linspace(0.02, 0.4, 450)[:, None]
    return (resize(data.coffee(), (300, 450), anti_aliasing=True) * light).astype(np.float32)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((np.clip(a, 0, 1) - np.clip(b, 0, 1)) ** 2)))


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    tile=st.integers(32, 90),
    seed=st.integers(0, 99),
)
def test_tiles_of_a_network_that_changes_nothing_give_the_picture_back(
    height: int, width: int, tile: int, seed: int
) -> None:
    picture = np.random.default_rng(seed).random((height, width, 3), np.float32)
    np.testing.assert_allclose(run(picture, lambda part: part, tile), picture, atol=1e-4)


def test_a_photo_in_tiles_comes_back_through_a_network_that_changes_nothing() -> None:
    picture = dark_photo()
    np.testing.assert_allclose(run(picture, lambda part: part, 128), picture, atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(height=st.integers(1, 200), width=st.integers(1, 200), tile=st.integers(32, 90), level=st.floats(0.01, 1))
def test_a_constant_picture_gives_a_constant(height: int, width: int, tile: int, level: float) -> None:
    picture = np.full((height, width, 3), level, np.float32)
    np.testing.assert_allclose(run(picture, np.sqrt, tile), np.sqrt(picture), atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 64), (40, 100), (1, 128), (17, 3)])
def test_a_picture_that_fits_one_tile_is_the_full_frame_bit_for_bit(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random((*shape, 3), np.float32)
    assert fits_whole(shape, 64)
    np.testing.assert_array_equal(run(picture, contrast, 64), contrast(picture))


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 300), width=st.integers(1, 300), tile=st.integers(32, 90))
def test_no_call_gets_more_than_a_tile(height: int, width: int, tile: int) -> None:
    seen = []

    def watch(part: np.ndarray) -> np.ndarray:
        seen.append(part.shape[0] * part.shape[1])
        return part

    run(np.zeros((height, width, 3), np.float32), watch, tile)
    assert max(seen) <= tile * tile


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 900), width=st.integers(1, 900), tile=st.integers(48, 256))
def test_all_tiles_have_one_shape_and_one_phase(height: int, width: int, tile: int) -> None:
    """A network that works on squares of 2, 4 or 8 pixels draws them at the same places in every tile."""
    boxes: list[Box] = []

    def watch(piece: np.ndarray, box: Box) -> np.ndarray:
        boxes.append(box)
        return piece

    picture = np.zeros((height, width, 1), np.float32)
    in_tiles(lambda r, c: picture[r, c], lambda *_: None, (height, width), watch, tile=tile, overlap=32)
    assert {(box.top % 8, box.left % 8) for box in boxes} == {(0, 0)}
    assert len({(box.bottom - box.top, box.right - box.left) for box in boxes}) == 1


def test_no_more_than_one_row_of_tiles_is_asked_for_at_once() -> None:
    """What `load` gives out is bounded whatever the picture's height, so memory does not grow with the picture."""
    asked = []

    def load(rows: slice, columns: slice) -> np.ndarray:
        asked.append((rows.stop - rows.start) * (columns.stop - columns.start))
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start, 3), np.float32)

    stored = []
    tiled(load, lambda _, rows: stored.append(len(rows)), (20_000, 300), lambda part: part, 128)
    assert max(asked) <= 1 << 21
    assert sum(stored) == 20_000
    assert max(stored) <= 128


@pytest.mark.parametrize("restore", [exposure, contrast])
def test_tiles_agree_with_the_full_frame_of_a_network_that_sees_everything(restore: Restore) -> None:
    picture = dark_photo()
    whole = restore(picture)
    assert psnr(run(picture, restore, 128), whole) > 34
    alone = np.concatenate([restore(part) for part in np.array_split(picture, 3, axis=1)], axis=1)
    assert psnr(alone, whole) < 25  # without the guide the tiles differ: the test would see it


@pytest.mark.parametrize("restore", [exposure, contrast])
def test_no_seams(restore: Restore) -> None:
    """The gain from input to output changes no faster between tiles than a hundredth a pixel."""
    smooth = np.linspace(0.02, 0.3, 400, dtype=np.float32)[None, :, None] * np.ones((260, 1, 3), np.float32)
    smooth[130:] *= 0.5 + 0.5 * np.cos(np.linspace(0, 3, 130, dtype=np.float32))[:, None, None]
    tiled = run(smooth, restore, 128)
    whole = restore(smooth)
    for axis in (0, 1):
        jumps = np.abs(np.diff(tiled - whole, axis=axis))
        assert jumps.max() < 0.01


def test_progress_rises_to_one() -> None:
    told: list[float] = []
    picture = np.zeros((200, 200, 3), np.float32)
    tiled(lambda r, c: picture[r, c], lambda *_: None, (200, 200), lambda part: part, 96, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    assert len(told) == 9  # three by three tiles


@settings(deadline=None, max_examples=40)
@given(height=st.integers(1, 60), width=st.integers(1, 60), share=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)))
def test_area_reduction_keeps_the_mean_and_the_ramp(height: int, width: int, share: tuple[float, float]) -> None:
    rows, columns = max(1, int(height * share[0])), max(1, int(width * share[1]))
    picture = np.random.default_rng(0).random((height, width, 3), np.float32)
    small = reduce_area(lambda r, c: picture[r, c], (height, width), (rows, columns))
    assert small.shape == (rows, columns, 3)
    np.testing.assert_allclose(small.mean((0, 1)), picture.mean((0, 1)), atol=1e-5)


def test_area_reduction_by_whole_numbers_is_the_mean_of_blocks() -> None:
    picture = np.random.default_rng(0).random((1200, 1800, 3), np.float32)  # more than one strip
    small = reduce_area(lambda r, c: picture[r, c], (1200, 1800), (300, 600))
    np.testing.assert_allclose(small, picture.reshape(300, 4, 600, 3, 3).mean((1, 3)), atol=1e-6)


@pytest.mark.slow
def test_tiles_of_the_shipped_model_agree_with_the_full_frame(shared: Path) -> None:
    """On LOL v1's eval15, forced into tiles of 384 pixels, so that the guide is at 0.78 of the size."""
    from lightwell import Restorer, read

    whole, tiled = Restorer("darkir-s", tile="off"), Restorer("darkir-s", tile=384)
    agreements, full_scores, tiled_scores = [], [], []
    for path in sorted((shared / "data" / "lol_v1" / "eval15" / "low").iterdir()):
        low, target = (read(folder / path.name).pixels / 255 for folder in (path.parent, path.parent.with_name("high")))
        full, cut = whole(low), tiled(low)
        agreements.append(psnr(cut, full))
        full_scores.append(psnr(full, target))
        tiled_scores.append(psnr(cut, target))
    assert len(agreements) == 15
    assert np.mean(full_scores) - np.mean(tiled_scores) <= 0.3
    assert np.mean(agreements) >= 34
