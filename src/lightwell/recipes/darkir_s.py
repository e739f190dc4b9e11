"""darkir-s, the default: LOL v1 and degraded photographs, on two CPU cores.

    lightwell train darkir-s --set data=~/sets

`~/sets` holds `lol_v1` (with `our485` and `eval15`) and `photographs`: any few hundred good photographs and half as
many of what `tools/smooth_pictures.py` makes; the shipped weights saw 300 of the Berkeley segmentation set.

Whole frames at a fraction of their size come first, because exposure and colour are most of the score and cost little
there. Cutting them by picking pixels instead of averaging keeps the noise of the full size. The second stage adds
frames at full size while the learning rate falls. The last one halves the pairs' share, and weighs edges five times as
much: photographs with bright skies over dark ground, and even surfaces, on which the network would draw a grid.

As measured: the last stage alone took 15 minutes on two cores (Intel Xeon with AVX-512), on from darkir-s-lol at 23.97
dB on val_seen and 19.91 dB on val_unseen, and ended with the shipped weights at 23.70 and 20.69 dB (strict, 16 and 20
pictures). They came to it by a longer way than the first two stages (docs/training-log.md). Nobody has run the recipe
from scratch; at the speed of those two cores it takes three hours.
"""

from __future__ import annotations

from lightwell.data.degrade import Degradation
from lightwell.data.views import View
from lightwell.training.recipe import Recipe, Stage

_LOSSES = {"l1": 1.0, "region_l1": 0.7, "log_mse": 0.03, "color_angle": 0.2, "edge": 10.0}

recipe = Recipe(
    name="darkir-s",
    model="darkir-s",
    seed=8,
    ema=0.995,
    validate_every=500,
    save_every=250,
    degradation=Degradation(ev=(-5.5, 0.0), shade=4.0, shade_chance=0.5, jpeg_chance=0.15),
    stages=(
        Stage(
            "frames",
            steps=6000,
            views=(
                View((96, 144), batch=8, zoom=(0.7, 1.0), sampling="nearest", weight=3),
                View((136, 200), batch=4, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((200, 304), batch=2, zoom=(0.8, 1.0), sampling="nearest", weight=1),
            ),
            losses={**_LOSSES, "guide": 0.2},
            lr=1e-3,
            synthetic=0.3,
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
            lr_end=1e-5,
            warmup=1,
            synthetic=0.2,
            exposure=0.3,
        ),
        Stage(
            "even",
            steps=750,
            views=(
                View((96, 144), batch=8, zoom=(0.7, 1.0), sampling="nearest", weight=2),
                View((200, 304), batch=3, zoom=(0.6, 1.0), sampling="nearest", weight=1),
                View((200, 304), batch=3, weight=1),
                View((400, 600), batch=1, zoom=(1.0, 1.0), weight=0.5),
            ),
            losses={**_LOSSES, "edge": 50.0},
            lr=4e-4,
            lr_end=2e-6,
            warmup=15,
            synthetic=0.5,
            exposure=0.3,
        ),
    ),
)
