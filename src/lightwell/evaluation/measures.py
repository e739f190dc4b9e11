"""What a table can measure: the metrics by name, with what a report must say about each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightwell import metrics
from lightwell.metrics import PROTOCOLS, score
from lightwell.metrics.levels import Array

__all__ = ["Column", "Measure", "by_name", "by_protocol"]

_OWN_NIQE = "lightwell-bsds300"

# Label, whether higher is better, decimals, unit, meaning.
_PLAIN = {
    "fsim": ("FSIM", True, 4, "", "feature similarity of the luminance (Zhang et al., 2011)"),
    "fsimc": ("FSIMc", True, 4, "", "feature similarity with colour (Zhang et al., 2011)"),
    "ciede2000": ("CIEDE2000", False, 2, "", "mean colour difference (Sharma et al., 2005); about 1 is just seen"),
    "hue-error": ("hue error", False, 1, "°", "mean difference of the hue angle, weighed by the truth's chroma"),
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

    ``fsim``, ``fsimc``, ``ciede2000`` and ``hue-error`` take none; ``lpips-alex`` and ``lpips-vgg`` the published
    weights or ``=BACKBONE,LINEAR``; ``niqe`` our own parameters, or with ``=published`` and other sources those of
    `lightwell.metrics.load_niqe`; ``brisque=MODEL,RANGE`` and ``sseq=MODEL[,RANGE]`` libsvm's files. Those that need
    the truth take both pictures as the protocol ``strict`` prepares them.

    Raises:
        ValueError: no such metric, or another number of files.
        WeightsError: a file is missing or is none.
    """
    name, _, rest = text.partition("=")
    files = rest.split(",") if rest else []
    if name in _PLAIN and not files:
        label, higher_is_better, decimals, unit, meaning = _PLAIN[name]
        metric: Callable[[Array, Array], float] = getattr(metrics, name.replace("-", "_"))
        return _with_truth(Column(label, "strict", higher_is_better, decimals, unit), metric, meaning)
    if name in ("lpips-alex", "lpips-vgg") and len(files) in (0, 2):
        net = name.removeprefix("lpips-")
        model = metrics.load_lpips(net, *files)
        meaning = f"learned perceptual distance (Zhang et al., 2018, version 0.1) by the net {net}"
        column = Column(f"LPIPS-{net}", "strict", False, 4)
        return _with_truth(column, lambda restored, target: metrics.lpips(restored, target, model), meaning)
    if name == "niqe" and len(files) <= 1:
        parameters = metrics.load_niqe(*(files or [_OWN_NIQE]))
        meaning = f"naturalness (Mittal et al., 2013) by the parameters {parameters.name}; others give another scale"
        column = Column("NIQE", parameters.name, False, 3)
        return _without_truth(column, lambda restored: metrics.niqe(restored, parameters), meaning)
    if name == "brisque" and len(files) == 2:
        brisque = metrics.load_brisque(files[0], files[1])
        meaning = f"distortion (Mittal et al., 2012) by the regression {Path(files[0]).name}"
        column = Column("BRISQUE", Path(files[0]).name, False, 2)
        return _without_truth(column, lambda restored: metrics.brisque(restored, brisque), meaning)
    if name == "sseq" and len(files) in (1, 2):
        sseq = metrics.load_sseq(*files)
        meaning = f"spatial and spectral entropy (Liu et al., 2014) by the regression {Path(files[0]).name}"
        column = Column("SSEQ", Path(files[0]).name, False, 2)
        return _without_truth(column, lambda restored: metrics.sseq(restored, sseq), meaning)
    known = (
        f"{', '.join(_PLAIN)}, lpips-alex, lpips-vgg, niqe[=published|FILE], brisque=MODEL,RANGE, sseq=MODEL[,RANGE]"
    )
    raise ValueError(f"no metric {text!r}; there are {known}")


def _with_truth(column: Column, metric: Callable[[Array, Array], float], meaning: str) -> Measure:
    strict = PROTOCOLS["strict"]

    def call(restored: Array, target: Array | None) -> Sequence[float]:
        assert target is not None
        return [metric(*strict.prepare(restored, target))]

    return Measure((column,), call, {strict.name: strict.meaning, column.metric: meaning})


def _without_truth(column: Column, metric: Callable[[Array], float], meaning: str) -> Measure:
    return Measure((column,), lambda restored, _: [metric(restored)], {column.metric: meaning}, needs_truth=False)
