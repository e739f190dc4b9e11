"""What a turn of training learns from: losses of a batch, as the papers' stages define them.

Every function is an :data:`lightwell.training.recipe.Objective`: it computes those of its losses that the stage weighs.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lightwell.losses import LOSSES, feature_matching
from lightwell.models.frlie import FRLIE
from lightwell.training.recipe import Batch, Nets

__all__ = ["feature_restoration", "reconstruction"]


def reconstruction(nets: Nets, batch: Batch, losses: Mapping[str, float]) -> dict[str, Tensor]:
    """FRLIE's first stage: bright pictures given back by encoder and decoder (eq. 1). Sides are multiples of 4.

    Losses: any of ``lightwell.losses.LOSSES``.
    """
    net: FRLIE = nets.net  # type: ignore[assignment]
    pred = net.decoder(net.encoder(batch.target))
    with torch.autocast(pred.device.type, enabled=False):
        return {name: LOSSES[name](pred.float(), batch.target) for name in losses}


def feature_restoration(nets: Nets, batch: Batch, losses: Mapping[str, float]) -> dict[str, Tensor]:
    """FRLIE's second stage: features of dark pictures mapped to those of bright ones (eq. 3 to 7).

    Sides are multiples of 4. Losses: ``features``, the mean distance from the bright picture's features, and any of
    ``lightwell.losses.LOSSES``.
    """
    net: FRLIE = nets.net  # type: ignore[assignment]
    features = net.feature_processor(net.encoder(batch.low))
    pred = net.decoder(features)
    with torch.no_grad():
        bright = net.encoder(batch.target)
    with torch.autocast(pred.device.type, enabled=False):
        values = {name: LOSSES[name](pred.float(), batch.target) for name in losses if name != "features"}
        if "features" in losses:
            values["features"] = feature_matching([features.float()], [bright.float()])
    return values
