"""Convolutions of channels-last pictures, each in the form that its backend is quick at.

On torch, a channels-last tensor is a free view of what its kernels like best, but ``keras.ops`` copies it around every
convolution: three to forty times the time of the convolution itself. On JAX, sums of shifted pictures replace the
depthwise convolution.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["convolve", "depthwise"]

Tensor = Any


def convolve(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
    """A dense convolution; zero padding keeps the size where the stride is 1.

    Args:
        x: ``(N, H, W, C)``.
        kernel: ``(k, k, C, D)``, k odd where the stride is 1.
        bias: ``(D,)``.
        stride: of rows and columns.

    Returns:
        ``(N, H / stride, W / stride, D)``.
    """
    if keras.backend.backend() == "torch":
        from torch.nn import functional

        if kernel.shape[:2] == (1, 1):
            return functional.linear(x, kernel[0, 0].T, bias)
        padding = kernel.shape[0] // 2 if stride == 1 else 0
        kernel = kernel.permute(3, 2, 0, 1)
        return functional.conv2d(x.permute(0, 3, 1, 2), kernel, bias, stride, padding).permute(0, 2, 3, 1)
    if kernel.shape[:2] == (1, 1):
        out = ops.matmul(x, kernel[0, 0])
    else:
        out = ops.conv(x, kernel, stride, "same" if stride == 1 else "valid")
    return out if bias is None else out + bias


def depthwise(x: Tensor, kernel: Tensor, bias: Tensor | None, dilation: int = 1) -> Tensor:
    """A depthwise 3x3 convolution; zero padding keeps the size.

    Args:
        x: ``(N, H, W, C)``.
        kernel: ``(3, 3, C, 1)``.
        bias: ``(C,)``.
        dilation: distance between the kernel's taps.

    Returns:
        ``(N, H, W, C)``.
    """
    if keras.backend.backend() == "torch":
        return _depthwise_torch(x, kernel, bias, dilation)
    if keras.backend.backend() == "jax":
        out = _depthwise_by_shifts(x, kernel, dilation)
    else:
        out = ops.depthwise_conv(x, kernel, padding="same", dilation_rate=dilation)
    return out if bias is None else out + bias


def _depthwise_by_shifts(x: Any, kernel: Any, dilation: int) -> Any:
    # XLA makes one loop of it; its own grouped convolution takes 40 times as long on a CPU.
    _, height, width, _ = x.shape
    padded = ops.pad(x, ((0, 0), (dilation, dilation), (dilation, dilation), (0, 0)))
    total = 0
    for row in range(3):
        for column in range(3):
            top, left = row * dilation, column * dilation
            total += padded[:, top : top + height, left : left + width] * kernel[row, column, :, 0]
    return total


def _depthwise_torch(x: Any, kernel: Any, bias: Any, dilation: int) -> Any:
    import torch
    from torch.nn import functional

    n, height, width, c = x.shape
    kernel = kernel.permute(2, 3, 0, 1)
    if dilation == 1:
        return functional.conv2d(x.permute(0, 3, 1, 2), kernel, bias, padding=1, groups=c).permute(0, 2, 3, 1)
    exporting = torch.compiler.is_exporting() or torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    if x.device.type != "cpu" or exporting or not torch.is_grad_enabled():
        # Padded by itself: from a padding of 5 on, torch's CPU convolution takes a path that is 50 times slower.
        padded = functional.pad(x, (0, 0, *(dilation,) * 4)).permute(0, 3, 1, 2)
        return functional.conv2d(padded, kernel, bias, dilation=dilation, groups=c).permute(0, 2, 3, 1)
    # Its gradient has no quick path at any dilation above 1. A dilation of d is d x d interleaved undilated
    # convolutions, so the picture is dealt into its phases, convolved as one batch, and dealt back: the same sums.
    d = dilation
    x = functional.pad(x, (0, 0, 0, -width % d, 0, -height % d))
    rows, columns = x.shape[1] // d, x.shape[2] // d
    phases = x.reshape(n, rows, d, columns, d, c).permute(0, 2, 4, 1, 3, 5).reshape(n * d * d, rows, columns, c)
    out = functional.conv2d(phases.permute(0, 3, 1, 2), kernel, bias, padding=1, groups=c).permute(0, 2, 3, 1)
    out = out.reshape(n, d, d, rows, columns, c).permute(0, 3, 1, 4, 2, 5)
    return out.reshape(n, rows * d, columns * d, c)[:, :height, :width]
