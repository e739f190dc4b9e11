"""The two-dimensional real Fourier transform, by FFT or by matrix products.

Both ways give ``torch.fft.rfft2`` with ``norm="backward"`` as a pair of real tensors. The matrix products are what an
exported graph uses: no runtime needs an FFT operator or a complex type for them, and the sizes may stay dynamic.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["irfft2", "irfft2_by_matrices", "rfft2", "rfft2_by_matrices"]


def rfft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Real part and imaginary part of the one-sided spectrum.

    Args:
        x: real tensor ``(..., H, W)``.

    Returns:
        Two tensors ``(..., H, W // 2 + 1)``.
    """
    if torch.compiler.is_exporting():
        return rfft2_by_matrices(x)
    spectrum = torch.fft.rfft2(x)
    return spectrum.real, spectrum.imag


def irfft2(real: Tensor, imag: Tensor, width: int) -> Tensor:
    """The inverse of :func:`rfft2`.

    Args:
        real: real part ``(..., H, W // 2 + 1)``.
        imag: imaginary part, the same shape.
        width: W of the result, which the spectrum's shape leaves open by one.
    """
    if torch.compiler.is_exporting():
        return irfft2_by_matrices(real, imag, width)
    x: Tensor = torch.fft.irfft2(torch.complex(real, imag), s=(real.shape[-2], width))
    return x


def rfft2_by_matrices(x: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`rfft2` as products with cosine and sine matrices."""
    height, width = x.shape[-2:]
    cos, sin = _waves(width, width // 2 + 1, x)
    real, imag = x @ cos, -(x @ sin)
    cos, sin = _waves(height, height, x)
    return cos @ real + sin @ imag, cos @ imag - sin @ real


def irfft2_by_matrices(real: Tensor, imag: Tensor, width: int) -> Tensor:
    """:func:`irfft2` as products with cosine and sine matrices."""
    height, bins = real.shape[-2:]
    cos, sin = _waves(height, height, real)
    real, imag = cos @ real - sin @ imag, cos @ imag + sin @ real
    # Every bin stands for itself and its mirror image, but the constant one and, at even widths, the last.
    bin_number = torch.arange(bins, device=real.device)
    alone = (bin_number == 0) | (2 * bin_number == width)
    share = torch.where(alone, 1.0, 2.0).to(real.dtype)[:, None] / (height * width)
    cos, sin = _waves(bins, width, real, period=width)
    return real @ (share * cos) - imag @ (share * sin)


def _waves(rows: int, columns: int, like: Tensor, period: int | None = None) -> tuple[Tensor, Tensor]:
    """Cosine and sine of 2 pi j k / period; the product is reduced as an integer, where it is exact."""
    period = rows if period is None else period
    j = torch.arange(rows, device=like.device)[:, None]
    k = torch.arange(columns, device=like.device)
    # A tensor, because the exporter takes no symbolic number as a divisor.
    whole = torch.full((), period, device=like.device)
    angle = (j * k % whole).to(like.dtype) * (2 * math.pi / period)
    return angle.cos(), angle.sin()
