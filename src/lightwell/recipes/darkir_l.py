"""darkir-l (width 64, 12.9 M parameters) on LOL v1 and degraded photographs, for one large GPU.

    lightwell train darkir-l --set data=~/sets

As darkir-m, at half its learning rate. Nobody has run it to its end, so there is no time and no quality to report.
"""

from __future__ import annotations

from dataclasses import replace

from lightwell.recipes.darkir_m import recipe as medium

recipe = replace(
    medium,
    name="darkir-l",
    model="darkir-l",
    stages=tuple(replace(stage, lr=stage.lr / 2) for stage in medium.stages),
)
