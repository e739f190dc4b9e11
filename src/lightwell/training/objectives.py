"""What a turn of training learns from: losses of a batch, as the papers' stages define them.

Every function is an :data:`lightwell.training.recipe.Objective`: it computes those of its losses that the stage weighs.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lightwell.losses import LOSSES, criticism, deception, feature_matching, kl_elements, kl_histogram
from lightwell.models.drgn import Critics, Generator, transfer
from lightwell.models.frlie import FRLIE
from lightwell.training.recipe import Batch, Nets

__all__ = ["criticise_degradation", "degradation", "feature_restoration", "reconstruction", "refinement"]


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


def degradation(nets: Nets, batch: Batch, losses: Mapping[str, float]) -> dict[str, Tensor]:
    """The degradation generator's turn in DRGN's first stage (eq. 5 to 7), on batches with references.

    Losses: ``adversarial``, that neither dark photographs made with a degradation nor the degradations found in them
    are known for made; ``kl`` (histograms) or ``kl_elements`` between the degradations of dark and made pictures; and
    ``base``, not of the paper, Charbonnier between the dark picture without its degradation and the target.
    """
    degrade: Generator = nets.net.degrade  # type: ignore[assignment]
    critics: Critics = nets.critics  # type: ignore[assignment]
    assert batch.reference is not None, "the stage needs references=True"
    found = degrade(batch.low)
    made = transfer(found, batch.reference)
    again = degrade(made)
    values = {}
    if "adversarial" in losses:
        values["adversarial"] = deception(critics.low(made).float()) + deception(critics.degradation(again).float())
    with torch.autocast(found.device.type, enabled=False):
        if "kl" in losses:
            values["kl"] = kl_histogram(found.float(), again.float())
        if "kl_elements" in losses:
            values["kl_elements"] = kl_elements(found.float(), again.float())
        if "base" in losses:
            values["base"] = LOSSES["charbonnier"](batch.low - found.float(), batch.target)
    return values


def criticise_degradation(nets: Nets, batch: Batch, _: Mapping[str, float]) -> dict[str, Tensor]:
    """The discriminators' turn in DRGN's first stage (eq. 5 and 6), on batches with references.

    Losses: ``critics``, that they tell dark pictures from made ones, and the degradations found in them.
    """
    degrade: Generator = nets.net.degrade  # type: ignore[assignment]
    critics: Critics = nets.critics  # type: ignore[assignment]
    assert batch.reference is not None, "the stage needs references=True"
    with torch.no_grad():
        found = degrade(batch.low)
        made = transfer(found, batch.reference)
        again = degrade(made)
    low = criticism(critics.low(batch.low).float(), critics.low(made).float())
    return {"critics": low + criticism(critics.degradation(found).float(), critics.degradation(again).float())}


def refinement(nets: Nets, batch: Batch, losses: Mapping[str, float]) -> dict[str, Tensor]:
    """DRGN's second stage: pictures without their degradation, refined (eq. 8 and 9).

    If the batch brings references, their copies under the batch's degradations are refined as well, and the losses of
    the two kinds of pairs are added.

    Losses: any of ``lightwell.losses.LOSSES``. The paper's weight of -0.2 on the similarity itself is one of 0.2 on
    ``ssim``, which is one less the similarity.
    """
    degrade: Generator = nets.net.degrade  # type: ignore[assignment]
    refine: Generator = nets.net.refine  # type: ignore[assignment]
    with torch.no_grad():
        found = degrade(batch.low)
        pairs = [(batch.low - found, batch.target)]
        if batch.reference is not None:
            made = transfer(found, batch.reference)
            pairs.append((made - degrade(made), batch.reference))
    restored = [refine(base).float() for base, _ in pairs]
    with torch.autocast(found.device.type, enabled=False):
        return {
            name: torch.stack([LOSSES[name](pred, good) for pred, (_, good) in zip(restored, pairs, strict=True)]).sum()
            for name in losses
        }
