"""Times every metric on a 12-megapixel pair, as ratios within one run: ``python benchmarks/metrics.py``.

On one thread. "times SSIM" is the time over that of scikit-image's SSIM with the same window; "reference" is another
program's time for the same number over ours, so more than 1 means that ours is quicker. Takes about a minute.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded; the references use one thread too

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter
from scipy.special import gamma
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lightwell import metrics
from lightwell.metrics.brisque import brisque_features
from lightwell.metrics.niqe import niqe_features
from lightwell.metrics.nss import halve, matlab_gray
from lightwell.metrics.sseq import sseq_features

Array = NDArray[Any]


def pair(megapixels: float) -> tuple[Array, Array]:
    """A made-up photograph and a worse version of it, uint8, 4 to 3."""
    height, width = round((megapixels * 1e6 * 3 / 4) ** 0.5), round((megapixels * 1e6 * 4 / 3) ** 0.5)
    rng = np.random.default_rng(0)
    coarse = gaussian_filter(rng.normal(0, 400, (height // 8 + 1, width // 8 + 1, 3)), (4, 4, 0))
    target = 128 + np.kron(coarse, np.ones((8, 8, 1)))[:height, :width] + rng.normal(0, 6, (height, width, 1))
    restored = 0.95 * target + rng.normal(0, 8, (height, width, 1))
    return np.clip(restored, 0, 255).astype(np.uint8), np.clip(target, 0, 255).astype(np.uint8)


def skimage_ssim(restored: Array, target: Array) -> float:
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    return float(structural_similarity(restored, target, channel_axis=2, **settings))


def plain_niqe_features(picture: Array) -> Array:
    """NIQE's features the way the published programs go: one filter of 7x7, then block by block."""
    y, x = np.mgrid[-3:4, -3:4]
    window = np.exp(-(x**2 + y**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    shapes = np.arange(0.2, 10.0005, 0.001)
    ratios = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))

    def fit(v: Array) -> list[float]:
        left, right = np.sqrt(np.mean(v[v < 0] ** 2)), np.sqrt(np.mean(v[v > 0] ** 2))
        skew = left / right
        ratio = np.mean(np.abs(v)) ** 2 / np.mean(v**2) * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
        shape = shapes[np.argmin((ratios - ratio) ** 2)]
        scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
        return [shape, (right - left) * scale * gamma(2 / shape) / gamma(1 / shape), left * scale, right * scale]

    gray = matlab_gray(picture)[: picture.shape[0] // 96 * 96, : picture.shape[1] // 96 * 96].astype(float)
    columns = []
    for block in (96, 48):
        mean = convolve(gray, window, mode="nearest")
        deviation = np.sqrt(np.abs(convolve(gray**2, window, mode="nearest") - mean**2))
        normalized = (gray - mean) / (deviation + 1)
        rows = []
        for top in range(0, gray.shape[0], block):
            for left in range(0, gray.shape[1], block):
                m = normalized[top : top + block, left : left + block]
                shape, _, low, high = fit(m)
                row = [shape, (low + high) / 2]
                for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
                    row += fit(m * np.roll(m, shift, (0, 1)))
                rows.append(row)
        columns.append(rows)
        gray = halve(gray)
    return np.concatenate(columns, 1)


def skimage_ciede2000(restored: Array, target: Array) -> float:
    return float(deltaE_ciede2000(rgb2lab(restored), rgb2lab(target)).mean())


def seconds(function: Callable[[], object], runs: int = 2) -> float:
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=12.0)
    a, b = pair(parser.parse_args().megapixels)
    few = len(a) // 8  # rows for a reference that would take long or much memory

    ours: dict[str, Callable[[], object]] = {
        "psnr": lambda: metrics.psnr(a, b),
        "ssim": lambda: metrics.ssim(a, b),
        "score strict": lambda: metrics.score(a, b, "strict"),
        "score gtmean-gray": lambda: metrics.score(a, b, "gtmean-gray"),
        "score y": lambda: metrics.score(a, b, "y"),
        "fsimc": lambda: metrics.fsimc(a, b),
        "niqe": lambda: niqe_features(a),
        "brisque": lambda: brisque_features(a),
        "sseq": lambda: sseq_features(a),
        "ciede2000": lambda: metrics.ciede2000(a, b),
        "hue_error": lambda: metrics.hue_error(a, b),
    }
    references: dict[str, tuple[str, Callable[[], object], float]] = {
        "psnr": ("scikit-image", lambda: peak_signal_noise_ratio(b, a, data_range=255), 1),
        "niqe": ("filter 7x7, block by block", lambda: plain_niqe_features(a), 1),
        "ciede2000": ("scikit-image, 1/8 of the rows", lambda: skimage_ciede2000(a[:few], b[:few]), len(a) / few),
    }
    yardstick = seconds(lambda: skimage_ssim(a, b))
    print(f"{a.shape[1]} x {a.shape[0]} pixels; scikit-image's SSIM took {yardstick:.2f} s here")
    print(f"{'metric':<18} {'times SSIM':>10} {'reference':>10}")
    for name, function in ours.items():
        took = seconds(function, 2 if name in ("psnr", "ssim", "niqe") else 1)
        if name == "ssim":
            compared = f"{yardstick / took:10.2f}  scikit-image"
        elif name in references:
            whose, reference, share = references[name]
            compared = f"{seconds(reference, 1) * share / took:10.2f}  {whose}"
        else:
            compared = f"{'':>10}"
        print(f"{name:<18} {took / yardstick:10.3f} {compared}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
