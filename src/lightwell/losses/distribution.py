"""Losses between distributions of values, wherever in the picture the values are."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["histogram", "kl_elements", "kl_histogram"]

_FLOOR = 1e-6


def histogram(x: Tensor, bins: int = 64, low: float = -1.0, high: float = 1.0) -> Tensor:
    """The share of every channel's values near each bin's centre, smooth in the values.

    A value counts for all bins, weighed by a Gaussian whose standard deviation is a bin's width.

    Args:
        x: ``(N, C, H, W)``.
        bins: number of bins.
        low: where the first bin begins.
        high: where the last bin ends.

    Returns:
        ``(N, C, bins)``, every share at least 1e-6 before they are scaled to sum to one.
    """
    width = (high - low) / bins
    centres = low + width * (torch.arange(bins, dtype=x.dtype, device=x.device) + 0.5)
    # One bin at a time: all at once would take as many times the memory of the picture.
    counts = torch.stack([torch.exp(-0.5 * ((x - centre) / width).square()).mean((2, 3)) for centre in centres], -1)
    # Of a value within the bins, the weights sum to sqrt(2 pi).
    shares = counts / counts.sum(-1, keepdim=True).clamp_min(_FLOOR) + _FLOOR
    return shares / shares.sum(-1, keepdim=True)


def kl_histogram(a: Tensor, b: Tensor) -> Tensor:
    """Kullback-Leibler divergence of ``b``'s histograms from ``a``'s, KL(a || b), averaged over pictures and channels.

    The consistency term of DRGN (Jiang et al., AAAI 2022, eq. 6) between degradations; the paper does not say what
    their distribution is.

    Args:
        a: ``(N, C, H, W)``.
        b: the same; pictures need not be aligned.
    """
    p, q = histogram(a), histogram(b)
    return (p * (p / q).log()).sum(-1).mean()


def kl_elements(a: Tensor, b: Tensor) -> Tensor:
    """The same with the elements of a picture as the events of a distribution: KL of their softmax, averaged.

    It compares texture in place, and is blind to a shift of all values.
    """
    p, q = a.flatten(1).log_softmax(1), b.flatten(1).log_softmax(1)
    return (p.exp() * (p - q)).sum(1).mean()
