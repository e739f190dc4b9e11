"""The two-dimensional real Fourier transform, by FFT or by matrix products.

Both ways give ``torch.fft.rfft2`` with ``norm="backward"`` as a pair of real tensors. The matrix products are what an
exported graph uses: no runtime needs an FFT operator or a complex type for them, and sizes may stay dynamic.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["irfft2", "rfft2"]


def rfft2(x: Tensor, fold: int = 1) -> tuple[Tensor, Tensor]:
    """Real part and imaginary part of the one-sided spectrum.

    Args:
        x: real tensor ``(..., H, W)``.
        fold: a divisor of H and W; used by the matrix form alone.

    Returns:
        Two tensors ``(..., H, W // 2 + 1)``.
    """
    spectrum = torch.fft.rfft2(x)
    return spectrum.real, spectrum.imag


def irfft2(real: Tensor, imag: Tensor, width: int, fold: int = 1) -> Tensor:
    """The inverse of :func:`rfft2`.

    Args:
        real: real part ``(..., H, W // 2 + 1)``.
        imag: imaginary part, the same shape.
        width: W of the result, which the spectrum's shape leaves open by one.
        fold: as in :func:`rfft2`.
    """
    return torch.fft.irfft2(torch.complex(real, imag), s=(real.shape[-2], width))
