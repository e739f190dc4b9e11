"""What a training run consists of: a recipe is a list of stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lightwell.data.degrade import Degradation
from lightwell.data.views import View
from lightwell.losses import LOSSES

__all__ = ["Recipe", "Stage"]


@dataclass(frozen=True)
class Stage:
    """A stretch of training with one set of losses, views and one learning-rate curve.

    Args:
        name: shown in logs.
        steps: optimiser steps.
        views: ways to cut training pictures; each step draws one.
        losses: weight of each loss, by its name in ``lightwell.losses.LOSSES``.
        lr: learning rate after the warm-up.
        lr_end: learning rate at the end, reached along a cosine; equal to ``lr`` by default, which keeps it constant.
        warmup: steps over which the learning rate rises from zero.
        synthetic: share of each batch that is made from good photographs by ``degradation``.
        exposure: standard deviation in stops of the shift of a real dark picture's exposure, cut at three.
    """

    name: str
    steps: int
    views: tuple[View, ...]
    losses: dict[str, float]
    lr: float
    lr_end: float | None = None
    warmup: int = 100
    synthetic: float = 0.0
    exposure: float = 0.4

    def __post_init__(self) -> None:
        unknown = sorted(set(self.losses) - set(LOSSES))
        if unknown:
            raise ValueError(f"stage {self.name!r}: unknown losses {unknown}: choose from {sorted(LOSSES)}")


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Args:
        name: names the run's folder and the shipped model.
        model: a name of ``lightwell.models.list_models()``.
        stages: run one after the other.
        data: folder that holds ``lol_v1`` (``our485`` and ``eval15`` in it) and ``photographs``.
        start: weights to start from; fresh ones by default.
        seed: decides everything that is drawn.
        weight_decay: of AdamW, on convolution kernels only.
        betas: of AdamW.
        clip: largest norm of the gradient.
        ema: decay of the averaged weights once warmed up.
        gates: first values of (beta, gamma); at zero nothing inside a block learns at first.
        validate_every: steps between validations.
        save_every: steps between checkpoints.
        degradation: how synthetic pairs are made.
    """

    name: str
    model: str
    stages: tuple[Stage, ...]
    data: Path = Path("data")
    start: Path | None = None
    seed: int = 0
    weight_decay: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 1.0
    ema: float = 0.999
    gates: tuple[float, float] = (0.1, 0.02)
    validate_every: int = 1000
    save_every: int = 250
    degradation: Degradation = field(default_factory=Degradation)
