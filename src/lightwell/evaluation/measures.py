"""What a table can measure: the metrics by name, with what a report must say about each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightwell import metrics
from lightwell.metrics import PROTOCOLS, score
from lightwell.metrics.levels import Array

__all__ = ["Column", "Measure", "by_name", "by_protocol"]

# Name, whether higher is better, decimals, meaning.
_WITH_TRUTH = {
    "fsim": ("FSIM", True, 4, "feature similarity of the luminance (Zhang et al., 2011)"),
    "fsimc": ("FSIMc", True, 4, "feature similarity with colour (Zhang et al., 2011)"),
}


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
    meanings: Mapping[str, str]
    needs_truth: bool = True


def by_protocol(name: str) -> Measure:
    """PSNR and SSIM under the named protocol of `lightwell.metrics.PROTOCOLS`."""
    protocol = PROTOCOLS[name]

    def call(restored: Array, target: Array | None) -> Sequence[float]:
        assert target is not None
        return score(restored, target, protocol)

    columns = (Column("PSNR", name, True, 2, "dB"), Column("SSIM", name, True, 4))
    return Measure(columns, call, {name: protocol.meaning})


def by_name(text: str) -> Measure:
    """A further metric by name, with the files it needs behind an equals sign, as ``niqe=mine.npz``.

    Those that need the truth take both pictures as the protocol ``strict`` prepares them. ``niqe`` takes the published
    parameters, or other ones as `lightwell.metrics.load_niqe` does; ``brisque=MODEL,RANGE`` and ``sseq=MODEL[,RANGE]``
    take libsvm files.

    Raises:
        ValueError: no such metric, or another number of files.
        WeightsError: a file is missing or is none.
    """
    name, _, rest = text.partition("=")
    paths = rest.split(",") if rest else []
    if name in _WITH_TRUTH and not paths:
        label, higher_is_better, decimals, meaning = _WITH_TRUTH[name]
        metric = getattr(metrics, name)

        def call(restored: Array, target: Array | None) -> Sequence[float]:
            assert target is not None
            return [metric(*PROTOCOLS["strict"].prepare(restored, target))]

        columns = (Column(label, "strict", higher_is_better, decimals),)
        return Measure(columns, call, {"strict": PROTOCOLS["strict"].meaning, label: meaning})
    if name == "niqe" and len(paths) <= 1:
        parameters = metrics.load_niqe(*paths)
        column = Column("NIQE", parameters.name, False, 3)
        meaning = f"naturalness (Mittal et al., 2013) by the parameters {parameters.name}; by others, on another scale"
        return Measure((column,), lambda restored, _: [metrics.niqe(restored, parameters)], {"NIQE": meaning}, False)
    if name == "brisque" and len(paths) == 2:
        brisque = metrics.load_brisque(paths[0], paths[1])
        column = Column("BRISQUE", "no truth", False, 2)
        meaning = f"distortion (Mittal et al., 2012) by the regression {Path(paths[0]).name}"
        return Measure((column,), lambda restored, _: [metrics.brisque(restored, brisque)], {"BRISQUE": meaning}, False)
    if name == "sseq" and len(paths) in (1, 2):
        sseq = metrics.load_sseq(*paths)
        column = Column("SSEQ", "no truth", False, 2)
        meaning = f"spatial and spectral entropy (Liu et al., 2014) by the regression {Path(paths[0]).name}"
        return Measure((column,), lambda restored, _: [metrics.sseq(restored, sseq)], {"SSEQ": meaning}, False)
    raise ValueError(
        f"no metric {text!r}; there are {', '.join(_WITH_TRUTH)}, niqe[=FILE], brisque=MODEL,RANGE, sseq=MODEL[,RANGE]"
    )
