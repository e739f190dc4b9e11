"""Tiny networks, pictures and recipes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightwell.data.views import View
from lightwell.models.darkir import DarkIR, DarkIRConfig
from lightwell.models.registry import register_model
from lightwell.training.recipe import Recipe, Stage


@register_model
def tiny() -> DarkIR:
    blocks = {"enc_blk_nums": (1,), "dec_blk_nums": (1,), "middle_blk_num_enc": 1, "middle_blk_num_dec": 1}
    return DarkIR(DarkIRConfig(width=4, dilations=(1,), **blocks))  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with six pairs to train on, two held out, and three photographs."""
    noise = np.random.default_rng(0)
    root = tmp_path / "data"

    def paint(path: Path, pixels: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)

    for folder, count in (("pairs", 6), ("held", 2)):
        for number in range(count):
            high = noise.integers(60, 220, (3, 3, 3)).repeat(8, 0).repeat(8, 1)
            paint(root / folder / "high" / f"{number}.png", high)
            paint(root / folder / "low" / f"{number}.png", high // 5 + noise.integers(0, 6, high.shape))
    for number in range(3):
        photograph = noise.integers(0, 256, (4, 5, 3)).repeat(6, 0).repeat(6, 1)
        paint(root / "photographs" / f"{number}.jpg", photograph)
    return root


@pytest.fixture
def recipe(data: Path) -> Recipe:
    return Recipe(
        name="tiny",
        model="tiny",
        data=data,
        pairs={"pairs": 1.0},
        held_out=("held",),
        stages=(
            Stage(
                "small",
                steps=6,
                views=(View((12, 16), batch=4, zoom=(0.6, 1.0), sampling="nearest"), View((8, 8), batch=4)),
                losses={"l1": 1.0, "edge": 5.0, "guide": 0.2},
                lr=3e-3,
                warmup=2,
                synthetic=0.4,
            ),
            Stage(
                "whole", steps=4, views=(View((16, 16), batch=2),), losses={"l1": 1.0}, lr=1e-3, lr_end=1e-5, warmup=0
            ),
        ),
        log_every=1,
        validate_every=5,
        save_every=3,
        seed=3,
    )
