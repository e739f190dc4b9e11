"""DRGN without degradation learning and augmentation, the ablation "w/o DL-DA" of the paper's Table 1.

    lightwell train drgn-one-step --set data=~/sets

One refinement generator of about the size of both learns from the dark pictures themselves, in as many steps as `drgn`
takes in all.
"""

from __future__ import annotations

from dataclasses import replace

from lightwell.recipes.drgn import recipe as drgn
from lightwell.training.recipe import Turn

recipe = replace(
    drgn,
    name="drgn-one-step",
    model="drgn-one-step",
    critics=None,
    stages=(replace(drgn.stages[1], steps=drgn.steps, references=False, turns=(Turn(),)),),
)
