from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import convolve2d

from lightwell.metrics import fsim, fsimc
from lightwell.metrics.fsim import _reduce

Array = NDArray[Any]


def test_official_scores(calibration: dict[str, dict[str, Any]]) -> None:
    """FSIMc to the four digits of the table; FSIM shares all but its last factor."""
    for official in calibration.values():
        assert fsimc(official["restored"], official["target"]) == pytest.approx(official["fsim"], abs=5.1e-5)


def test_goldens(photo: Array, worse: Array, golden: dict[str, Any]) -> None:
    assert fsim(worse, photo) == pytest.approx(golden["fsim"], abs=1e-4)
    assert fsimc(worse, photo) == pytest.approx(golden["fsimc"], abs=1e-4)


@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (64, 33)])
def test_equal_pictures_reach_one_and_others_do_not(shape: tuple[int, int], photo: Array) -> None:
    target = photo[: shape[0], : shape[1]]
    restored = np.clip(target + np.random.default_rng(0).normal(0, 40, target.shape), 0, 255).astype(np.uint8)
    for metric in (fsim, fsimc):
        assert metric(target, target) == pytest.approx(1)
        assert 0 < metric(restored, target) < 0.99
        assert metric(restored, target) == pytest.approx(metric(target, restored))


def test_color_counts_in_fsimc_only(photo: Array) -> None:
    gray = np.round(photo @ [0.299, 0.587, 0.114]) / 255
    flat = np.repeat(gray[:, :, None], 3, 2)
    assert fsim(flat, photo) > 0.999
    assert fsimc(flat, photo) < 0.995
    assert fsimc(gray, gray[::-1]) == fsim(gray, gray[::-1])


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
@pytest.mark.parametrize("shape", [(40, 60), (37, 53)])
def test_reduction_is_that_of_conv2_same(shape: tuple[int, int], factor: int) -> None:
    picture = np.random.default_rng(0).random((*shape, 1))
    full = convolve2d(picture[:, :, 0] * 255, np.full((factor, factor), 1 / factor**2))
    first = factor // 2
    expected = full[first : first + shape[0] : factor, first : first + shape[1] : factor]
    assert np.allclose(_reduce(picture, factor)[:, :, 0], expected)


def test_size_of_large_pictures_matters_little(photo: Array, worse: Array) -> None:
    # 4 x 192 = 768 rows are reduced threefold, back to 256: the score is that of about the same picture.
    large = [np.kron(x, np.ones((4, 4, 1), np.uint8)) for x in (worse, photo)]
    assert fsimc(*large) == pytest.approx(fsimc(worse, photo), abs=0.05)


def test_constant_and_tiny_pictures() -> None:
    dark, bright = np.full((40, 50, 3), 20, np.uint8), np.full((40, 50, 3), 200, np.uint8)
    assert fsim(dark, dark) == fsimc(dark, dark) == 1
    assert 0 < fsimc(dark, bright) < 1
    with pytest.raises(ValueError, match="16x16"):
        fsim(dark[:1, :1], dark[:1, :1])
    with pytest.raises(ValueError, match="NaN"):
        fsim(np.full((20, 20), np.nan), np.zeros((20, 20)))


def test_bit_depths_may_be_mixed(photo: Array, worse: Array) -> None:
    assert fsimc(worse / 255, photo.astype(np.uint16) * 257) == pytest.approx(fsimc(worse, photo))
