from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import correlate, gaussian_filter
from scipy.special import gamma

from lightwell.metrics import brisque, load_brisque
from lightwell.metrics.brisque import brisque_features

Array = NDArray[Any]


def _plain_features(gray: Array) -> list[float]:
    """One scale, written out as the paper does, one number at a time."""
    y, x = np.mgrid[-3:4, -3:4]
    window = np.exp(-(x**2 + y**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    mean = correlate(gray, window, mode="constant")
    deviation = np.sqrt(np.abs(correlate(gray**2, window, mode="constant") - mean**2))
    m = (gray - mean) / (deviation + 1)

    shapes = np.arange(200, 10001) / 1000
    ratios = gamma(1 / shapes) * gamma(3 / shapes) / gamma(2 / shapes) ** 2
    features = [shapes[np.abs(ratios - np.mean(m**2) / np.mean(np.abs(m)) ** 2).argmin()], np.mean(m**2)]
    for down, right in ((0, 1), (1, 0), (1, 1), (-1, 1)):
        v = (m * np.roll(m, (down, right), (0, 1))).ravel()
        sl, sr = np.sqrt(np.mean(v[v < 0] ** 2)), np.sqrt(np.mean(v[v > 0] ** 2))
        g = sl / sr
        r = np.mean(np.abs(v)) ** 2 / np.mean(v**2) * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
        a = shapes[np.abs(1 / ratios - r).argmin()]
        mu = (sr - sl) * np.sqrt(gamma(1 / a) / gamma(3 / a)) * gamma(2 / a) / gamma(1 / a)
        features += [a, mu, sl**2, sr**2]
    return [float(f) for f in features]


@pytest.mark.parametrize("shape", [(192, 224), (33, 50), (16, 16)])
def test_features_are_those_of_the_plain_program(photo: Array, shape: tuple[int, int]) -> None:
    gray = photo[: shape[0], : shape[1], 0]
    assert brisque_features(gray)[:18] == pytest.approx(_plain_features(gray.astype(float)), abs=2e-3)


def test_goldens(photo: Array, golden: dict[str, Any]) -> None:
    assert brisque_features(photo) == pytest.approx(golden["brisque features"], abs=2e-3)


def test_score_by_hand(tmp_path: Path, photo: Array) -> None:
    """One support vector at zero: rho -10, coefficient 50, gamma 0.5, features scaled to -1 to 1."""
    (tmp_path / "model").write_text(
        "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.5\nnr_class 2\ntotal_sv 1\nrho -10\nSV\n50 \n"
    )
    (tmp_path / "range").write_text("x\n-1 1\n" + "".join(f"{k} -4 6\n" for k in range(1, 37)))
    scaled = (brisque_features(photo) + 4) / 10 * 2 - 1
    expected = 10 + 50 * np.exp(-0.5 * (scaled**2).sum())
    regressor = load_brisque(tmp_path / "model", tmp_path / "range")
    assert brisque(photo, regressor) == pytest.approx(expected)
    assert np.isnan(brisque(np.full((40, 40, 3), 77, np.uint8), regressor))


def test_noise_and_blur_move_the_variance_apart(photo: Array) -> None:
    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 60, photo.shape), 0, 255).astype(np.uint8)
    blurred = gaussian_filter(photo, (2, 2, 0))
    assert brisque_features(blurred)[1] < 0.5 * brisque_features(photo)[1] < 0.5 * brisque_features(noisy)[1]


def test_small_constant_and_bad_pictures() -> None:
    for level in (0, 100, 255):
        assert np.isnan(brisque_features(np.full((20, 30, 3), level, np.uint8))).any()
    for shape in ((1, 1), (15, 40)):
        with pytest.raises(ValueError, match="16x16"):
            brisque_features(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="NaN"):
        brisque_features(np.full((20, 20), np.nan))


def test_bit_depth_does_not_matter(photo: Array) -> None:
    expected = brisque_features(photo)
    assert (brisque_features(photo.astype(np.uint16) * 257) == expected).all()
    assert (brisque_features(photo / 255) == expected).all()
