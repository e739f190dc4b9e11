"""Naturalness image quality evaluator: distance from the statistics of good photographs."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import as_file, files
from os import PathLike
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np
from scipy.special import gamma

from lightwell.downloads import Download
from lightwell.errors import WeightsError
from lightwell.metrics.batches import picture_by_picture
from lightwell.metrics.levels import Array, Float, check
from lightwell.metrics.nss import HALO, SHIFTS, fit_asymmetric, halve, matlab_gray, normalize

__all__ = ["OWN", "PUBLISHED", "NiqeParameters", "fit_niqe", "load_niqe", "niqe", "niqe_features"]

_BLOCK = 96
_FEATURES = 36
_SHARP = 0.75
_MOST_BYTES = 1 << 20

OWN = "lightwell-bsds300"
"""Name of the parameters fitted by `fit_niqe` on the Berkeley set's 300 training and validation photographs."""

PUBLISHED = Download(
    name="niqe_pris_params.npz",
    what="NIQE's published parameters",
    url="https://raw.githubusercontent.com/XPixelGroup/BasicSR/master/basicsr/metrics/niqe_pris_params.npz",
    sha256="2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296",
    most=_MOST_BYTES,
)


@dataclass(frozen=True, eq=False)
class NiqeParameters:
    """The multivariate Gaussian of good photographs' features, and the name that belongs beside every score.

    Shape:
        mean: ``(36,)``.
        covariance: ``(36, 36)``.
    """

    name: str
    mean: Float
    covariance: Float

    def save(self, path: str | PathLike[str]) -> None:
        """Writes an .npz that `load_niqe` reads, with the same two names as the published file."""
        np.savez_compressed(path, mu_pris_param=self.mean[None], cov_pris_param=self.covariance)


def load_niqe(source: str | PathLike[str] = "published") -> NiqeParameters:
    """NIQE's parameters: the published ones, lightwell's own, or those of a file.

    Args:
        source: ``"published"`` (from the cache, into which ``python -m lightwell.metrics download`` puts them),
            ``"lightwell-bsds300"`` (shipped; another scale, never to be compared with published scores), or the path of
            an .npz file, which is recognised as the published one by its content and named after itself otherwise.

    Raises:
        WeightsError: the file is missing or is none.
    """
    if source == OWN:
        with as_file(files("lightwell.metrics") / f"{OWN}.npz") as path:
            return _read(path, OWN)
    path = PUBLISHED.find() if source == "published" else Path(source)
    if not path.is_file():
        raise WeightsError(f"no NIQE parameters at {path}: give 'published', '{OWN}' or the path of an .npz file")
    return _read(path, "published" if PUBLISHED.matches(path) else path.name)


def _read(path: Path, name: str) -> NiqeParameters:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("the file is too large")
        if not is_zipfile(path):
            raise ValueError("it is no .npz file")
        with np.load(path, allow_pickle=False) as file:
            mean, covariance = file["mu_pris_param"].reshape(_FEATURES), file["cov_pris_param"]
        if (
            covariance.shape != (_FEATURES, _FEATURES)
            or not np.isfinite(covariance).all()
            or not np.isfinite(mean).all()
        ):
            raise ValueError("the covariance is not 36 x 36 finite numbers")
    except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error) as error:
        raise WeightsError(f"{path} does not hold NIQE parameters (mu_pris_param, cov_pris_param): {error}") from error
    return NiqeParameters(name, mean.astype(np.float64), covariance.astype(np.float64))


@picture_by_picture
def niqe(picture: Array, parameters: NiqeParameters | None = None) -> float:
    """NIQE, lower is better; no truth is needed.

    Mittal, Soundararajan, Bovik: "Making a 'Completely Blind' Image Quality Analyzer", IEEE Signal Processing Letters
    2013, as the authors' MATLAB program does it: gray rounded to 8 bits, blocks of 96x96 without overlap, the rest at
    the right and the bottom left out, two scales.

    Args:
        picture: uint8, uint16 or float in [0, 1].
        parameters: from `load_niqe`; the published ones if None. Scores by other parameters are on another scale.

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)`` with at least two whole blocks of 96x96.

    Returns:
        The distance, from 0 up, about 2 to 4 for good photographs; NaN where fewer than two blocks have any texture,
        as in a constant picture.

    Raises:
        ValueError: too small, NaN or infinity, a type or range that is not taken.
        WeightsError: the published parameters are wanted and not there.
    """
    parameters = parameters or load_niqe()
    features = niqe_features(picture)
    features = features[~np.isnan(features).any(1)]
    if len(features) < 2:
        return float("nan")
    difference = features.mean(0) - parameters.mean
    spread = np.linalg.pinv((np.cov(features, rowvar=False) + parameters.covariance) / 2)
    return float(np.sqrt(difference @ spread @ difference))


def niqe_features(picture: Array) -> Float:
    """The 36 features of every block of 96x96, row by row: 18 at full size, 18 at half size.

    Shape:
        ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``; returns ``(blocks, 36)``,
        the row of a block without texture with NaN in it.

    Raises:
        ValueError: fewer than two blocks, NaN or infinity, a type or range that is not taken.
    """
    return _features_and_sharpness(picture)[0]


def fit_niqe(pictures: Iterable[Array], name: str) -> NiqeParameters:
    """Parameters from good photographs: of each the blocks at least 0.75 times as sharp as its sharpest.

    Args:
        pictures: at least a hundred or so undistorted photographs of many kinds.
        name: what scores by these parameters are called.

    Raises:
        ValueError: as `niqe`, or there are no more blocks than features.
    """
    chosen = []
    for picture in pictures:
        features, sharpness = _features_and_sharpness(picture)
        chosen.append(features[(sharpness > _SHARP * sharpness.max()) & ~np.isnan(features).any(1)])
    rows = np.concatenate(chosen) if chosen else np.empty((0, _FEATURES))
    if len(rows) <= _FEATURES:
        raise ValueError(
            f"{len(rows)} sharp blocks are too few to fit NIQE's {_FEATURES} features: give more photographs"
        )
    return NiqeParameters(name, rows.mean(0), np.cov(rows, rowvar=False))


def _features_and_sharpness(picture: Array) -> tuple[Float, Float]:
    picture = check(picture)
    rows, columns = picture.shape[0] // _BLOCK, picture.shape[1] // _BLOCK
    if rows * columns < 2:
        height, width, _ = picture.shape
        raise ValueError(
            f"NIQE needs at least two whole blocks of {_BLOCK}x{_BLOCK} pixels; the picture has {height}x{width}"
        )
    gray = matlab_gray(picture[: rows * _BLOCK, : columns * _BLOCK])
    fine, sharpness = _scale(gray, _BLOCK)
    coarse, _ = _scale(halve(gray.astype(np.float64)), _BLOCK // 2)
    return np.concatenate([fine, coarse], 1), sharpness


def _scale(gray: Array, block: int) -> tuple[Float, Float]:
    """Features ``(blocks, 18)`` and mean local deviation ``(blocks,)`` of one scale."""
    padded = np.pad(gray, HALO, "edge")
    features, sharpness = [], []
    for top in range(0, len(gray), block):
        normalized, deviation = normalize(padded[top : top + block + 2 * HALO].astype(np.float64))
        blocks = np.ascontiguousarray(normalized.reshape(block, -1, block).swapaxes(0, 1))
        features.append(_block_features(blocks))
        sharpness.append(deviation.reshape(block, -1, block).mean((0, 2)))
    return np.concatenate(features), np.concatenate(sharpness)


def _block_features(blocks: Float) -> Float:
    shape, left, right = _fit(blocks)
    features = [shape, (left + right) / 2]
    for shift in SHIFTS:
        # Within the block: what leaves it on one side enters on the other.
        shape, left, right = _fit(blocks * np.roll(blocks, shift, (1, 2)))
        features += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
    return np.stack(features, 1)


def _fit(x: Float) -> tuple[Float, Float, Float]:
    """Shape, and left and right scale (not deviation) of the fit."""
    shape, left, right = fit_asymmetric(x)
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * scale, right * scale
