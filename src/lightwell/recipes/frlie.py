"""FRLIE on LOL v1, on a CPU core.

    lightwell train frlie --set data=~/sets

The paper's two stages, losses and Adam's constants; what differs is length: its authors took hundreds of thousands of
steps of 16 crops of 192x192. The second stage sees crops at full size from the beginning: the network looks 128 pixels
around each, all of a small frame but a part of a large one, and on small frames its scores at full size fell.

Nobody has run it from scratch. The shipped weights (18.96 dB on val_seen, 17.79 dB on val_unseen) learnt on small
frames first: docs/training-log.md. `--set front=normalised` or `--set front=lit` puts something before the network that
the paper does not have (`lightwell.models.front`); `--set start=frlie` goes on from what ships.
"""

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
            "crops",
            steps=1400,
            views=(View((128, 128), batch=4, weight=2), View((200, 304), batch=2, weight=1)),
            losses=_SECOND,
            lr=5e-4,
            warmup=50,
            exposure=0.1,
            turns=_FEATURE_NET,
        ),
        Stage(
            "large",
            steps=1000,
            views=(
                View((200, 304), batch=2, weight=3),
                View((200, 304), batch=2, zoom=(0.7, 1.0), sampling="nearest", weight=1),
            ),
            losses=_SECOND,
            lr=5e-4,
            lr_end=3e-6,
            warmup=1,
            exposure=0.1,
            turns=_FEATURE_NET,
        ),
    ),
)
