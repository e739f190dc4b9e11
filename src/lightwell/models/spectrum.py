"""The two-dimensional real Fourier transform by matrix products, for graphs.

No runtime needs an FFT operator or a complex type for them, and the sizes may stay dynamic. Real and imaginary parts
lie side by side in one tensor, so that a product with one matrix does what is four products and two sums otherwise.

A network that halves its picture n times works on heights that are multiples of 2^n, so the columns' transform of
length H = M f splits into one of length M and one of length f (Cooley and Tukey, 1965): M + f products per value
instead of H. It leaves the rows of the spectrum in another order, which does not matter to what works on single bins.
Below a fold of 4 the products are so small that they take longer than what they save.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["Transform"]

_LEAST_FOLD = 4


class Transform:
    """``torch.fft.rfft2`` with ``norm="backward"`` and its inverse, for pictures of one height and width.

    The matrices are made once: in a graph once for all that is transformed at this size. Channels are last in a
    spectrum, as convolutions have them in OpenVINO, which would turn features round for each transform otherwise.

    Args:
        like: ``(N, C, H, W)``, of the size and the type that is to be transformed.
        fold: a divisor of H by which the columns' transform may be split.
    """

    def __init__(self, like: Tensor, fold: int = 1) -> None:
        self._height, width = like.shape[-2:]
        self._bins, self._fold, self._part = width // 2 + 1, fold, self._height // fold
        self._rows, self._rows_back = _rows_matrix(width, like), _rows_matrix_back(self._height, width, like)
        if fold < _LEAST_FOLD:
            self._columns, self._columns_back = (_columns_matrix(self._height, like, way) for way in (1, -1))
        else:
            self._waves, self._waves_back = (_folded_waves(self._part, like, axis) for axis in (1, 2))
            self._twist, self._twist_back = _twist(self._part, fold, like), _twist_back(self._part, fold, like)

    def forward(self, x: Tensor) -> Tensor:
        """The transform of ``(N, C, H, W)``.

        Returns:
            ``(N, H, 2, W // 2 + 1, C)``, the real parts and the imaginary parts. Row ``f p + q`` holds the frequency
            ``p + q H / f``, where f is the fold, or 1 below 4.
        """
        channels, fold, part, bins = int(x.shape[1]), self._fold, self._part, self._bins  # C is fixed in a graph
        rows = self._rows @ x.permute(0, 2, 3, 1)
        if fold < _LEAST_FOLD:
            columns = self._columns @ rows.reshape(-1, 2 * self._height, bins * channels)
        else:
            waves = self._waves @ rows.reshape(-1, part, fold * 2 * bins * channels)
            columns = self._twist @ waves.reshape(-1, part, 4 * fold, bins * channels)
        return columns.reshape(-1, self._height, 2, bins, channels)

    def inverse(self, spectrum: Tensor) -> Tensor:
        """The inverse of :meth:`forward`: the products with the transposed matrices.

        They are made transposed: onnxruntime takes half as long again for a product with a matrix that it has to turn.
        """
        channels, fold, part, bins = int(spectrum.shape[4]), self._fold, self._part, self._bins
        if fold < _LEAST_FOLD:
            rows = self._columns_back @ spectrum.reshape(-1, 2 * self._height, bins * channels)
        else:
            waves = self._twist_back @ spectrum.reshape(-1, part, 2 * fold, bins * channels)
            rows = self._waves_back @ waves.reshape(-1, 2 * part, fold * 2 * bins * channels)
        x = self._rows_back @ rows.reshape(-1, self._height, 2 * bins, channels)
        return x.permute(0, 3, 1, 2)


def _rows_matrix(width: int, like: Tensor) -> Tensor:
    """``(2 bins, width)``: a row of pixels to its spectrum, real parts, then imaginary parts."""
    number = torch.arange(width // 2 + 1, device=like.device)[:, None]
    cos, sin = _cos_sin(number * torch.arange(width, device=like.device), width, like)
    return torch.cat((cos, -sin), 0)


def _rows_matrix_back(height: int, width: int, like: Tensor) -> Tensor:
    """``(width, 2 bins)``: a row's spectrum to its pixels, divided by the number of the picture's pixels."""
    number = torch.arange(width // 2 + 1, device=like.device)
    # Every bin stands for itself and its mirror image, but the constant one and, at even widths, the last.
    alone = (number == 0) | (2 * number == width)
    share = torch.where(alone, 1.0, 2.0).to(like.dtype) / (height * width)
    cos, sin = _cos_sin(torch.arange(width, device=like.device)[:, None] * number, width, like)
    return torch.cat((share * cos, -share * sin), 1)


def _columns_matrix(height: int, like: Tensor, direction: int = 1) -> Tensor:
    """``(2 height, 2 height)``: real and imaginary parts in turn to the same of the spectrum; -1 for its transpose."""
    j = torch.arange(height, device=like.device)
    cos, sin = _cos_sin(j[:, None] * j, height, like)
    sin = direction * sin
    real, imag = torch.stack((cos, sin), 2), torch.stack((-sin, cos), 2)
    return torch.stack((real, imag), 1).reshape(2 * height, 2 * height)


def _folded_waves(part: int, like: Tensor, axis: int = 1) -> Tensor:
    """``(2 part, part)``: sums with the cosine and with the sine of each frequency in turn; axis 2 transposes it."""
    j = torch.arange(part, device=like.device)
    cos, sin = _cos_sin(j[:, None] * j, part, like)
    return torch.stack((cos, sin), axis).reshape(3 * part - axis * part, axis * part)


def _twist(part: int, fold: int, like: Tensor) -> Tensor:
    """``(part, 2 fold, 4 fold)``: from the sums of a frequency p to the spectrum at ``p + q part``.

    Columns go by cosine or sine, r (the row's remainder by fold), real or imaginary; rows by q, real or imaginary.
    """
    p = torch.arange(part, device=like.device)[:, None, None]
    q = torch.arange(fold, device=like.device)[:, None]
    r = torch.arange(fold, device=like.device)
    cos, sin = _cos_sin(r * (p + q * part), part * fold, like)
    real = torch.stack((torch.stack((cos, sin), 3), torch.stack((-sin, cos), 3)), 2)
    imag = torch.stack((torch.stack((-sin, cos), 3), torch.stack((-cos, -sin), 3)), 2)
    return torch.stack((real, imag), 2).reshape(part, 2 * fold, 4 * fold)


def _twist_back(part: int, fold: int, like: Tensor) -> Tensor:
    """:func:`_twist` transposed, ``(part, 4 fold, 2 fold)``."""
    p = torch.arange(part, device=like.device)[:, None, None]
    r = torch.arange(fold, device=like.device)[:, None]
    q = torch.arange(fold, device=like.device)
    cos, sin = _cos_sin(r * (p + q * part), part * fold, like)
    ahead, back = torch.stack((cos, -sin), 3), torch.stack((sin, cos), 3)
    waves = torch.stack((torch.stack((ahead, back), 2), torch.stack((-back, ahead), 2)), 1)
    return waves.reshape(part, 4 * fold, 2 * fold)


def _cos_sin(product: Tensor, period: int, like: Tensor) -> tuple[Tensor, Tensor]:
    # Reduced as an integer, where it is exact. A tensor, because the exporter takes no symbolic number as a divisor.
    reduced = product % torch.full((), period, device=like.device)
    angle = reduced.to(like.dtype) * (2 * math.pi / period)
    return angle.cos(), angle.sin()
