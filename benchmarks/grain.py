"""What a detail network leaves of noise where it is hardest: ``python benchmarks/grain.py --data ~/sets WEIGHTS...``.

Twenty scenes whose truth is known: a made surface of a slow gradient, some of them gray, beside a piece of a photograph
that is held out of training. Each is taken in the dark (2 to 5 stops) with

- ``fine`` noise, which no pixels share, and ``coarse`` noise, which neighbours and channels share as cameras leave it;
- either of them as it is and through JPEG at quality 75;
- next to no noise, against the light, as it is and through JPEG at quality 90: what lies fine and gray in deep shadow
  there is texture, and is to stay.

The scene is lit by its own truth's thumbnail, so that the light has no say, and goes through the network whole. For
each kind: the noise of the surface, its standard deviation in levels after what is coarser than 12 pixels is taken
off; PSNR of the photograph; and how much of its texture is there, which is what is finer than 3 pixels, as a share
of the truth's (1: all of it; the noise has no part in it). ``lit`` is what the network was given. ``~/sets`` holds
``photographs``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from lightwell.data.degrade import Degradation, degrade
from lightwell.data.folders import Pair
from lightwell.models import load_weights
from lightwell.training.tasks import TASKS
from pictures import photographs, psnr, stray

FINE = Degradation(
    ev=(-5.0, -2.0),
    shade_chance=0.0,
    shot=(1e-4, 2e-3),
    read=(2e-4, 2e-3),
    cast=0.0,
    warmth=0.0,
    blur_chance=0.0,
    defocus_chance=0.0,
    jpeg_chance=0.0,
)
COARSE = {**vars(FINE), "grain": (0.5, 1.2), "grain_chance": 1.0, "gray": (0.7, 1.0)}
JPEG = {"quality": (75, 75), "jpeg_chance": 1.0}
CLEAR = {
    **vars(FINE),
    "ev": (-2.0, 0.0),
    "shot": (1e-6, 1e-5),
    "read": (1e-5, 1e-4),
    "hard": (0.8, 1.3),
    "hard_chance": 1.0,
}
KINDS = {
    "fine": FINE,
    "fine, JPEG": Degradation(**{**vars(FINE), **JPEG}),
    "coarse": Degradation(**COARSE),
    "coarse, JPEG": Degradation(**{**COARSE, **JPEG}),
    "next to none": Degradation(**CLEAR),
    "next to none, JPEG": Degradation(**{**CLEAR, **JPEG, "quality": (90, 90)}),
}
SCENES = 20
SURFACE = slice(0, 304)  # columns; the photograph's piece is as wide and lies to its right


def scenes(data: Path) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(11)
    made = []
    for number, (_, picture) in enumerate(photographs(data)):
        if number % 2:
            continue
        level = (0.25, 0.45, 0.65)[number // 2 % 3]
        field = level + rng.normal(0, 0.1 * level, (2, 3, 3))
        if number % 4:
            field = field.mean(2, keepdims=True).repeat(3, 2)
        planes = [Image.fromarray(field[..., c].astype(np.float32)).resize((304, 304), 3) for c in range(3)]
        surface = np.clip(np.stack([np.asarray(plane) for plane in planes], 2) * 255, 0, 255).round().astype(np.uint8)
        made.append(np.concatenate((surface, picture[8:312, 8:312]), 1))
    assert len(made) == SCENES
    return made


def inputs(scene: NDArray[np.uint8], kind: Degradation, seed: int, folder: Path) -> tuple[Tensor, NDArray[np.float32]]:
    """What the network is given, ``(1, 4, H, W)``, and the truth, ``(H, W, 3)`` in levels."""
    target = torch.tensor(scene).permute(2, 0, 1)[None].float() / 255
    low = degrade(target, kind.sample(1, torch.Generator().manual_seed(seed)))[0].permute(1, 2, 0)
    pair = Pair("scene", folder / "low.png", folder / "high.png")
    Image.fromarray((low * 255).round().byte().numpy()).save(pair.low)
    Image.fromarray(scene).save(pair.high)
    loaded = TASKS["detail"].load(pair).float()
    return loaded[..., :4].permute(2, 0, 1)[None], loaded[..., 4:].numpy() * 255


def scores(restored: Tensor, truth: NDArray[np.float32]) -> tuple[float, float, float]:
    """Levels of noise that the surface has, PSNR of the photograph in dB, and the share of its texture."""
    levels = restored[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    noise = (levels - truth)[:, SURFACE]
    found, wanted = levels[:, SURFACE.stop :], truth[:, SURFACE.stop :]
    fine, wanted_fine = (picture - gaussian_filter(picture, (3, 3, 0)) for picture in (found, wanted))
    return stray(noise), psnr(found, wanted), float((fine * wanted_fine).sum() / np.square(wanted_fine).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+", help="safetensors files of detail networks")
    parser.add_argument("--data", type=Path, required=True, help="folder with photographs")
    chosen = parser.parse_args()
    nets = {path.name: load_weights(path).eval() for path in chosen.weights}
    made = scenes(chosen.data)
    print("noise", "lit", *nets, sep="\t")
    for kind, degradation in KINDS.items():
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ("lit", *nets)}
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
            for seed, scene in enumerate(made):
                lit, truth = inputs(scene, degradation, seed, Path(folder))
                found["lit"].append(scores(lit[:, :3], truth))
                for name, net in nets.items():
                    found[name].append(scores(net(lit), truth))
        means = [np.mean(values, 0) for values in found.values()]
        cells = (f"{noise:.2f} levels, {db:.2f} dB, {share:.2f}" for noise, db, share in means)
        print(kind, *cells, sep="\t", flush=True)


if __name__ == "__main__":
    main()
