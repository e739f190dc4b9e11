"""PSNR and SSIM, and what all metrics do with the pictures they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from lightwell.metrics import psnr, ssim

Array = NDArray[Any]


def _random(shape: tuple[int, ...], seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_psnr_by_hand() -> None:
    black = np.zeros((4, 5, 3), np.uint8)
    assert psnr(black, black + 255) == pytest.approx(0)
    assert psnr(black + 100, black + 110) == pytest.approx(20 * np.log10(25.5))
    one_wrong = black.copy()
    one_wrong[0, 0, 0] = 60
    assert psnr(one_wrong, black) == pytest.approx(10 * np.log10(255**2 * 60 / 3600))


def test_psnr_of_equal_pictures_is_infinite() -> None:
    assert psnr(_random((70, 3), 0), _random((70, 3), 0)) == float("inf")


@given(st.integers(1, 150), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_psnr_is_the_formula_at_any_size(height: int, width: int, channels: int, seed: int) -> None:
    a, b = _random((height, width, channels), seed), _random((height, width, channels), seed + 1)
    mse = np.mean((a.astype(float) - b) ** 2)
    assert psnr(a, b) == pytest.approx(10 * np.log10(255**2 / mse))


@pytest.mark.parametrize("shape", [(11, 11), (11, 40, 3), (75, 43, 1), (140, 32, 3), (43, 107)])
def test_ssim_agrees_with_scikit_image(shape: tuple[int, ...]) -> None:
    a = _random(shape, 1)
    b = np.clip(a + np.random.default_rng(2).normal(0, 30, shape), 0, 255).astype(np.uint8)
    expected = structural_similarity(
        a,
        b,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2 if len(shape) == 3 else None,
    )
    assert ssim(a, b) == pytest.approx(expected, abs=1e-6)


def test_ssim_of_constants_by_hand() -> None:
    # No variance, no covariance: only the luminance term is left, (2 a b + C1) / (a^2 + b^2 + C1).
    a, b, c1 = 200.0, 50.0, 6.5025
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert ssim(np.full((20, 30, 3), 200, np.uint8), np.full((20, 30, 3), 50, np.uint8)) == pytest.approx(
        expected, abs=1e-5
    )
    assert ssim(np.zeros((12, 12)), np.zeros((12, 12))) == 1


def test_ssim_is_symmetric_and_one_only_for_equal_pictures(photo: Array) -> None:
    noisy = np.clip(photo + np.random.default_rng(1).normal(0, 9, photo.shape), 0, 255).astype(np.uint8)
    assert ssim(noisy, photo) == pytest.approx(ssim(photo, noisy), abs=1e-7)
    assert ssim(photo, photo) == pytest.approx(1, abs=1e-7)
    assert ssim(noisy, photo) < 0.95


def test_official_scores(calibration: dict[str, dict[str, Any]]) -> None:
    """PSNR over RGB to the two digits of the table, SSIM on rounded gray to its four."""
    for official in calibration.values():
        restored, target = official["restored"], official["target"]
        assert psnr(restored, target) == pytest.approx(official["psnr"], abs=0.0051)
        grays = [np.round(x @ [0.299, 0.587, 0.114]).astype(np.uint8) for x in (restored, target)]
        assert ssim(*grays) == pytest.approx(official["ssim"], abs=5.1e-5)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_bit_depths_may_be_mixed(metric: Any, photo: Array) -> None:
    other = _random(photo.shape, 3)
    expected = metric(photo, other)
    assert metric(photo.astype(np.uint16) * 257, other) == pytest.approx(expected, abs=1e-6)
    assert metric(photo / 255, other.astype(np.uint16) * 257) == pytest.approx(expected, abs=1e-6)
    assert metric((photo.astype(np.uint16) * 257).astype(">u2"), other) == pytest.approx(expected, abs=1e-6)
    assert metric(photo / np.float32(255), other) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_the_pictures_are_not_changed(metric: Any, photo: Array) -> None:
    a, b = photo / 255, (photo // 2) / 255
    copies = a.copy(), b.copy()
    metric(a, b)
    assert (a == copies[0]).all()
    assert (b == copies[1]).all()


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (np.full((16, 16, 3), np.nan), "NaN"),
        (np.full((16, 16, 3), np.inf), "infinity"),
        (np.full((16, 16, 3), 128.0), r"\[0, 1\]"),
        (np.full((16, 16, 3), -0.1), r"\[0, 1\]"),
        (np.zeros((16, 16, 3), np.int64), "int64"),
        (np.zeros((16, 16, 3), bool), "bool"),
        (np.zeros((16, 16, 4), np.uint8), "shape"),
        (np.zeros((3, 16, 16), np.uint8), "shape"),
        (np.zeros((1, 16, 16, 3), np.uint8), "shape"),
        (np.zeros((0, 16, 3), np.uint8), "shape"),
        (np.zeros((16, 17, 3), np.uint8), "same"),
        (np.zeros((16, 16), np.uint8), "same"),
    ],
)
def test_bad_pictures_are_named(metric: Any, bad: Array, why: str) -> None:
    good = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match=why):
        metric(bad, good)
    with pytest.raises(ValueError, match=why):
        metric(good, bad)


def test_one_pixel() -> None:
    a, b = np.full((1, 1, 3), 10, np.uint8), np.full((1, 1, 3), 20, np.uint8)
    assert psnr(a, b) == pytest.approx(20 * np.log10(25.5))
    with pytest.raises(ValueError, match="11x11"):
        ssim(a, b)
