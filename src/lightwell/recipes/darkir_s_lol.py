"""darkir-s for LOL v1 alone, on from the shipped darkir-s, on two CPU cores.

    lightwell train darkir-s-lol --set data=~/sets

Hardly any photographs: the network learns this camera and these rooms. The dark pictures' exposure is shifted widely,
because the same scenes come back at other exposures (66 groups of our485, and most of eval15).

As measured: 95 minutes on two cores (Intel Xeon with AVX-512); the last step did best, 23.97 dB on val_seen and 19.91
dB on val_unseen (strict, 16 and 20 pictures). It started from the darkir-s that shipped then (23.20 and 20.21 dB); the
one that is pinned below ships today and will give other numbers. What ships as darkir-s-lol is its mean with the
darkir-s that ships (24.05 and 20.17 dB).
"""

from __future__ import annotations

from lightwell.data.views import View
from lightwell.training.recipe import Recipe, Stage

_LOSSES = {"l1": 1.0, "region_l1": 0.7, "log_mse": 0.05, "color_angle": 0.2, "edge": 10.0}

recipe = Recipe(
    name="darkir-s-lol",
    model="darkir-s",
    start="darkir-s@963a42e354182429960b841a29eb080eed8f94d441c33e7234f6ddde3cd98738",
    seed=7,
    ema=0.999,
    validate_every=500,
    save_every=250,
    stages=(
        Stage(
            "frames",
            steps=2750,
            views=(
                View((96, 144), batch=8, zoom=(0.7, 1.0), sampling="nearest", weight=3),
                View((136, 200), batch=4, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((200, 304), batch=2, zoom=(0.8, 1.0), sampling="nearest", weight=1),
            ),
            losses=_LOSSES,
            lr=1e-3,
            lr_end=6e-4,
            warmup=50,
            exposure=0.4,
            synthetic=0.1,
        ),
        Stage(
            "finish",
            steps=3400,
            views=(
                View((96, 144), batch=8, zoom=(0.7, 1.0), sampling="nearest", weight=2),
                View((200, 304), batch=3, zoom=(0.8, 1.0), sampling="nearest", weight=1),
                View((400, 600), batch=1, zoom=(1.0, 1.0), weight=1),
            ),
            losses=_LOSSES,
            lr=8e-4,
            lr_end=1e-6,
            warmup=1,
            exposure=0.3,
        ),
    ),
)
