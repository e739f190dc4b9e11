"""The batches of a run: real pairs at shifted exposures, and good photographs degraded on the fly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lightwell.data.degrade import degrade
from lightwell.data.folders import find_pictures
from lightwell.data.paired import load_picture
from lightwell.data.public import find_set
from lightwell.data.views import DRAWS, PictureStore, View
from lightwell.errors import RecipeError
from lightwell.training.recipe import Batch, Recipe

__all__ = ["Batches"]

Item = TypeVar("Item")


class Batches(Dataset[Batch]):
    """The batch of every step.

    A batch depends on the recipe and the step alone: neither on the steps before, nor on how many processes share it.
    Pictures are kept on the device if all of them fit there; otherwise those that fit are kept in memory and the others
    read when they are needed.

    Args:
        recipe: what to draw.
        device: where to train.
        rank: number of this process.
        world: number of processes; each gets every ``world``-th picture of a batch.

    Raises:
        DataError: when data is missing or broken.
        RecipeError: when a batch cannot be shared by the processes.
    """

    def __init__(self, recipe: Recipe, device: torch.device, rank: int = 0, world: int = 1) -> None:
        for stage in recipe.stages:
            for view in stage.views:
                if view.batch % world:
                    raise RecipeError(f"{world} processes cannot share a batch of {view.batch}: make it a multiple")
        # What is computed does not matter here, and its functions need not be known to the processes that read.
        stages = tuple(replace(stage, losses={}, turns=()) for stage in recipe.stages)
        self.recipe = replace(recipe, stages=stages, critics=None)
        self.rank, self.world = rank, world

        sets = [find_set(recipe.data, name) for name in recipe.pairs]
        self.counts = torch.tensor([len(pairs) for pairs in sets])
        self.shares = torch.tensor(list(recipe.pairs.values()), dtype=torch.float64)
        self.task = recipe.preparation
        self.steady = torch.tensor([name in recipe.steady for name in recipe.pairs])
        self.pairs = _Source([pair for pairs in sets for pair in pairs], self.task.load, recipe.memory * 1e9)
        wanted = any(stage.synthetic or stage.references for stage in recipe.stages)
        photographs = find_pictures(recipe.data / recipe.photographs).values() if wanted else ()
        self.photographs = _Source(list(photographs), load_picture, recipe.memory * 1e9 - self.pairs.size)
        self.streams = not (self.pairs.fits and self.photographs.fits)
        for source in (self.pairs, self.photographs):
            source.keep("cpu" if self.streams else device)

    def __getitem__(self, step: int) -> Batch:
        recipe = self.recipe
        stage, _ = recipe.at(step)
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        view = _choose(stage.views, generator)
        n = view.batch
        synthetic = torch.rand(n, generator=generator) < stage.synthetic
        group = torch.multinomial(self.shares, n, replacement=True, generator=generator)
        within = torch.rand(n, generator=generator, dtype=torch.float64) * self.counts[group]
        pair = (self.counts.cumsum(0) - self.counts)[group] + within.long()
        photograph = torch.randint(max(len(self.photographs.items), 1), (n,), generator=generator)
        draws = torch.rand(n, DRAWS, generator=generator)
        stops = torch.randn(n, generator=generator).clamp(-3, 3) * stage.exposure
        shots = recipe.degradation.sample(n, generator)
        tints = torch.randn(n, 3, generator=generator).clamp(-3, 3) * stage.tint
        fixed = self.steady[group]
        stops, tints = stops.masked_fill(fixed, 0), tints.masked_fill(fixed[:, None], 0)

        mine = torch.arange(n) % self.world == self.rank
        parts = []
        if len(real := (mine & ~synthetic).nonzero()[:, 0]):
            cut = self.pairs.cut(pair[real], view, draws[real])
            low, target = cut[:, : self.task.planes], cut[:, self.task.planes :]
            parts.append(self.task.move(low, target, stops[real], tints[real]))
        if len(made := (mine & synthetic).nonzero()[:, 0]):
            # A good photograph has no noise to keep, and its aliasing would be taught as detail.
            good = self.photographs.cut(photograph[made], replace(view, sampling="area"), draws[made])
            parts.append((degrade(good, shots.take(made)), good))
        lows, targets = zip(*parts, strict=True)
        reference = None
        if stage.references:
            own = mine.nonzero()[:, 0]
            fresh = torch.rand(n, DRAWS, generator=generator)
            reference = self.photographs.cut(photograph[own], replace(view, sampling="area"), fresh[own])
        return Batch(torch.cat(lows), torch.cat(targets), reference)

    def enlarged(self) -> tuple[int, int] | None:
        """Height and width of the first crop that the smallest pictures do not have and are enlarged for, if any."""
        crops = [view.size for stage in self.recipe.stages for view in stage.views if view.zoom is None]
        sides = self.pairs.smallest, self.photographs.smallest
        return next((size for size in crops for side in sides if side[0] < size[0] or side[1] < size[1]), None)

    def loader(self, start: int) -> DataLoader[Batch]:
        """The batches from a step on."""
        return DataLoader(
            self,
            batch_size=None,
            sampler=range(start, self.recipe.steps),
            num_workers=self.recipe.workers if self.streams else 0,
            multiprocessing_context="spawn" if self.streams and self.recipe.workers else None,
        )


class _Source(Generic[Item]):
    """Pictures by number, kept or read when they are cut.

    All are decoded once even if they will not be kept: a broken one is named now, not after a night.
    """

    def __init__(self, items: Sequence[Item], load: Callable[[Item], Tensor], room: float) -> None:
        self.items, self.load = items, load
        self.store: PictureStore | None = None
        self.size = 0
        self.smallest = sys.maxsize, sys.maxsize  # least height and width
        self._loaded: list[Tensor] = []
        with ThreadPoolExecutor() as pool:
            for picture in pool.map(load, items):
                self.size += picture.nbytes
                self.smallest = min(self.smallest[0], picture.shape[0]), min(self.smallest[1], picture.shape[1])
                if self.size <= room:
                    self._loaded.append(picture)
        self.fits = self.size <= room

    def keep(self, device: torch.device | str) -> None:
        if self.fits and self.items:
            self.store = PictureStore(self._loaded, device)
        self._loaded = []

    def cut(self, index: Tensor, view: View, draws: Tensor) -> Tensor:
        if self.store is not None:
            return self.store.cut(index, view, draws)
        read = PictureStore([self.load(self.items[i]) for i in index.tolist()])
        return read.cut(torch.arange(len(index)), view, draws)


def _choose(views: tuple[View, ...], generator: torch.Generator) -> View:
    weights = torch.tensor([view.weight for view in views], dtype=torch.float32)
    return views[int(torch.multinomial(weights, 1, generator=generator))]
