"""Losses of networks that play against each other, on logits that are large for what looks real."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["criticism", "deception"]


def criticism(real: Tensor, made: Tensor) -> Tensor:
    """What a discriminator minimises, -log D(real) - log(1 - D(made)) (DRGN, Jiang et al., AAAI 2022, eq. 5)."""
    return F.softplus(-real).mean() + F.softplus(made).mean()


def deception(made: Tensor) -> Tensor:
    """What a generator minimises, -log D(made), whose gradient lasts while the discriminator wins.

    Goodfellow et al.: "Generative Adversarial Nets", NeurIPS 2014, section 3.
    """
    return F.softplus(-made).mean()
