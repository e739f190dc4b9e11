r"""light-s, the light of the default ``lightwell-s``: LOL v1, photographs as they are and photographs darkened.

    lightwell degrade ~/sets/photographs -o ~/sets/night --pairs --copies 8 --seed 1 \
        --hard 0.35 --veil 0.0006 --leave-held-out
    python tools/fill_shadows.py ~/sets/photographs ~/sets/filled
    lightwell degrade ~/sets/filled -o ~/sets/backlit --pairs --copies 4 --seed 71 \
        --hard 1 --hardness 0.8 1.8 --ev -0.7 0.3 --shaken 0.1 --leave-held-out
    lightwell degrade ~/sets/photographs -o ~/sets/lamps --pairs --copies 3 --seed 21 \
        --lamps 1 --ev -4 0 --veil 0.002 --leave-held-out
    lightwell train light-s --set data=~/sets

`~/sets` holds `lol_v1` (with `our485` and `eval15`) and `photographs`: any few hundred good photographs. The others
hold darkened copies, made at full size, so that noise, shake and shade are reduced with the picture: in the dark,
against the light, and of scenes that are dark themselves but for lamps. A veil of stray light lies over half of them:
without it the network raised what cameras add to black.

A thumbnail's step is cheap, and light is most of what a restored picture is judged by, so steps are many. A good
photograph is to stay as it is: some of each batch are pictures that are their own targets. With a tenth and more, what
lies in shadow stays there too, as it does where the targets against the light have deep shadows of their own: theirs
are filled. The large decay keeps the network from learning its few hundred scenes by heart.

``--set start=src/lightwell/zoo/lightwell-s.light.safetensors`` goes on from what ships: its runs ended with the rate at
zero, so their optimisers hold nothing that a new run would want. Means of such runs' weights are worth trying.
"""

from __future__ import annotations

from lightwell.data.views import View
from lightwell.training.recipe import Recipe, Stage

_LOSSES = {"l1": 1.0, "cell_l1": 0.5, "log_mse": 0.1}
_VIEWS = (View((32, 48), batch=32, zoom=(0.6, 1.0), shaped=True),)

recipe = Recipe(
    name="light-s",
    model="light-s",
    task="light",
    pairs={"lol_v1:train": 0.38, "night": 0.26, "backlit": 0.22, "lamps": 0.07, "same:photographs": 0.07},
    weight_decay=0.4,
    steady=("night", "backlit", "lamps", "same:photographs"),
    validate_every=500,
    save_every=500,
    stages=(
        Stage(
            "hold",
            steps=2250,
            views=_VIEWS,
            losses=_LOSSES,
            lr=1.2e-3,
            exposure=0.8,
            tint=0.1,
        ),
        Stage(
            "fall", steps=5250, views=_VIEWS, losses=_LOSSES, lr=1.2e-3, lr_end=1e-6, warmup=0, exposure=0.8, tint=0.1
        ),
    ),
)
