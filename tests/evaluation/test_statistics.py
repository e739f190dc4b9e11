from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightwell.evaluation.statistics import adjust, compare, summarise


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(100):
        summary = summarise(rng.normal(20, 3, 15))
        assert summary.interval is not None
        inside += summary.interval[0] <= 20 <= summary.interval[1]
    assert 85 <= inside <= 99


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=20))
def test_the_interval_lies_within_the_values_and_is_the_same_every_time(values):
    summary = summarise(values)
    assert summary == summarise(values)
    assert summary.interval is not None
    low, high = summary.interval
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_no_interval_is_claimed_where_there_is_none():
    assert summarise([20.0, 21.0]).interval is None
    assert summarise([20.0, 21.0, np.inf]).interval is None
    assert summarise([20.0, 21.0, np.inf]).mean == np.inf
    assert summarise([5.0, 5.0, 5.0]).interval == (5.0, 5.0)
    with pytest.raises(ValueError, match="no values"):
        summarise([])


def test_the_signed_rank_test_gives_the_exact_value():
    # Six pictures, all better: the two-sided exact p is 2 / 2**6.
    difference = compare([1, 2, 3, 4, 5, 6], [0.9, 1.8, 2.7, 3.6, 4.5, 5.4])
    assert difference.p == pytest.approx(2 / 64)
    assert (difference.wins, difference.losses) == (6, 0)
    assert difference.summary.mean == pytest.approx(0.35)


def test_ties_infinities_and_lower_is_better():
    tie = compare([np.inf, 2.0, 3.0], [np.inf, 2.0, 3.0])
    assert (tie.p, tie.wins, tie.losses, tie.summary.mean) == (1.0, 0, 0, 0.0)
    assert np.isnan(compare([np.inf, 2.0, 3.0], [1.0, 2.0, 3.0]).p)
    lower = compare([1.0, 1.0, 5.0], [2.0, 2.0, 2.0], higher_is_better=False)
    assert (lower.wins, lower.losses) == (2, 1)
    with pytest.raises(ValueError, match="same length"):
        compare([1.0], [1.0, 2.0])


def test_holms_correction_by_hand():
    # Sorted: .01 x 3, .02 x 2, .04 x 1, then made monotone.
    np.testing.assert_allclose(adjust([0.02, 0.04, 0.01]), [0.04, 0.04, 0.03])
    np.testing.assert_allclose(adjust([0.9, 0.8]), [1.0, 1.0])
    np.testing.assert_allclose(adjust([np.nan, 0.03]), [np.nan, 0.03])
