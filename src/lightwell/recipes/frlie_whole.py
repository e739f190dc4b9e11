"""FRLIE without feature restoration, the ablation of the paper's Table 1.

    lightwell train frlie-whole --set data=~/sets

The same network and views as `frlie`, but trained as a whole from the beginning, without matching features.
"""

from __future__ import annotations

from dataclasses import replace

from lightwell.recipes.frlie import recipe as frlie
from lightwell.training.recipe import Turn

recipe = replace(
    frlie,
    name="frlie-whole",
    stages=tuple(
        replace(stage, turns=(Turn(),), losses={k: v for k, v in stage.losses.items() if k != "features"})
        for stage in frlie.stages[1:]
    ),
)
