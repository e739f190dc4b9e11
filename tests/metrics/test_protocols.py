from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lightwell.metrics import PROTOCOLS, psnr, score, ssim

Array = NDArray[Any]


def test_names() -> None:
    assert list(PROTOCOLS) == ["strict", "gtmean-gray", "y", "float"]
    assert all(PROTOCOLS[name].name == name for name in PROTOCOLS)
    with pytest.raises(ValueError, match="strict, gtmean-gray"):
        score(np.zeros((16, 16)), np.zeros((16, 16)), "gtmean")


def test_strict_changes_nothing_of_8_bit_pictures(photo: Array) -> None:
    dark = photo // 2
    assert score(dark, photo, "strict") == (psnr(dark, photo), ssim(dark, photo))


def test_strict_rounds_to_8_bits_and_float_does_not(photo: Array) -> None:
    # 0.4 of a level is lost by rounding to 8 bits, 0.6 becomes a whole level.
    below, above = np.clip(photo, 1, 253) / 255 + 0.4 / 255, np.clip(photo, 1, 253) / 255 + 0.6 / 255
    target = np.clip(photo, 1, 253)
    assert score(below, target, "strict").psnr == float("inf")
    assert score(above, target, "strict").psnr == pytest.approx(20 * np.log10(255))
    assert score(below, target, "float").psnr == pytest.approx(20 * np.log10(255 / 0.4))


def test_a_file_scores_as_the_array_it_was_written_from(photo: Array) -> None:
    restored = np.clip(photo / 255 + np.random.default_rng(0).normal(0, 0.03, photo.shape), 0, 1)
    written = np.round(restored * 255).astype(np.uint8)
    for name in ("strict", "y"):
        assert score(restored, photo, name) == score(written, photo, name)


def test_one_gain_is_undone_by_gtmean_gray(photo: Array) -> None:
    target = photo / 255
    assert score(target * 0.25, target, "strict").psnr < 15
    assert score(target * 0.25, target, "gtmean-gray").psnr == float("inf")


def test_gtmean_gray_by_hand() -> None:
    # Mean gray of the truth: 0.299*100 + 0.587*50 + 0.114*200 = 82.05. The output's halves are gray, 20 and 62.05,
    # their mean 41.025, so the gain is 2: the halves become 40 and 124.1, rounded 124.
    target = np.broadcast_to(np.array([100, 50, 200], np.uint8), (20, 20, 3))
    restored = np.empty((20, 20, 3))
    restored[:10], restored[10:] = 20 / 255, 62.05 / 255
    errors = np.array([[60, 10, 160], [24, 74, 76]], float)
    assert score(restored, target, "gtmean-gray").psnr == pytest.approx(10 * np.log10(255**2 / np.mean(errors**2)))


def test_gtmean_gray_clips() -> None:
    # The gain is about 2.12: 60 becomes 127 and a bit, one pixel of 250 stays at 255.
    target = np.full((20, 20), 128, np.uint8)
    restored = np.full((20, 20), 60, np.uint8)
    restored[0, 0] = 250
    gain = 128 / ((60 * 399 + 250) / 400)
    values = np.append(np.full(399, np.floor(60 * gain + 0.5)), 255)
    assert score(restored, target, "gtmean-gray").psnr == pytest.approx(
        10 * np.log10(255**2 / np.mean((values - 128) ** 2))
    )


def test_a_black_output_has_no_gain(photo: Array) -> None:
    black = np.zeros_like(photo)
    assert score(black, photo, "gtmean-gray") == score(black, photo, "strict")


@pytest.mark.parametrize(
    ("rgb", "luma"),
    [
        ((255, 0, 0), 81),
        ((0, 255, 0), 145),
        ((0, 0, 255), 41),
        ((0, 0, 0), 16),
        ((255, 255, 255), 235),
        ((128, 128, 128), 126),
    ],
)
def test_luma_is_that_of_rgb2ycbcr(rgb: tuple[int, int, int], luma: int) -> None:
    """Against the values that MATLAB's rgb2ycbcr and every BT.601 table give for the primaries."""
    picture = np.broadcast_to(np.array(rgb, np.uint8), (16, 16, 3))
    black = np.zeros((16, 16, 3), np.uint8)
    expected = float("inf") if luma == 16 else 20 * np.log10(255 / (luma - 16))
    assert score(picture, black, "y").psnr == pytest.approx(expected)


def test_gray_pictures_have_the_luma_of_equal_channels(photo: Array) -> None:
    gray, dark = photo[:, :, 0], photo[:, :, 0] // 3
    rgb = [np.repeat(x[:, :, None], 3, 2) for x in (dark, gray)]
    assert score(dark, gray, "y") == pytest.approx(score(*rgb, "y"))


def test_metrics_load_no_torch() -> None:
    command = "import sys, lightwell.metrics; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", command], check=True)
