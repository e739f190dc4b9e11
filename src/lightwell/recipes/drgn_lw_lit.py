"""LW-DRGN behind a light: pictures are lit by ``lightwell-s-lol`` before the network sees them.

    lightwell train drgn-lw-lit --set data=~/sets

`~/sets` holds what the recipe `drgn-lw` wants; training goes on from its weights. The network has no say about light,
so crops at full size are all that it needs to see.
"""

from __future__ import annotations

from dataclasses import replace

from lightwell.data.views import View
from lightwell.recipes.drgn_lw import recipe as raw

_degradation, _, _frames, _large = raw.stages

recipe = replace(
    raw,
    name="drgn-lw-lit",
    front="lit",
    start="drgn-lw",
    validate_every=250,
    stages=(
        replace(_degradation, steps=30, views=(View((96, 96), batch=4),), lr=1e-3, warmup=3),
        replace(_frames, name="crops", steps=350, views=(View((128, 128), batch=4),), lr=1e-3, lr_end=1e-3, warmup=5),
        replace(_large, name="fall", steps=400, views=(View((128, 128), batch=4),)),
    ),
)
