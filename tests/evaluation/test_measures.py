from __future__ import annotations

import numpy as np
import pytest

from lightwell import metrics
from lightwell.errors import WeightsError
from lightwell.evaluation.measures import by_name, by_protocol


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    target = rng.integers(30, 220, (200, 200, 3)).astype(np.uint8)
    return (target / 255 * 0.9).clip(0, 1), target


@pytest.mark.parametrize(("name", "best"), [("fsim", 1), ("fsimc", 1), ("ciede2000", 0), ("hue-error", 0)])
def test_metrics_with_truth_see_8_bits(pair, name, best):
    measure = by_name(name)
    restored, target = pair
    assert measure.needs_truth
    assert measure.call(target, target) == pytest.approx([best], abs=1e-4)
    rounded = np.floor(restored * 255 + 0.5).astype(np.uint8)
    assert measure.call(restored, target) == measure.call(rounded, target)
    assert measure.columns[0].higher_is_better == (best == 1)
    assert measure.columns[0].metric in measure.meanings


def test_a_protocol_gives_its_own_scores(pair):
    for name in metrics.PROTOCOLS:
        measure = by_protocol(name)
        assert measure.call(*pair) == metrics.score(*pair, name)
        assert {column.protocol for column in measure.columns} == {name} == set(measure.meanings)


def test_niqe_says_whose_parameters(pair):
    measure = by_name("niqe=lightwell-bsds300")
    assert not measure.needs_truth
    assert measure.columns[0].key == "niqe/lightwell-bsds300"
    assert measure.call(pair[1], None) == [metrics.niqe(pair[1], metrics.load_niqe("lightwell-bsds300"))]


@pytest.mark.parametrize("text", ["beauty", "fsim=a", "brisque", "sseq", "sseq=a,b,c", "niqe=a,b", "lpips-alex=a", ""])
def test_what_is_no_metric(text):
    with pytest.raises(ValueError, match="no metric"):
        by_name(text)


@pytest.mark.parametrize("text", ["niqe=none.npz", "brisque=none,none", "sseq=none", "lpips-vgg=none,none"])
def test_missing_files(text):
    with pytest.raises(WeightsError, match="none"):
        by_name(text)
