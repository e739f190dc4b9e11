"""darkir-m (width 32, 3.3 M parameters) on LOL v1 and degraded photographs, for one GPU.

    lightwell train darkir-m --set data=~/sets

The stages of darkir-s with eight times the steps, two thirds as much learning rate and batches four times as large.
Nobody has run it to its end, so there is no time and no quality to report.

Views are those of darkir-s, whole frames first: a DarkIR looks at the spectrum of all that it is given, so a crop
teaches it another light than the picture's. `--set front=normalised --set stages.synthetic=0` shows it pictures at an
exposure of their own (`lightwell.models.front`).
"""

from __future__ import annotations

from dataclasses import replace

from lightwell.recipes.darkir_s import recipe as small

recipe = replace(
    small,
    name="darkir-m",
    model="darkir-m",
    ema=0.9995,
    precision="bfloat16",
    validate_every=5000,
    save_every=2500,
    stages=tuple(
        replace(
            stage,
            steps=8 * stage.steps,
            warmup=500,
            lr=2 / 3 * stage.lr,
            views=tuple(replace(view, batch=4 * view.batch) for view in stage.views),
        )
        for stage in small.stages
    ),
)
