"""Losses on the edges of a picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["edge", "laplacian"]

_TAPS = (0.05, 0.25, 0.4, 0.25, 0.05)


def _blur(x: Tensor) -> Tensor:
    taps = torch.tensor(_TAPS, dtype=x.dtype, device=x.device)
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), kernel, groups=x.shape[1])


def laplacian(x: Tensor) -> Tensor:
    """What one level of a Laplacian pyramid keeps: the picture less its reduced and enlarged self.

    Burt and Adelson: "The Laplacian Pyramid as a Compact Image Code", IEEE Trans. Communications 1983.
    """
    kept = torch.zeros_like(x)
    kept[..., ::2, ::2] = _blur(x)[..., ::2, ::2] * 4
    return x - _blur(kept)


def edge(restored: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of the Laplacians, the edge loss of the DarkIR paper (there weighted 50)."""
    return (laplacian(restored) - laplacian(target)).square().mean()
