"""light-s for LOL v1 alone, the light of ``lightwell-s-lol``.

    lightwell train light-s-lol --set data=~/sets

`~/sets` holds `lol_v1` (with `our485` and `eval15`). The dark pictures' exposure is shifted by 0.8 stops, because the
same scenes come back at other exposures.
"""

from __future__ import annotations

from lightwell.data.views import View
from lightwell.training.recipe import Recipe, Stage

_LOSSES = {"l1": 1.0, "cell_l1": 0.5, "log_mse": 0.1}
_VIEWS = (View((32, 48), batch=32, zoom=(0.6, 1.0), shaped=True),)

recipe = Recipe(
    name="light-s-lol",
    model="light-s",
    task="light",
    validate_every=500,
    save_every=500,
    stages=(
        Stage(
            "hold",
            steps=1200,
            views=_VIEWS,
            losses=_LOSSES,
            lr=1e-3,
            exposure=0.8,
            tint=0.05,
        ),
        Stage(
            "fall", steps=2800, views=_VIEWS, losses=_LOSSES, lr=1e-3, lr_end=1e-6, warmup=0, exposure=0.8, tint=0.05
        ),
    ),
)
