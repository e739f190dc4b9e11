"""Tiles that are restored side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from lightwell.restoring.grids import Box
from lightwell.restoring.tiles import in_tiles, pieces_of

Restore = Callable[[np.ndarray, Box], np.ndarray]

SIZE = (300, 420)


def tiled(restore: Restore, at_once: int, told: list[float] | None = None) -> np.ndarray:
    picture = np.random.default_rng(0).random((*SIZE, 3), np.float32)
    result = np.full_like(picture, np.nan)

    def store(box: Box, part: np.ndarray) -> None:
        result[box.top : box.bottom, box.left : box.right] = part

    progress = None if told is None else told.append
    in_tiles(lambda r, c: picture[r, c], store, SIZE, restore, tile=96, overlap=24, at_once=at_once, progress=progress)
    return result


def shaded(piece: np.ndarray, box: Box) -> np.ndarray:
    """Tiles that disagree where they overlap, so that the order of the sums could show."""
    return piece * np.float32(0.1 + ((box.top * 7 + box.left * 3) % 11) / 10)


@pytest.mark.parametrize("at_once", [2, 3, 64])
def test_how_many_tiles_go_side_by_side_changes_no_pixel(at_once: int) -> None:
    told: list[float] = []
    np.testing.assert_array_equal(tiled(shaded, at_once, told), tiled(shaded, 1))
    assert told == sorted(told)
    assert len(told) == pieces_of(SIZE, 96, 24)
    assert told[-1] == 1


def test_so_many_tiles_are_worked_on_at_a_time_and_no_more() -> None:
    together, lock, active, most = threading.Barrier(5, timeout=10), threading.Lock(), 0, 0
    assert pieces_of(SIZE, 96, 24) % 5 == 0

    def restore(piece: np.ndarray, _: Box) -> np.ndarray:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        together.wait()  # breaks unless five are there at once
        with lock:
            active -= 1
        return piece

    tiled(restore, 5)
    assert most == 5


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_a_tile_that_fails_ends_the_picture_and_leaves_nothing_running(at_once: int) -> None:
    begun = []

    def restore(piece: np.ndarray, box: Box) -> np.ndarray:
        begun.append(box)
        if len(begun) == 4:
            raise ValueError("the fourth")
        return piece

    with pytest.raises(ValueError, match="the fourth"):
        tiled(restore, at_once)
    count = len(begun)
    assert count < pieces_of(SIZE, 96, 24)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lightwell-tile")]
    assert len(begun) == count


def test_whoever_is_told_of_progress_can_stop_it() -> None:
    begun = []

    def restore(piece: np.ndarray, box: Box) -> np.ndarray:
        begun.append(box)
        return piece

    class Stopped(Exception):
        pass

    def stop(_: float) -> None:
        raise Stopped

    picture = np.zeros((*SIZE, 3), np.float32)
    with pytest.raises(Stopped):
        in_tiles(
            lambda r, c: picture[r, c], lambda *_: None, SIZE, restore, tile=96, overlap=24, at_once=2, progress=stop
        )
    assert len(begun) < pieces_of(SIZE, 96, 24)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lightwell-tile")]
