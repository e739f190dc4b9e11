"""Makes the example photographs: darkened, noisy, one of them shaken, from free pictures that come with scikit-image.

    python examples/make.py

Needs `pip install "lightwell[train]" scikit-image`. The same seed gives the same pictures.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image

from lightwell.data.degrade import Degradation, degrade

FOLDER = Path(__file__).parent
EXAMPLES = {
    "coffee": Degradation(ev=(-4.2, -4.2), shot=(4e-4, 4e-4), read=(4e-4, 4e-4), blur_chance=0),
    "chelsea": Degradation(ev=(-5.0, -5.0), shot=(2e-4, 2e-4), read=(2e-4, 2e-4), blur_chance=0),
    "astronaut": Degradation(ev=(-4.5, -4.5), shot=(2e-4, 2e-4), read=(2e-4, 2e-4), blur=0.016, blur_chance=1),
    "rocket": Degradation(ev=(-2.5, -2.5), shot=(2e-4, 2e-4), read=(2e-4, 2e-4), blur_chance=0),
}
# What the gallery shows as failures; the third is the rocket as it was taken, at dusk.
FAILURES = {
    "coffee": Degradation(ev=(-7.0, -7.0), shot=(6e-4, 6e-4), read=(6e-4, 6e-4), blur_chance=0),
    "astronaut": Degradation(ev=(-4.0, -4.0), shot=(2e-4, 2e-4), read=(2e-4, 2e-4), blur=0.05, blur_chance=1),
}


def original(name: str) -> NDArray[np.uint8]:
    """A picture of scikit-image as it is."""
    return np.array(getattr(skimage.data, name)())


def darkened(name: str, settings: Degradation, seed: int) -> Image.Image:
    """The same, taken in the dark."""
    picture = torch.from_numpy(original(name)).permute(2, 0, 1)[None] / 255
    shots = replace(settings, shade_chance=0, jpeg_chance=0).sample(1, torch.Generator().manual_seed(seed))
    dark = degrade(picture, shots)[0].permute(1, 2, 0)
    return Image.fromarray((dark.numpy() * 255).round().astype(np.uint8))


def main() -> None:
    for seed, (name, settings) in enumerate(EXAMPLES.items()):
        darkened(name, settings, seed).save(FOLDER / f"{name}_dark.jpg", quality=95)
    failures = FOLDER / "failures"
    failures.mkdir(exist_ok=True)
    darkened("coffee", FAILURES["coffee"], 1).save(failures / "seven_stops.jpg", quality=92)
    darkened("astronaut", FAILURES["astronaut"], 3).save(failures / "shaken.jpg", quality=92)
    Image.fromarray(original("rocket")).save(failures / "dusk.jpg", quality=92)


if __name__ == "__main__":
    main()
