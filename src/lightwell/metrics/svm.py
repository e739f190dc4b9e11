"""Support vector regression with models that libsvm wrote, for the metrics that are trained that way."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from lightwell.errors import WeightsError
from lightwell.metrics.levels import Float

__all__ = ["Regressor", "load_regressor"]

_MOST_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class Regressor:
    """An RBF support vector regression, and the scaling that belongs before it.

    Chang, Lin: "LIBSVM: A Library for Support Vector Machines", ACM TIST 2011, section 2.4.

    Shape:
        vectors: ``(n, f)``.
        coefficients: ``(n,)``.
        low, high: ``(f,)``, what is scaled to ``lower`` and ``upper``; NaN in both for a feature that is always zero.
    """

    vectors: Float
    coefficients: Float
    gamma: float
    rho: float
    low: Float
    high: Float
    lower: float = -1.0
    upper: float = 1.0

    def __call__(self, features: Float) -> float:
        """The prediction for one vector of f features; NaN where one of them is."""
        if np.isnan(features).any():
            return float("nan")
        scaled = self.lower + (self.upper - self.lower) * (features - self.low) / (self.high - self.low)
        distances = np.square(self.vectors - np.nan_to_num(scaled)).sum(1)
        return float(self.coefficients @ np.exp(-self.gamma * distances) - self.rho)


def load_regressor(model: str | PathLike[str], features: int, scale: str | PathLike[str] | None = None) -> Regressor:
    """Reads a model file of ``svm-train`` (epsilon- or nu-SVR, RBF kernel) and a range file of ``svm-scale``.

    Args:
        features: how many the metric has.
        scale: range file; without it the features go to the model as they are.

    Raises:
        WeightsError: a file is missing, of another kind, or for other features.
    """
    vectors, coefficients, header = _read_model(Path(model), features)
    if scale is None:
        return Regressor(
            vectors, coefficients, header["gamma"], header["rho"], np.zeros(features), np.ones(features), 0.0, 1.0
        )
    return Regressor(vectors, coefficients, header["gamma"], header["rho"], *_read_scale(Path(scale), features))


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise WeightsError(f"{path} is too large for a libsvm file ({_MOST_BYTES >> 20} MiB at most)")
        return path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} cannot be read as a libsvm file: {error}") from error


def _read_model(path: Path, features: int) -> tuple[Float, Float, dict[str, float]]:
    lines = _lines(path)
    try:
        start = lines.index("SV")
        header = dict(line.split(maxsplit=1) for line in lines[:start])
        kind, kernel = header.get("svm_type"), header.get("kernel_type")
        if kind not in ("epsilon_svr", "nu_svr") or kernel != "rbf":
            raise ValueError(f"it is {kind} with kernel {kernel}; taken are epsilon_svr and nu_svr with rbf")
        rows = [line.split() for line in lines[start + 1 :] if line.strip()]
        if len(rows) != int(header["total_sv"]):
            raise ValueError(f"{len(rows)} support vectors, {header['total_sv']} announced")
        vectors = np.zeros((len(rows), features))
        for row, (_, *entries) in enumerate(rows):
            for entry in entries:
                index, value = entry.split(":")
                vectors[row, _position(index, features)] = float(value)
        coefficients = np.array([float(row[0]) for row in rows])
        numbers = {key: float(header[key]) for key in ("gamma", "rho")}
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{path} is no libsvm model that can be used here: {error}") from error
    return vectors, coefficients, numbers


def _read_scale(path: Path, features: int) -> tuple[Float, Float, float, float]:
    lines = [line.split() for line in _lines(path) if line.strip()]
    low, high = np.full((2, features), np.nan)
    try:
        if lines[0] != ["x"]:
            raise ValueError("it does not begin with x (scaled targets are not taken)")
        lower, upper = map(float, lines[1])
        for index, least, most in lines[2:]:
            low[_position(index, features)], high[_position(index, features)] = float(least), float(most)
        if (high <= low).any():
            raise ValueError("a feature's range is empty")
    except (IndexError, ValueError) as error:
        raise WeightsError(f"{path} is no range file of svm-scale that can be used here: {error}") from error
    return low, high, lower, upper


def _position(index: str, features: int) -> int:
    if not 1 <= int(index) <= features:
        raise ValueError(f"feature {index}, where the metric has {features}")
    return int(index) - 1
