from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000

from lightwell.metrics import ciede2000, hue_error

Array = NDArray[Any]

# From table 1 of Sharma et al. 2005: two colors in CIELAB and their difference, the pairs that find mistakes in the
# formula's hue and in its rotation term.
SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


def _lab(rgb: tuple[int, int, int]) -> Array:
    """CIELAB of one sRGB color by the standard's own numbers (IEC 61966-2-1, CIE 15)."""
    encoded = np.array(rgb) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = matrix @ linear / [0.95047, 1, 1.08883]
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(("first", "second", "expected"), SHARMA)
def test_the_formula_is_the_published_one(first: Any, second: Any, expected: float) -> None:
    assert deltaE_ciede2000(np.array(first), np.array(second)) == pytest.approx(expected, abs=5.1e-5)


@pytest.mark.parametrize(
    ("first", "second"), [((200, 30, 40), (190, 60, 20)), ((10, 20, 90), (12, 20, 60)), ((240, 240, 230), (3, 1, 0))]
)
def test_difference_of_two_colors(first: Any, second: Any) -> None:
    expected = deltaE_ciede2000(_lab(first), _lab(second))
    a, b = (np.broadcast_to(np.array(rgb, np.uint8), (7, 9, 3)) for rgb in (first, second))
    assert ciede2000(a, b) == pytest.approx(expected, abs=0.01)
    assert ciede2000(b, a) == pytest.approx(expected, abs=0.01)


def test_mean_over_strips_of_pixels() -> None:
    # 300 x 400 pixels take several strips; a quarter of them is white instead of black.
    black, mixed = np.zeros((300, 400, 3), np.uint8), np.zeros((300, 400, 3), np.uint8)
    mixed[150:, 200:] = 255
    assert ciede2000(mixed, black) == pytest.approx(25, abs=1e-3)
    assert ciede2000(mixed, mixed) == 0


def test_hue_by_hand() -> None:
    red, orange = (np.broadcast_to(np.array(rgb, np.uint8), (6, 8, 3)) for rgb in ((220, 30, 30), (220, 130, 20)))
    (_, a1, b1), (_, a2, b2) = _lab((220, 30, 30)), _lab((220, 130, 20))
    expected = np.degrees(abs(np.arctan2(b1, a1) - np.arctan2(b2, a2)))
    assert hue_error(orange, red) == pytest.approx(expected, abs=0.1)
    assert hue_error(red, red) == 0


def test_hue_wraps() -> None:
    # A pink and a red on both sides of the angle 0: near, not 350 degrees apart.
    pink, red = (np.broadcast_to(np.array(rgb, np.uint8), (6, 8, 3)) for rgb in ((230, 90, 155), (230, 90, 100)))
    angles = [np.degrees(np.arctan2(_lab(rgb)[2], _lab(rgb)[1])) for rgb in ((230, 90, 155), (230, 90, 100))]
    assert angles[0] < 0 < angles[1]
    assert hue_error(pink, red) == pytest.approx(angles[1] - angles[0], abs=0.1)


def test_hue_weighs_chroma_and_counts_lost_color_as_90() -> None:
    truth = np.empty((2, 4, 3), np.uint8)
    truth[0], truth[1] = (220, 30, 30), (120, 120, 120)
    restored = truth.copy()
    restored[1] = (0, 0, 255)  # where the truth is gray no hue is wrong
    assert hue_error(restored, truth) == 0
    restored[0, :2] = 128  # half of the red is gray
    assert hue_error(restored, truth) == pytest.approx(45)


def test_brightness_alone_hardly_turns_hue(photo: Array) -> None:
    assert hue_error(photo // 2, photo) < 6
    assert hue_error(photo[:, :, ::-1], photo) > 30


@pytest.mark.parametrize("level", [0, 77, 255])
def test_gray_pictures_have_no_hue(level: int) -> None:
    for shape in ((1, 1, 3), (9, 9), (5, 6, 1)):
        picture = np.full(shape, level, np.uint8)
        assert np.isnan(hue_error(picture, picture))
        assert ciede2000(picture, picture) == 0


def test_gray_counts_as_equal_channels() -> None:
    dark, bright = np.full((5, 6), 40, np.uint8), np.full((5, 6), 200, np.uint8)
    expected = ciede2000(np.full((5, 6, 3), 40, np.uint8), np.full((5, 6, 3), 200, np.uint8))
    assert ciede2000(dark, bright) == pytest.approx(expected)


@pytest.mark.parametrize("metric", [ciede2000, hue_error])
def test_mixed_depths_and_bad_pictures(metric: Any, photo: Array, worse: Array) -> None:
    expected = metric(worse, photo)
    assert metric(worse / 255, photo.astype(np.uint16) * 257) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="NaN"):
        metric(np.full((4, 4, 3), np.nan), np.zeros((4, 4, 3)))
