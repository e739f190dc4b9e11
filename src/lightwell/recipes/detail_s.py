r"""detail-s, the detail of ``lightwell-s``: noise and shake taken out of lit pictures.

    lightwell degrade ~/sets/photographs -o ~/sets/shaken --pairs --copies 6 --seed 13 --shaken 0.5 \
        --hard 0.25 --hardness 0.5 1.3 --grain 0.6 --noise 2 --jpeg 0.6 --leave-held-out
    lightwell degrade ~/sets/photographs -o ~/sets/grainy --pairs --copies 3 --seed 51 --shaken 0.1 \
        --ev -2.5 0 --hard 0.6 --hardness 0.5 1.3 --grain 0.8 --noise 3 --jpeg 0.5 --leave-held-out
    lightwell degrade ~/sets/photographs -o ~/sets/clear --pairs --copies 2 --seed 61 --shaken 0 \
        --ev -3 0 --hard 1 --hardness 0.6 1.3 --noise 0.15 --jpeg 0.5 --leave-held-out
    mkdir ~/sets/smooth && python tools/smooth_pictures.py ~/sets/smooth 120
    lightwell degrade ~/sets/smooth -o ~/sets/smooth_night --pairs --copies 2 --seed 43 --shaken 0 \
        --ev -6 -1 --grain 0.6 --noise 2 --jpeg 0.6
    lightwell degrade ~/sets/smooth -o ~/sets/smooth_grainy --pairs --copies 2 --seed 53 --shaken 0 \
        --ev -2.5 0 --hard 0.5 --grain 0.8 --noise 3 --jpeg 0.5
    lightwell train detail-s --set data=~/sets

On smooth pictures, skies and walls, it learns to draw no grid and no steps of 8 bits that a large gain lays bare. Most
pictures have coarse noise, which neighbours and channels share and which runs in bands: cameras leave such, and fine
noise teaches nothing of it. The strongest noise is two and three times as strong as LOL v1's, also where little light
is needed (`grainy`), many pictures went through JPEG, and many are taken against the light, where noise lies in the
shadows alone. What the network has never seen it takes for texture, and the reverse: some (`clear`) have deep shadows
and next to no noise. Every fifth batch is as large as a tile.

Pictures are lit by their targets' own thumbnails, so small crops at full size are enough and no step is spent on light.
The stops they were lit by must not tell their noise (``lightwell.restoring.lighting``).
"""

from __future__ import annotations

from lightwell.data.views import View
from lightwell.training.recipe import Recipe, Stage

_LOSSES = {"l1": 1.0, "ssim": 0.1, "log_mse": 0.01}
_VIEWS = (
    View((128, 128), batch=4, upright=False, weight=3),
    View((192, 192), batch=2, upright=False),
    View((288, 288), batch=1, upright=False),
)

recipe = Recipe(
    name="detail-s",
    model="detail-s",
    task="detail",
    pairs={
        "lol_v1:train": 0.28,
        "shaken": 0.26,
        "grainy": 0.20,
        "clear": 0.08,
        "smooth_night": 0.08,
        "smooth_grainy": 0.06,
        "same:photographs": 0.04,
    },
    validate_every=500,
    save_every=250,
    clip=0.5,
    ema=0.998,
    memory=13.0,
    stages=(
        Stage(
            "hold",
            steps=8000,
            views=_VIEWS,
            losses=_LOSSES,
            lr=8e-4,
            exposure=0.2,
            tint=0.05,
        ),
        Stage(
            "fall", steps=16000, views=_VIEWS, losses=_LOSSES, lr=8e-4, lr_end=1e-6, warmup=0, exposure=0.2, tint=0.05
        ),
    ),
)
