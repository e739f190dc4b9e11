"""The two-dimensional real Fourier transform of channels-last pictures, by FFT or by matrix products.

Both give the one-sided spectrum, not normalised, as a pair of real tensors. The FFT is the backend's own, because
``keras.ops`` has no two-dimensional one for real numbers. The matrix products are for exported graphs: no runtime needs
an FFT operator or a complex type for them. As in `lightwell.models.spectrum`, the columns' transform of length H = M f
is split into one of length M and one of length f (Cooley and Tukey, 1965), which leaves the rows of the spectrum in
another order.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

__all__ = ["irfft2", "irfft2_by_matrices", "rfft2", "rfft2_by_matrices"]

Tensor = Any


def rfft2(x: Tensor) -> tuple[Tensor, Tensor]:
    """Real part and imaginary part of the one-sided spectrum.

    Args:
        x: real tensor ``(N, H, W, C)``.

    Returns:
        Two tensors ``(N, H, W // 2 + 1, C)``.

    Raises:
        ValueError: on a backend without the FFT.
    """
    match keras.backend.backend():
        case "torch":
            import torch

            spectrum = torch.fft.rfft2(x, dim=(1, 2))
            return spectrum.real, spectrum.imag
        case "jax":
            import jax.numpy as jnp

            spectrum = jnp.fft.rfft2(x, axes=(1, 2))
            return spectrum.real, spectrum.imag
        case "tensorflow":
            import tensorflow as tf

            spectrum = tf.signal.rfft2d(ops.transpose(x, (0, 3, 1, 2)))
            return tuple(ops.transpose(part, (0, 2, 3, 1)) for part in (tf.math.real(spectrum), tf.math.imag(spectrum)))
        case other:
            raise ValueError(_no_fft(other))


def irfft2(real: Tensor, imag: Tensor, width: Any) -> Tensor:
    """The inverse of :func:`rfft2`.

    Args:
        real: real part ``(N, H, W // 2 + 1, C)``.
        imag: imaginary part, the same shape.
        width: W of the result, which the spectrum's shape leaves open by one.
    """
    height = ops.shape(real)[1]
    match keras.backend.backend():
        case "torch":
            import torch

            return torch.fft.irfft2(torch.complex(real, imag), s=(height, width), dim=(1, 2))
        case "jax":
            import jax
            import jax.numpy as jnp

            return jnp.fft.irfft2(jax.lax.complex(real, imag), s=(height, width), axes=(1, 2))
        case "tensorflow":
            import tensorflow as tf

            planes = (ops.transpose(part, (0, 3, 1, 2)) for part in (real, imag))
            return ops.transpose(tf.signal.irfft2d(tf.complex(*planes), (height, width)), (0, 2, 3, 1))
        case other:
            raise ValueError(_no_fft(other))


def _no_fft(backend: str) -> str:
    return f"the {backend} backend of Keras has no FFT for transform='fft': choose transform='matrix'"


def rfft2_by_matrices(x: Tensor, fold: int = 1) -> tuple[Tensor, Tensor]:
    """:func:`rfft2` as products with cosine and sine matrices.

    Args:
        x: real tensor ``(N, H, W, C)``.
        fold: a divisor of H, by which the columns' transform is split.

    Returns:
        As :func:`rfft2`, but row ``f p + q`` holds the frequency ``p + q H / f``.
    """
    height, width, channels = ops.shape(x)[1], ops.shape(x)[2], x.shape[-1]
    part, bins = height // fold, width // 2 + 1
    cos, sin = _waves(bins, width, width, x.dtype)
    real, imag = (ops.reshape(t, (-1, part, fold * bins * channels)) for t in (ops.matmul(cos, x), -ops.matmul(sin, x)))
    real, imag = _turned(_waves(part, part, part, x.dtype), real, imag, -1)
    real, imag = (ops.reshape(t, (-1, part, fold, bins * channels)) for t in (real, imag))
    real, imag = _turned(_twisted_waves(part, fold, x.dtype), real, imag, -1)
    real, imag = (ops.reshape(t, (-1, height, bins, channels)) for t in (real, imag))
    return real, imag


def irfft2_by_matrices(real: Tensor, imag: Tensor, width: Any, fold: int = 1) -> Tensor:
    """:func:`irfft2` as products with cosine and sine matrices, of what :func:`rfft2_by_matrices` gave."""
    height, bins, channels = ops.shape(real)[1], ops.shape(real)[2], real.shape[-1]
    part = height // fold
    cos, sin = (ops.swapaxes(t, -1, -2) for t in _twisted_waves(part, fold, real.dtype))
    real, imag = (ops.reshape(t, (-1, part, fold, bins * channels)) for t in (real, imag))
    real, imag = _turned((cos, sin), real, imag, 1)
    real, imag = (ops.reshape(t, (-1, part, fold * bins * channels)) for t in (real, imag))
    real, imag = _turned(_waves(part, part, part, real.dtype), real, imag, 1)
    real, imag = (ops.reshape(t, (-1, height, bins, channels)) for t in (real, imag))
    # Every bin stands for itself and its mirror image, but the constant one and, at even widths, the last.
    number = ops.arange(bins, dtype="int32")
    alone = ops.logical_or(ops.equal(number, 0), ops.equal(2 * number, width))
    share = ops.cast(ops.where(alone, 1.0, 2.0), real.dtype) / ops.cast(height * width, real.dtype)
    cos, sin = _waves(width, bins, width, real.dtype)
    return ops.matmul(share * cos, real) - ops.matmul(share * sin, imag)


def _turned(waves: tuple[Tensor, Tensor], real: Tensor, imag: Tensor, sign: int) -> tuple[Tensor, Tensor]:
    """The product of ``cos + sign i sin`` with ``real + i imag``."""
    cos, sin = waves
    sin = sign * sin
    return (
        ops.matmul(cos, real) - ops.matmul(sin, imag),
        ops.matmul(cos, imag) + ops.matmul(sin, real),
    )


def _waves(rows: Any, columns: Any, period: Any, dtype: str) -> tuple[Tensor, Tensor]:
    """Cosine and sine of ``2 pi j k / period`` for row j and column k."""
    j = ops.arange(rows, dtype="int32")[:, None]
    k = ops.arange(columns, dtype="int32")
    return _cos_sin(j * k, period, dtype)


def _twisted_waves(part: Any, fold: int, dtype: str) -> tuple[Tensor, Tensor]:
    """Cosine and sine of ``2 pi r (p + q part) / (part fold)``, of shape ``(p: part, q: fold, r: fold)``."""
    p = ops.arange(part, dtype="int32")[:, None, None]
    q = ops.arange(fold, dtype="int32")[:, None]
    r = ops.arange(fold, dtype="int32")
    return _cos_sin(r * (p + q * part), part * fold, dtype)


def _cos_sin(product: Tensor, period: Any, dtype: str) -> tuple[Tensor, Tensor]:
    # Reduced as an integer, where it is exact.
    angle = ops.cast(product % period, dtype) * (2 * math.pi / ops.cast(period, dtype))
    return ops.cos(angle), ops.sin(angle)
