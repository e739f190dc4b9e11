"""DRGN on LOL v1, on the paper's schedule: a GPU's work.

    lightwell train drgn --set data=~/sets

`~/sets` holds `lol_v1` (with `our485` and `eval15`) and `photographs`, any few hundred good photographs to carry the
learnt degradation over to. Nobody has run it to its end.

Patches of 96x96, batch 16, Adam at 5e-4 times 0.9 every 6000 steps, 20 epochs of the degradation generator and 40 of
the refinement generator, counting 24 patches a picture and 480 pictures; the learning rate's steps are counted from the
start of each stage. The paper's scaling is a view of 80x120 pixels at 0.8 to 1 of their size. What the paper
calls "w/o KL" and "w/o SSIM" is `--set stages.0.losses.kl=0` and `--set stages.1.losses.ssim=0`; "w/o MSR" is
`--set model=drgn-one-scale`, and "w/o DL-DA" the recipe `drgn-one-step`; `benchmarks/ablations.py` runs them all at a
small scale. `--set front=normalised` or `--set front=lit` puts something before the network that the paper does not
have (`lightwell.models.front`).
"""

from __future__ import annotations

from lightwell.data.views import View
from lightwell.models.drgn import Critics
from lightwell.training.objectives import criticise_degradation, degradation, refinement
from lightwell.training.recipe import Recipe, Stage, Turn

_VIEWS = (View((96, 96), batch=16, weight=2), View((80, 120), batch=16, zoom=(0.2, 0.25)))

recipe = Recipe(
    name="drgn",
    model="drgn",
    critics=Critics,
    weight_decay=0.0,
    betas=(0.9, 0.999),
    stages=(
        Stage(
            "degradation",
            steps=14_400,
            views=_VIEWS,
            losses={"adversarial": 1e-5, "critics": 1.0, "kl": 1.0},
            lr=5e-4,
            decay=(0.9, 6000),
            warmup=0,
            exposure=0.0,
            references=True,
            turns=(Turn(degradation, ("degrade.",)), Turn(criticise_degradation, ("critics.",))),
        ),
        Stage(
            "refinement",
            steps=28_800,
            views=_VIEWS,
            losses={"charbonnier": 1.0, "ssim": 0.2},
            lr=5e-4,
            decay=(0.9, 6000),
            warmup=0,
            exposure=0.0,
            references=True,
            turns=(Turn(refinement, ("refine.",)),),
        ),
    ),
)
