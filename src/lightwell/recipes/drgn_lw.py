"""LW-DRGN on LOL v1, on a CPU core.

    lightwell train drgn-lw --set data=~/sets

`~/sets` holds `lol_v1` (with `our485` and `eval15`) and `photographs`, any few hundred good photographs; this run
had 300 of the Berkeley segmentation set and 120 pictures that `tools/smooth_pictures.py` made.

As measured: 75 minutes on half a core of an AMD EPYC, beside other runs, without the crops of `frames` and `large`;
then 40 minutes of both on from there: 22.09 dB on val_seen and 19.98 dB on val_unseen (strict, 16 and 20 pictures),
still rising. The shipped run was shortened on the way: docs/training-log.md. `--set front=normalised` or `--set
front=lit` puts something before the network that the paper does not have (`lightwell.models.front`); `--set
start=drgn-lw` goes on from what ships.

A short version of the paper's two stages. Crops at full size are there from the beginning, because all but the
attention is local; whole frames at a fraction of their size are among them, because what the attention sees of a
picture is its mean over all of it. Besides, other than in the paper:

- The degradation generator also learns from `base`, the distance of the picture without its degradation from the good
  one, and the KL term weighs 0.002 beside it. At 0.1 the degradation was the same for every picture after 100 steps.
- The second stage begins with the synthesised pairs and goes on without them: they take as long as the real ones, and
  an added degradation leaves nothing of a photograph's shadows.
- `region_l1` and `log_mse` join the losses of the second stage, the discriminators are a quarter as wide, and the
  exposure of dark pictures is shifted a little.
"""

from __future__ import annotations

from functools import partial

from lightwell.data.views import View
from lightwell.models.drgn import Critics
from lightwell.training.objectives import criticise_degradation, degradation, refinement
from lightwell.training.recipe import Recipe, Stage, Turn

_SECOND = {"charbonnier": 1.0, "ssim": 0.2, "region_l1": 0.5, "log_mse": 0.02}
_REFINE = (Turn(refinement, ("refine.",)),)

recipe = Recipe(
    name="drgn-lw",
    model="drgn-lw",
    critics=partial(Critics, 16),
    seed=1,
    weight_decay=0.0,
    betas=(0.9, 0.99),
    ema=0.995,
    validate_every=500,
    save_every=100,
    stages=(
        Stage(
            "degradation",
            steps=220,
            views=(
                View((64, 96), batch=4, zoom=(0.7, 1.0), sampling="nearest", weight=3),
                View((96, 144), batch=4, zoom=(0.7, 1.0), sampling="nearest", weight=1),
            ),
            losses={"adversarial": 1e-5, "critics": 1.0, "kl": 0.002, "base": 1.0},
            lr=1.5e-3,
            lr_end=2e-4,
            warmup=20,
            exposure=0.15,
            references=True,
            turns=(Turn(degradation, ("degrade.",)), Turn(criticise_degradation, ("critics.",))),
        ),
        Stage(
            "augmented",
            steps=150,
            views=(View((96, 144), batch=4, zoom=(0.7, 1.0), sampling="nearest"),),
            losses=_SECOND,
            lr=1.5e-3,
            warmup=20,
            exposure=0.15,
            references=True,
            turns=_REFINE,
        ),
        Stage(
            "frames",
            steps=700,
            views=(
                View((128, 128), batch=4, weight=3),
                View((64, 96), batch=8, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((96, 144), batch=8, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((136, 200), batch=4, zoom=(0.7, 1.0), sampling="nearest", weight=1),
            ),
            losses=_SECOND,
            lr=1.5e-3,
            lr_end=1e-3,
            warmup=1,
            exposure=0.15,
            turns=_REFINE,
        ),
        Stage(
            "large",
            steps=320,
            views=(
                View((200, 304), batch=2, weight=2),
                View((200, 304), batch=2, zoom=(0.7, 1.0), sampling="nearest", weight=1),
                View((400, 600), batch=1, zoom=(1.0, 1.0), weight=1),
            ),
            losses=_SECOND,
            lr=1e-3,
            lr_end=1e-5,
            warmup=1,
            exposure=0.1,
            turns=_REFINE,
        ),
    ),
)
