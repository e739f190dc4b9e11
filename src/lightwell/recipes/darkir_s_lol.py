"""darkir-s for LOL v1 alone, on from the shipped darkir-s, on one CPU core.

    lightwell train darkir-s-lol --set data=~/sets

No photographs, and the dark pictures' exposure hardly shifted: the network learns this camera and these rooms, and
draws a grid over the skies of other photographs.

As measured: 81 minutes on one of two shared cores (AMD EPYC); the best validation was at step 1200, 23.59 dB on
val_seen and 19.94 dB on val_unseen (strict, 16 and 20 pictures), and those weights ship. They started from the darkir-s
that shipped then (23.16 and 19.38 dB); a newer one will give other numbers.
"""

from __future__ import annotations

from lightwell import zoo
from lightwell.data.views import View
from lightwell.training.recipe import Recipe, Stage

_LOSSES = {"l1": 1.0, "region_l1": 0.7, "log_mse": 0.05, "color_angle": 0.2, "edge": 10.0}

recipe = Recipe(
    name="darkir-s-lol",
    model="darkir-s",
    start=zoo.find("darkir-s").weights,
    seed=4,
    ema=0.998,
    validate_every=400,
    save_every=100,
    stages=(
        Stage(
            "frames",
            steps=800,
            views=(
                View((96, 144), batch=8, zoom=(0.7, 1.0), sampling="nearest", weight=2),
                View((136, 200), batch=4, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((200, 304), batch=2, zoom=(0.8, 1.0), sampling="nearest", weight=1),
            ),
            losses=_LOSSES,
            lr=8e-4,
            lr_end=4e-4,
            warmup=30,
            exposure=0.1,
        ),
        Stage(
            "finish",
            steps=800,
            views=(
                View((96, 144), batch=8, zoom=(0.8, 1.0), sampling="nearest", weight=1),
                View((200, 304), batch=2, zoom=(0.9, 1.0), sampling="nearest", weight=1),
                View((400, 600), batch=1, zoom=(1.0, 1.0), weight=1),
            ),
            losses=_LOSSES,
            lr=4e-4,
            lr_end=1e-6,
            warmup=1,
            exposure=0.05,
        ),
    ),
)
