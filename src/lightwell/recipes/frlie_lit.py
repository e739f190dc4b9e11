"""FRLIE behind a light: pictures are lit by ``lightwell-s-lol`` before the network sees them.

    lightwell train frlie-lit --set data=~/sets

`~/sets` holds `lol_v1`; training goes on from the weights of `frlie`, whose encoder and decoder stay as they are. The
network has no say about light, so crops at full size are all that it needs to see.
"""

from __future__ import annotations

from dataclasses import replace

from lightwell.data.views import View
from lightwell.recipes.frlie import recipe as raw

_crops = replace(raw.stages[1], views=(View((128, 128), batch=4),), warmup=10)

recipe = replace(
    raw,
    name="frlie-lit",
    front="lit",
    start="frlie",
    validate_every=250,
    stages=(
        replace(_crops, steps=350),
        replace(_crops, name="fall", steps=400, lr_end=3e-6),
    ),
)
