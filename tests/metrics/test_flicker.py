from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lightwell.metrics import flicker, mabd, mabd_error

Array = NDArray[Any]


def _video(levels: list[int], shape: tuple[int, ...] = (4, 6, 3)) -> list[Array]:
    return [np.full(shape, level, np.uint8) for level in levels]


def test_steady_and_evenly_fading_videos_do_not_flicker() -> None:
    assert flicker(_video([90, 90, 90, 90])) == 0
    assert flicker(_video([10, 30, 50, 70])) == pytest.approx(0, abs=1e-9)


def test_up_and_down_by_d_scores_2d() -> None:
    assert flicker(_video([50, 53, 50, 53, 50])) == pytest.approx(6)
    assert flicker(x / 255 for x in _video([50, 53, 50, 53, 50])) == pytest.approx(6)


def test_flicker_is_of_gray() -> None:
    frames = _video([0, 0, 0])
    frames[1][:, :, 1] = 100
    assert flicker(frames) == pytest.approx(2 * 0.587 * 100)


def test_a_pan_is_no_flicker(photo: Array) -> None:
    pan = [np.roll(photo, 5 * k, 1) for k in range(4)]
    assert flicker(pan) == pytest.approx(0, abs=1e-9)
    assert mabd(pan).min() > 1


def test_mabd_by_hand() -> None:
    frames = _video([10, 30, 25], (2, 2))
    frames[1][0, 0] = 14
    assert mabd(frames) == pytest.approx([(4 + 3 * 20) / 4, (11 + 3 * 5) / 4])
    assert mabd_error(frames, _video([10, 30, 25], (2, 2))) == pytest.approx(((16 - 20) ** 2 + (6.5 - 5) ** 2) / 2)
    assert mabd_error(iter(frames), iter(frames)) == 0


def test_bad_videos() -> None:
    with pytest.raises(ValueError, match="three frames; there are 2"):
        flicker(_video([1, 2]))
    with pytest.raises(ValueError, match="at least two"):
        mabd(_video([1]))
    with pytest.raises(ValueError, match="at least two"):
        mabd([])
    with pytest.raises(ValueError, match=r"frame 1 is \(4, 5, 3\)"):
        flicker([*_video([1]), np.zeros((4, 5, 3), np.uint8)])
    with pytest.raises(ValueError, match="frame 1 holds NaN"):
        mabd([np.zeros((3, 3)), np.full((3, 3), np.nan)])
    with pytest.raises(ValueError, match="3 frames, target has 2"):
        mabd_error(_video([1, 2, 3]), _video([1, 2]))


def test_one_pixel() -> None:
    assert flicker(_video([0, 10, 0], (1, 1))) == pytest.approx(20)
