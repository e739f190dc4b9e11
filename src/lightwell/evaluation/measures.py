"""What a table can measure: the metrics by name, with what a report must say about each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lightwell.metrics import PROTOCOLS, score
from lightwell.metrics.levels import Array

__all__ = ["Column", "Measure", "by_protocol"]


@dataclass(frozen=True)
class Column:
    """One number of a table: its metric and how it was made."""

    metric: str
    protocol: str
    higher_is_better: bool
    decimals: int
    unit: str = ""

    @property
    def key(self) -> str:
        """What the number is called in files."""
        return f"{self.metric.lower()}/{self.protocol}"


@dataclass(frozen=True)
class Measure:
    """A function of a restored picture and, if it needs it, the truth, and the columns that it fills."""

    columns: tuple[Column, ...]
    call: Callable[[Array, Array | None], Sequence[float]]
    meaning: str
    needs_truth: bool = True


def by_protocol(name: str) -> Measure:
    """PSNR and SSIM under the named protocol of `lightwell.metrics.PROTOCOLS`."""
    protocol = PROTOCOLS[name]

    def call(restored: Array, target: Array | None) -> Sequence[float]:
        assert target is not None
        return score(restored, target, protocol)

    columns = (Column("PSNR", name, True, 2, "dB"), Column("SSIM", name, True, 4))
    return Measure(columns, call, protocol.meaning)
