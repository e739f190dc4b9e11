"""Loss on the spectrum of a picture."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["frequency"]


def frequency(restored: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of the amplitudes of the spectra, without a word on phase.

    Spectra are not normalised, so the value grows with the number of pixels (a term of the DarkIR code's options,
    there weighted 0.01).
    """
    a, b = (torch.fft.rfft2(x).abs() for x in (restored, target))
    error: Tensor = (a - b).square().mean()
    return error
