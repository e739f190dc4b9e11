"""Support vector regression against libsvm itself.

``golden/libsvm_rbf.model`` was trained by libsvm 3.37 (``svm-train -s 3 -t 2 -g 0.3 -c 64 -p 2``) on 24 random points;
the predictions are those of its ``svm-predict``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lightwell.errors import WeightsError
from lightwell.metrics.svm import load_regressor

MODEL = Path(__file__).parents[1] / "golden/libsvm_rbf.model"
PREDICTED = [
    ([0.7419357620939508, 0.044827880455204916, 0.14725887546810967, -0.1773823687484395], 60.20591952416742),
    ([-1.065304085950223, 0.8880243724239356, 0.16799840130331267, -0.7203853915748566], -46.04679042626853),
    ([0.011329121829271926, -0.036179730653437936, -0.34370408509210626, -0.36941299495642827], 1.572982044696297),
    ([0.0, 0.0, 0.0, 0.0], 0.24740668244474673),
]


@pytest.mark.parametrize(("features", "expected"), PREDICTED)
def test_predictions_are_those_of_libsvm(features: list[float], expected: float) -> None:
    # The file keeps eight digits of the support vectors.
    assert load_regressor(MODEL, 4)(np.array(features)) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(("features", "expected"), PREDICTED)
def test_features_are_scaled_as_svm_scale_does(tmp_path: Path, features: list[float], expected: float) -> None:
    # Raw values in 10 to 30 are scaled to -1 to 1.
    (tmp_path / "range").write_text("x\n-1 1\n" + "".join(f"{k} 10 30\n" for k in range(1, 5)))
    regressor = load_regressor(MODEL, 4, tmp_path / "range")
    assert regressor(20 + 10 * np.array(features)) == pytest.approx(expected, abs=2e-5)


def test_a_feature_without_range_is_zero_as_svm_scale_leaves_it_out(tmp_path: Path) -> None:
    (tmp_path / "range").write_text("x\n0 1\n1 0 1\n2 0 1\n4 0 1\n")
    regressor = load_regressor(MODEL, 4, tmp_path / "range")
    assert regressor(np.array([0.2, 0.3, 55.0, 0.4])) == load_regressor(MODEL, 4)(np.array([0.2, 0.3, 0, 0.4]))


def test_nan_gives_nan() -> None:
    assert np.isnan(load_regressor(MODEL, 4)(np.array([0, np.nan, 0, 0])))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("epsilon_svr", "c_svc", "c_svc"),
        ("rbf", "linear", "linear"),
        ("total_sv 18", "total_sv 19", "19 announced"),
        ("gamma", "gamme", "gamma"),
        ("SV\n", "", "SV"),
        ("4:0.44308006", "5:0.44308006", "feature 5, where the metric has 4"),
        ("4:0.44308006", "0:0.44308006", "feature 0"),
        ("4:0.44308006", "4=0.44308006", "no libsvm model"),
        ("4:0.44308006", "4:abc", "no libsvm model"),
    ],
)
def test_other_models_are_refused(tmp_path: Path, old: str, new: str, why: str) -> None:
    text = MODEL.read_text()
    assert old in text
    (tmp_path / "model").write_text(text.replace(old, new, 1))
    with pytest.raises(WeightsError, match=why):
        load_regressor(tmp_path / "model", 4)


@pytest.mark.parametrize(
    "content", ["", "x\n", "y\n0 1\n0 100\nx\n-1 1\n", "x\n-1 1\n5 0 1\n", "x\n-1 1\n1 1 0\n", "x\n-1 1\n1 2\n"]
)
def test_other_range_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "range").write_text(content)
    with pytest.raises(WeightsError, match="range file"):
        load_regressor(MODEL, 4, tmp_path / "range")


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        load_regressor(tmp_path / "none", 4)
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(WeightsError, match="cannot be read"):
        load_regressor(tmp_path / "binary", 4)
