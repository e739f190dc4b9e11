"""How sure a mean over few pictures is, and whether two methods really differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["Difference", "Summary", "adjust", "compare", "summarise"]

RESAMPLES = 9_999


@dataclass(frozen=True)
class Summary:
    """A mean over pictures with its 95 % interval; the interval is None where there is none to give."""

    mean: float
    count: int
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences, first minus second, with its interval and the test's two-sided p-value."""

    summary: Summary
    wins: int
    losses: int
    p: float


def summarise(values: ArrayLike) -> Summary:
    """The mean and its bias-corrected, accelerated bootstrap interval (Efron, JASA 1987) over pictures.

    The resampling is seeded, so the same values always give the same interval. There is no interval for fewer than
    three values or where one of them is infinite or missing.

    Args:
        values: one score per picture.

    Raises:
        ValueError: for no values at all.
    """
    scores = np.asarray(values, np.float64).ravel()
    if not scores.size:
        raise ValueError("no values to summarise")
    mean = float(scores.mean())
    if scores.size < 3 or not np.isfinite(scores).all():
        return Summary(mean, scores.size, None)
    if np.allclose(scores, mean, rtol=1e-12, atol=1e-12):  # the bootstrap's acceleration is 0/0 there
        return Summary(mean, scores.size, (mean, mean))
    rng = np.random.default_rng(0)
    interval = stats.bootstrap((scores,), np.mean, n_resamples=RESAMPLES, rng=rng).confidence_interval
    return Summary(mean, scores.size, (float(interval.low), float(interval.high)))


def compare(first: ArrayLike, second: ArrayLike, higher_is_better: bool = True) -> Difference:
    """Compares two methods on the same pictures by the Wilcoxon signed-rank test (Wilcoxon, Biometrics 1945).

    Args:
        first: scores of one method, a value per picture.
        second: scores of the other on the same pictures in the same order.
        higher_is_better: what counts as a win of ``first``.

    Returns:
        The difference; ``p`` is 1 where the methods tie on every picture and NaN where a score is not finite.

    Raises:
        ValueError: when the lengths differ or are zero.
    """
    a, b = np.asarray(first, np.float64).ravel(), np.asarray(second, np.float64).ravel()
    if a.size != b.size:
        raise ValueError(f"paired scores need the same length, got {a.size} and {b.size}")
    same = a == b  # so that two infinities tie
    difference = np.subtract(a, b, out=np.zeros_like(a), where=~same)
    summary = summarise(difference)
    if not np.isfinite(difference).all():
        p = float("nan")
    elif same.all():
        p = 1.0
    else:
        p = float(stats.wilcoxon(difference, zero_method="wilcox", method="auto").pvalue)
    better = difference if higher_is_better else -difference
    return Difference(summary, int((better > 0).sum()), int((better < 0).sum()), p)


def adjust(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down correction of several p-values (Holm, Scand. J. Statist. 1979); NaN stays NaN."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p)  # NaN goes last
    known = int((~np.isnan(p)).sum())
    scaled = p[order[:known]] * np.arange(known, 0, -1)
    adjusted = np.full_like(p, np.nan)
    adjusted[order[:known]] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted
