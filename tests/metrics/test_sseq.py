from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.stats import entropy, skew

from lightwell.metrics import load_sseq, sseq
from lightwell.metrics.nss import halve
from lightwell.metrics.sseq import sseq_features

Array = NDArray[Any]


def _plain_features(gray: Array) -> list[float]:
    """One scale, block by block, with scipy's entropy and skewness."""
    spatial, spectral = [], []
    for top in range(0, gray.shape[0] - 7, 8):
        for left in range(0, gray.shape[1] - 7, 8):
            block = gray[top : top + 8, left : left + 8]
            spatial.append(entropy(np.bincount(block.ravel(), minlength=256), base=2))
            power = dctn(block.astype(float), norm="ortho").ravel()[1:] ** 2
            spectral.append(entropy(power, base=2) if np.ptp(block) else 0)
    features = []
    for values in (spatial, spectral):
        m = len(values)
        middle = sorted(values)[int(0.2 * m) - 1 : int(0.8 * m)]
        features += [np.mean(middle), skew(values)]
    return [float(f) for f in features]


@pytest.mark.parametrize("shape", [(192, 224), (45, 39)])
def test_first_scale_is_that_of_the_plain_program(photo: Array, shape: tuple[int, int]) -> None:
    gray = photo[: shape[0], : shape[1], 0]
    assert sseq_features(gray)[:4] == pytest.approx(_plain_features(gray), abs=1e-9)


def test_long_pictures_are_done_in_strips(photo: Array) -> None:
    tall = np.concatenate([photo[:, :40, 0], photo[::-1, 40:80, 0], photo[:, 80:120, 0]])
    assert sseq_features(tall)[:4] == pytest.approx(_plain_features(tall), abs=1e-9)


def test_further_scales_are_halves_rounded_to_8_bits(photo: Array) -> None:
    gray = photo[:, :, 0]
    for scale in (1, 2):
        gray = np.clip(np.floor(halve(gray.astype(float)) + 0.5), 0, 255).astype(np.uint8)
        assert sseq_features(photo[:, :, 0])[4 * scale : 4 * scale + 4] == pytest.approx(
            _plain_features(gray), abs=1e-9
        )


def test_goldens(photo: Array, golden: dict[str, Any]) -> None:
    assert sseq_features(photo) == pytest.approx(golden["sseq features"], abs=1e-4)


def test_entropies_by_hand() -> None:
    # Every block has two levels, each as often as the other: one bit.
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, 1::2] = 200
    mean, skewness = sseq_features(stripes)[:2]
    assert mean == pytest.approx(1)
    assert skewness == 0
    # A block that is one cosine of the DCT has all its power in one place.
    wave = np.round(128 + 100 * np.cos(np.pi * (2 * np.arange(8) + 1) * 2 / 16)).astype(np.uint8)
    assert sseq_features(np.tile(wave, (64, 8)))[2] == pytest.approx(0, abs=0.01)


def test_score_by_hand(tmp_path: Path, photo: Array) -> None:
    (tmp_path / "model").write_text(
        "svm_type nu_svr\nkernel_type rbf\ngamma 0.01\nnr_class 2\ntotal_sv 1\nrho 3\nSV\n50 1:1\n"
    )
    target = np.zeros(12)
    target[0] = 1
    expected = 50 * np.exp(-0.01 * ((sseq_features(photo) - target) ** 2).sum()) - 3
    assert sseq(photo, load_sseq(tmp_path / "model")) == pytest.approx(expected)


def test_small_constant_and_bad_pictures() -> None:
    for level in (0, 100, 255):
        assert (sseq_features(np.full((37, 50, 3), level, np.uint8)) == 0).all()
    for shape in ((1, 1), (31, 100)):
        with pytest.raises(ValueError, match="32x32"):
            sseq_features(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="NaN"):
        sseq_features(np.full((40, 40), np.nan))


def test_bit_depth_does_not_matter(photo: Array) -> None:
    expected = sseq_features(photo)
    assert (sseq_features(photo.astype(np.uint16) * 257) == expected).all()
    assert (sseq_features(photo / 255) == expected).all()
