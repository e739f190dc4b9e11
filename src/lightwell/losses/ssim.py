"""Structural similarity as a loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["ssim"]


def ssim(restored: Tensor, target: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """One minus the mean structural similarity over channels and window positions.

    Wang et al.: "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004, with
    Gaussian windows that lie wholly inside the picture; a picture smaller than the window gets a smaller one.
    """
    size = min(window, *restored.shape[-2:])
    offsets = torch.arange(size, dtype=restored.dtype, device=restored.device) - (size - 1) / 2
    taps = torch.exp(-offsets.square() / (2 * sigma**2))
    taps = taps / taps.sum()
    channels = restored.shape[1]

    def smooth(x: Tensor) -> Tensor:
        x = F.conv2d(x, taps.view(1, 1, -1, 1).expand(channels, -1, -1, -1), groups=channels)
        return F.conv2d(x, taps.view(1, 1, 1, -1).expand(channels, -1, -1, -1), groups=channels)

    mean_a, mean_b = smooth(restored), smooth(target)
    var_a = smooth(restored.square()) - mean_a.square()
    var_b = smooth(target.square()) - mean_b.square()
    covariance = smooth(restored * target) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a.square() + mean_b.square() + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return 1 - (luminance * structure).mean()
