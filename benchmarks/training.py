"""Training steps: this package's loop against a plain one over the same network, batches and optimiser.

The plain loop is what most published repositories have: a DataLoader with one worker that crops pictures held in
memory, contiguous (NCHW) tensors, AdamW without fusion, an averaged copy updated parameter by parameter. For light-s
(``--model light-s --batch 32``) the plain loop reduces a picture whenever it is drawn; for detail-s it has the lit
pictures at hand, as ours.

    python benchmarks/training.py [--model darkir-s] [--side 128] [--batch 8] [--seconds 20] [--threads N]
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lightwell.data.paired import load_pair
from lightwell.data.public import find_set
from lightwell.data.views import View
from lightwell.losses import LOSSES
from lightwell.models import create_model
from lightwell.training.batches import Batches
from lightwell.training.loop import Run, prefetched
from lightwell.training.recipe import Recipe, Stage
from lightwell.training.tasks import TASKS

PAIRS = 24
WARM_UP = 3


def paint(data: Path) -> None:
    """Noise pairs of LOL's size."""
    noise = np.random.default_rng(0)
    for half, level in (("low", 40), ("high", 256)):
        (data / "pairs" / half).mkdir(parents=True)
        for number in range(PAIRS):
            Image.fromarray(noise.integers(0, level, (400, 600, 3), dtype=np.uint8)).save(
                data / "pairs" / half / f"{number}.bmp"
            )


def ours(recipe: Recipe, device: torch.device) -> Callable[[], float]:
    run = Run(recipe, device)
    batches = prefetched(Batches(recipe, device).loader(0))

    def step() -> float:
        begun = time.monotonic()
        batch = next(batches)
        waited = time.monotonic() - begun
        run.update(batch)
        return waited

    return step


class Crops(Dataset[tuple[Tensor, Tensor]]):
    """Input and target, ``(planes, H, W)`` and ``(3, H, W)``."""

    def __init__(self, recipe: Recipe) -> None:
        view = recipe.stages[0].views[0]
        self.size, self.length = view.size, view.batch * recipe.steps
        self.thumbnails = recipe.task == "light"
        load = load_pair if self.thumbnails else TASKS[recipe.task].load
        self.pairs = [load(pair).permute(2, 0, 1) for pair in find_set(recipe.data, "pairs")]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        pair = self.pairs[index % PAIRS]
        if self.thumbnails:
            pair = F.interpolate(pair[None].float(), self.size, mode="area")[0]
        top, left = (int(torch.randint(n - side + 1, ())) for n, side in zip(pair.shape[1:], self.size, strict=True))
        pair = pair[:, top : top + self.size[0], left : left + self.size[1]].float()
        if torch.rand(()) < 0.5:
            pair = pair.flip(2)
        if pair.max() > 2:
            pair = pair / 255
        return pair[:-3], pair[-3:]


def plain(recipe: Recipe, device: torch.device) -> Callable[[], float]:
    net = create_model(recipe.model).to(device)
    average = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=False)
    view, losses = recipe.stages[0].views[0], recipe.stages[0].losses
    batches = iter(DataLoader(Crops(recipe), view.batch, num_workers=1, pin_memory=device.type == "cuda"))

    def step() -> float:
        begun = time.monotonic()
        low, target = next(batches)
        waited = time.monotonic() - begun
        low, target = low.to(device), target.to(device)
        restored = net(low)
        loss = sum((weight * LOSSES[name](restored, target) for name, weight in losses.items()), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for old, new in zip(average.parameters(), net.parameters(), strict=True):
                old.mul_(0.999).add_(new, alpha=0.001)
        loss.item()
        return waited

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="darkir-s")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    task = {"light-s": "light", "detail-s": "detail"}.get(options.model, "restoration")
    size = (32, 48) if task == "light" else (options.side, options.side)
    losses = {"l1": 1.0, "cell_l1": 0.5, "log_mse": 0.1} if task == "light" else {"l1": 1.0, "edge": 5.0}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        paint(data)
        recipe = Recipe(
            "benchmark",
            options.model,
            (Stage("crops", 100_000, (View(size, options.batch),), losses, lr=1e-4, exposure=0.4),),
            task=task,
            data=data,
            pairs={"pairs": 1.0},
            held_out=(),
            precision=options.precision,
            compile=options.compile,
        )
        print(f"{options.model}, {options.batch} crops of {size[0]}x{size[1]} on {device}", end=", ")
        print(f"{torch.get_num_threads()} threads, {options.precision}")
        loops = {"plain": plain(recipe, device), "lightwell": ours(recipe, device)}
        taken, waited = dict.fromkeys(loops, 0.0), dict.fromkeys(loops, 0.0)
        steps = -WARM_UP
        # In turns, so that what else the machine does slows both.
        while max(taken.values()) < options.seconds:
            for name, step in loops.items():
                begun = time.monotonic()
                waiting = step()  # ends by reading the loss, so the device has done its work
                if steps >= 0:
                    taken[name] += time.monotonic() - begun
                    waited[name] += waiting
            steps += 1
        for name in loops:
            rate = steps * options.batch / taken[name]
            print(f"{name:10} {rate:8.2f} pictures/s, waiting for data {waited[name] / taken[name]:.2%}")
        print(f"ratio      {taken['plain'] / taken['lightwell']:8.2f}")


if __name__ == "__main__":
    main()
