"""darkir-s, the default: LOL v1 and degraded photographs, on two CPU cores.

    lightwell train darkir-s --set data=~/sets

`~/sets` holds `lol_v1` (with `our485` and `eval15`) and `photographs`: any few hundred good photographs and what
`tools/smooth_pictures.py` makes; the shipped weights saw 300 of the Berkeley segmentation set.

This is not an exact record of the shipped weights, and nobody has run it from scratch. They went through stages of
these lengths on from an earlier run's weights, in separate runs with other seeds and averaging, the first two with
simpler degradation, the third with a learning rate that was bent on the way, the smooth pictures from the fourth on;
before the fifth they were averaged with darkir-s-lol, and the last saw 150 photographs and 250 smooth pictures:
docs/training-log.md tells the whole story.

Whole frames at a fraction of their size come first, because exposure and colour are most of the score and cost little
there. Cutting them by picking pixels instead of averaging keeps the noise of the full size. The third stage adds
crops and frames at full size while the learning rate falls; the others take a grid off even surfaces.
"""

from __future__ import annotations

from lightwell.data.degrade import Degradation
from lightwell.data.views import View
from lightwell.training.recipe import Recipe, Stage

_EVEN = (
    View((96, 144), batch=6, zoom=(0.7, 1.0), sampling="nearest"),
    View((200, 304), batch=2, zoom=(0.6, 1.0), sampling="nearest"),
    View((200, 304), batch=2),
)
_EVEN_LOSSES = {"l1": 1.0, "region_l1": 0.7, "log_mse": 0.03, "color_angle": 0.2, "edge": 50.0}

recipe = Recipe(
    name="darkir-s",
    model="darkir-s",
    seed=1,
    ema=0.998,
    validate_every=500,
    save_every=250,
    degradation=Degradation(shade=3.0, shade_chance=0.3, jpeg_chance=0.15),
    stages=(
        Stage(
            "frames",
            steps=1128,
            views=(
                View((96, 144), batch=8, zoom=(0.6, 1.0), sampling="nearest", weight=2),
                View((96, 144), batch=8, zoom=(0.6, 1.0), weight=1),
                View((136, 200), batch=8, zoom=(0.6, 1.0), sampling="nearest", weight=2),
                View((200, 304), batch=4, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((256, 384), batch=2, weight=1),
            ),
            losses={"l1": 1.0, "region_l1": 0.5, "log_mse": 0.02, "color_angle": 0.2, "edge": 5.0, "guide": 0.2},
            lr=1e-3,
            synthetic=0.3,
            exposure=0.5,
        ),
        Stage(
            "small",
            steps=372,
            views=(
                View((64, 96), batch=16, zoom=(0.7, 1.0), sampling="nearest", weight=3),
                View((64, 96), batch=16, zoom=(0.7, 1.0), weight=1),
                View((96, 144), batch=8, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((136, 200), batch=6, zoom=(0.7, 1.0), sampling="nearest", weight=1),
            ),
            losses={"l1": 1.0, "region_l1": 0.7, "log_mse": 0.03, "color_angle": 0.2, "edge": 5.0, "guide": 0.2},
            lr=1e-3,
            synthetic=0.15,
            exposure=0.4,
        ),
        Stage(
            "finish",
            steps=1150,
            views=(
                View((96, 144), batch=10, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((200, 304), batch=3, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((400, 600), batch=1, zoom=(1.0, 1.0), weight=1),
                View((256, 384), batch=2, weight=1.5),
            ),
            losses={"l1": 1.0, "region_l1": 0.7, "log_mse": 0.03, "color_angle": 0.2, "edge": 10.0, "guide": 0.2},
            lr=8e-4,
            lr_end=1e-5,
            warmup=30,
            synthetic=0.2,
            exposure=0.4,
        ),
        Stage(
            "smooth",
            steps=230,
            views=(
                View((96, 144), batch=8, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((200, 304), batch=4, zoom=(0.8, 1.0), sampling="nearest", weight=1),
                View((400, 600), batch=1, zoom=(1.0, 1.0), weight=0.7),
            ),
            losses={"l1": 1.0, "region_l1": 0.7, "log_mse": 0.03, "color_angle": 0.2, "edge": 50.0, "guide": 0.2},
            lr=3e-4,
            lr_end=5e-6,
            warmup=10,
            synthetic=0.4,
            exposure=0.4,
        ),
        Stage(
            "even",
            steps=330,
            views=_EVEN,
            losses=_EVEN_LOSSES,
            lr=5e-4,
            lr_end=5e-6,
            warmup=15,
            synthetic=0.6,
            exposure=0.3,
        ),
        Stage(
            "flat",
            steps=260,
            views=_EVEN,
            losses=_EVEN_LOSSES,
            lr=3e-4,
            lr_end=3e-6,
            warmup=15,
            synthetic=0.5,
            exposure=0.3,
        ),
    ),
)
