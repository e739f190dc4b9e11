from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import gennorm

from lightwell.metrics.nss import fit_asymmetric, halve, matlab_gray, normalize
from lightwell.metrics.window import filter_valid, gaussian

Array = NDArray[Any]


@pytest.mark.parametrize("size", [(7, 7), (8, 38), (40, 7), (71, 133)])
def test_filter_is_correlation_where_the_window_lies_inside(size: tuple[int, int]) -> None:
    x = np.random.default_rng(0).random((2, *size))
    taps = np.array([1.0, 2, 3, 4, 5, 6, 7])
    windows = np.lib.stride_tricks.sliding_window_view(x, (7, 7), (1, 2))
    assert np.allclose(filter_valid(x, taps), np.einsum("nijkl,k,l->nij", windows, taps, taps))


def test_gaussian_by_hand() -> None:
    e = np.exp(-1 / (2 * 0.8**2))
    assert gaussian(3, 0.8) == pytest.approx(np.array([e, 1, e]) / (1 + 2 * e))


def test_normalized_luminance_at_one_pixel() -> None:
    gray = np.random.default_rng(3).integers(0, 256, (9, 10)).astype(float)
    y, x = np.mgrid[-3:4, -3:4]
    window = np.exp(-(x**2 + y**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    around = gray[1:8, 2:9]
    mean = (window * around).sum()
    deviation = np.sqrt((window * (around - mean) ** 2).sum())
    normalized, deviations = normalize(gray)
    assert normalized.shape == (3, 4)
    assert deviations[1, 2] == pytest.approx(deviation)
    assert normalized[1, 2] == pytest.approx((gray[4, 5] - mean) / (deviation + 1))


def test_a_flat_surface_has_no_luminance_left() -> None:
    for level in (0.0, 1.0, 77.0, 255.0):
        assert not normalize(np.full((20, 30), level))[0].any()


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize(("left", "right"), [(1.0, 1.0), (0.5, 2.0), (3.0, 1.0)])
def test_fit_finds_the_distribution_that_was_sampled(shape: float, left: float, right: float) -> None:
    # The quantiles of a symmetric distribution of deviation 1, each half stretched; halves weigh by their stretch.
    half = gennorm.ppf(0.5 + (np.arange(20_000) + 0.5) / 40_000, shape) / gennorm.std(shape)
    count_left = round(20_000 * left / (left + right))
    x = np.concatenate(
        [
            -left * np.interp(np.linspace(0, 1, count_left), np.linspace(0, 1, 20_000), half),
            right * np.interp(np.linspace(0, 1, 20_000 - count_left), np.linspace(0, 1, 20_000), half),
        ]
    )
    fit = fit_asymmetric(x.reshape(100, 200))
    assert fit.shape == pytest.approx(shape, rel=0.02)
    assert fit.left == pytest.approx(left, rel=0.02)
    assert fit.right == pytest.approx(right, rel=0.02)


def test_fit_of_one_sided_values_is_nan() -> None:
    for x in (np.ones((4, 4)), np.zeros((4, 4)), -np.ones((4, 4))):
        assert np.isnan(fit_asymmetric(x).shape)


@pytest.mark.parametrize("size", [(40, 60), (41, 33), (8, 8)])
def test_half_size_is_the_bicubic_of_a_mirrored_picture(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random(size) * 255
    mirrored = Image.fromarray(np.pad(picture, 8, "symmetric").astype(np.float32))
    whole = mirrored.width // 2 * 2, mirrored.height // 2 * 2
    expected = mirrored.crop((0, 0, *whole)).resize((whole[0] // 2, whole[1] // 2), Image.Resampling.BICUBIC)
    rows, columns = -(-size[0] // 2), -(-size[1] // 2)
    half = halve(picture)
    assert half.shape == (rows, columns)
    assert np.allclose(half, np.asarray(expected)[4 : 4 + rows, 4 : 4 + columns], atol=1e-3)


def test_half_of_small_and_constant_pictures() -> None:
    assert halve(np.array([[7.0]])) == pytest.approx(np.array([[7.0]]))
    assert np.allclose(halve(np.full((5, 6), 200.0)), 200)


def test_gray_of_any_depth(photo: Array) -> None:
    expected = np.round(photo @ [0.298936, 0.587043, 0.114021])
    for picture in (photo, photo.astype(np.uint16) * 257, photo / 255):
        assert (matlab_gray(picture) == expected).all()
    assert (matlab_gray(photo[:, :, :1]) == photo[:, :, 0]).all()
