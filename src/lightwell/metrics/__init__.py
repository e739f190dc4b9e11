"""Measures of restored pictures, and the protocols that say how a number was made.

Pictures are RGB or gray arrays, channels last, sRGB-encoded: uint8, uint16 or float in [0, 1], bit depths freely mixed.
NaN, infinity, an unknown type or range and unequal shapes are a ``ValueError`` everywhere; each measure says what a
constant picture scores and how small a picture may be. A score that does not exist is NaN, never a made-up number.

How far they agree with the scores of the authors' programs (five pictures of TID2013, in tests/metrics):

- PSNR, SSIM: all digits of the table, 2 and 4.
- FSIMc: all 4 digits.
- NIQE: 9 digits where no surface is flat, else within 0.6 % (there the authors' program fits its own rounding).
- BRISQUE, SSEQ: features only, against a plain program: the authors' models may not be shipped.
- LPIPS: against torch's own layers with random weights: the published weights were not at hand.
- CIEDE2000: all 4 digits of the published test pairs.

Examples:
    >>> from lightwell.metrics import score
    >>> score(restored, target, "strict")
    Scores(psnr=22.87, ssim=0.844)
"""

from __future__ import annotations

# Not loaded name by name: the functions bear their modules' names, and whoever came first would decide which one
# `lightwell.metrics.psnr` is. None of these modules loads torch; LPIPS does when it is used.
from lightwell.metrics.brisque import brisque, load_brisque
from lightwell.metrics.color import ciede2000, hue_error
from lightwell.metrics.flicker import flicker, mabd, mabd_error
from lightwell.metrics.fsim import fsim, fsimc
from lightwell.metrics.lpips import Lpips, load_lpips, lpips
from lightwell.metrics.niqe import NiqeParameters, load_niqe, niqe
from lightwell.metrics.protocols import PROTOCOLS, Protocol, Scores, score
from lightwell.metrics.psnr import psnr
from lightwell.metrics.running import Running
from lightwell.metrics.sseq import load_sseq, sseq
from lightwell.metrics.ssim import ssim

__all__ = [
    "PROTOCOLS",
    "Lpips",
    "NiqeParameters",
    "Protocol",
    "Running",
    "Scores",
    "brisque",
    "ciede2000",
    "flicker",
    "fsim",
    "fsimc",
    "hue_error",
    "load_brisque",
    "load_lpips",
    "load_niqe",
    "load_sseq",
    "lpips",
    "mabd",
    "mabd_error",
    "niqe",
    "psnr",
    "score",
    "sseq",
    "ssim",
]
