"""FRLIE on LOL v1, on two CPU cores."""

from __future__ import annotations

from lightwell.data.views import View
from lightwell.training.objectives import feature_restoration, reconstruction
from lightwell.training.recipe import Recipe, Stage, Turn

_SECOND = {"l2": 100.0, "features": 0.2, "ssim": 0.5, "hue": 0.05}
_FEATURE_NET = (Turn(feature_restoration, ("feature_processor.",)),)

recipe = Recipe(
    name="frlie",
    model="frlie",
    seed=1,
    weight_decay=0.0,
    betas=(0.5, 0.9),
    ema=0.99,
    validate_every=1000,
    save_every=100,
    stages=(
        Stage(
            "reconstruction",
            steps=900,
            views=(
                View((64, 64), batch=8),
                View((64, 96), batch=8, zoom=(0.7, 1.0)),
            ),
            losses={"l2": 100.0},
            lr=1e-3,
            lr_end=2e-5,
            warmup=20,
            turns=(Turn(reconstruction, ("encoder.", "decoder.")),),
        ),
        Stage(
            "frames",
            steps=1500,
            views=(
                View((64, 96), batch=8, zoom=(0.7, 1.0), sampling="nearest"),
                View((100, 152), batch=4, zoom=(0.7, 1.0), sampling="nearest"),
            ),
            losses=_SECOND,
            lr=5e-4,
            lr_end=2e-4,
            warmup=50,
            exposure=0.1,
            turns=_FEATURE_NET,
        ),
        Stage(
            "crops",
            steps=400,
            views=(
                View((200, 304), batch=2, weight=3),
                View((200, 304), batch=2, zoom=(0.7, 1.0), sampling="nearest", weight=1),
            ),
            losses=_SECOND,
            lr=3e-4,
            lr_end=3e-6,
            warmup=1,
            exposure=0.1,
            turns=_FEATURE_NET,
        ),
    ),
)
