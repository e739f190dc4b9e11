"""The two-dimensional real Fourier transform, by FFT or by matrix products.

Both give ``torch.fft.rfft2`` with ``norm="backward"`` as a pair of real tensors. The matrix products are what an
exported graph uses: no runtime needs an FFT operator or a complex type for them, and the sizes may stay dynamic.

A network that halves its picture n times works on heights that are multiples of 2^n, so the columns' transform of
length H = M f splits into one of length M and one of length f (Cooley and Tukey, 1965): M + f products per value
instead of H. It leaves the rows of the spectrum in another order, which does not matter to what works on single bins.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lightwell.models.layers import exporting

__all__ = ["irfft2", "irfft2_by_matrices", "rfft2", "rfft2_by_matrices"]


def rfft2(x: Tensor, fold: int = 1) -> tuple[Tensor, Tensor]:
    """Real part and imaginary part of the one-sided spectrum.

    Args:
        x: real tensor ``(N, C, H, W)``.
        fold: a divisor of H by which an exported graph splits the columns' transform.

    Returns:
        Two tensors ``(N, C, H, W // 2 + 1)``; in an exported graph row ``f p + q`` holds the frequency ``p + q H / f``.
    """
    if exporting():
        return rfft2_by_matrices(x, fold)
    spectrum = torch.fft.rfft2(x)
    return spectrum.real, spectrum.imag


def irfft2(real: Tensor, imag: Tensor, width: int, fold: int = 1) -> Tensor:
    """The inverse of :func:`rfft2`.

    Args:
        real: real part ``(N, C, H, W // 2 + 1)``.
        imag: imaginary part, the same shape.
        width: W of the result, which the spectrum's shape leaves open by one.
        fold: as it was given to :func:`rfft2`.
    """
    if exporting():
        return irfft2_by_matrices(real, imag, width, fold)
    x: Tensor = torch.fft.irfft2(torch.complex(real, imag), s=(real.shape[-2], width))
    return x


def rfft2_by_matrices(x: Tensor, fold: int = 1) -> tuple[Tensor, Tensor]:
    """:func:`rfft2` as products with cosine and sine matrices."""
    n, c, height, width = x.shape
    part, bins = height // fold, width // 2 + 1
    cos, sin = _waves(width, bins, width, x)
    real, imag = (t.reshape(n, c, part, fold * bins) for t in (x @ cos, -(x @ sin)))
    cos, sin = _waves(part, part, part, x)
    real, imag = (t.reshape(n, c, part, fold, bins) for t in (cos @ real + sin @ imag, cos @ imag - sin @ real))
    cos, sin = _twisted_waves(part, fold, x)
    real, imag = cos @ real + sin @ imag, cos @ imag - sin @ real
    return real.reshape(n, c, height, bins), imag.reshape(n, c, height, bins)


def irfft2_by_matrices(real: Tensor, imag: Tensor, width: int, fold: int = 1) -> Tensor:
    """:func:`irfft2` as products with cosine and sine matrices."""
    n, c, height, bins = real.shape
    part = height // fold
    cos, sin = (t.transpose(-1, -2) for t in _twisted_waves(part, fold, real))
    real, imag = (t.reshape(n, c, part, fold, bins) for t in (real, imag))
    real, imag = (t.reshape(n, c, part, fold * bins) for t in (cos @ real - sin @ imag, cos @ imag + sin @ real))
    cos, sin = _waves(part, part, part, real)
    real, imag = (t.reshape(n, c, height, bins) for t in (cos @ real - sin @ imag, cos @ imag + sin @ real))
    # Every bin stands for itself and its mirror image, but the constant one and, at even widths, the last.
    number = torch.arange(bins, device=real.device)
    alone = (number == 0) | (2 * number == width)
    share = torch.where(alone, 1.0, 2.0).to(real.dtype)[:, None] / (height * width)
    cos, sin = _waves(bins, width, width, real)
    return real @ (share * cos) - imag @ (share * sin)


def _waves(rows: int, columns: int, period: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of ``2 pi j k / period`` for row j and column k."""
    j = torch.arange(rows, device=like.device)[:, None]
    k = torch.arange(columns, device=like.device)
    return _cos_sin(j * k, period, like)


def _twisted_waves(part: int, fold: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of ``2 pi r (p + q part) / (part fold)``, of shape ``(p: part, q: fold, r: fold)``."""
    p = torch.arange(part, device=like.device)[:, None, None]
    q = torch.arange(fold, device=like.device)[:, None]
    r = torch.arange(fold, device=like.device)
    return _cos_sin(r * (p + q * part), part * fold, like)


def _cos_sin(product: Tensor, period: int, like: Tensor) -> tuple[Tensor, Tensor]:
    # Reduced as an integer, where it is exact. A tensor, because the exporter takes no symbolic number as a divisor.
    reduced = product % torch.full((), period, device=like.device)
    angle = reduced.to(like.dtype) * (2 * math.pi / period)
    return angle.cos(), angle.sin()
