"""The training loop.

Everything random in a step is drawn from a generator seeded by the recipe's seed and the step's number, and the
learning rate is a function of the step, so a checkpoint needs the weights and the optimiser alone and a resumed run
repeats an uninterrupted one bit for bit on a CPU.
"""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from lightwell.data.degrade import degrade, expose
from lightwell.data.paired import find_pictures, load_pairs, load_pictures, lol_v1
from lightwell.data.views import View, cut
from lightwell.errors import TrainingError
from lightwell.losses import LOSSES
from lightwell.models.darkir import DarkIR, DecoderBlock, EncoderBlock
from lightwell.models.registry import build
from lightwell.training.recipe import Recipe, Stage

__all__ = ["Progress", "train"]

_MAX_BAD_STEPS = 20


@dataclass(frozen=True)
class Progress:
    """What a run reports after a step."""

    step: int
    steps: int
    stage: str
    loss: float
    lr: float
    pictures_per_second: float
    validation: dict[str, float] | None = None


def learning_rate(stage: Stage, step: int) -> float:
    """Learning rate at a step of a stage: linear warm-up, then a cosine from ``lr`` to ``lr_end``."""
    if step < stage.warmup:
        return stage.lr * (step + 1) / stage.warmup
    end = stage.lr if stage.lr_end is None else stage.lr_end
    done = (step - stage.warmup) / max(stage.steps - stage.warmup, 1)
    return end + (stage.lr - end) * 0.5 * (1 + math.cos(math.pi * done))


class Batches:
    """Draws training batches: real pairs with shifted exposure, and photographs degraded on the fly."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.pairs = load_pairs(lol_v1(recipe.data / "lol_v1", "train"))
        wants_photographs = any(stage.synthetic for stage in recipe.stages)
        self.photographs = (
            load_pictures(find_pictures(recipe.data / "photographs").values()) if wants_photographs else []
        )

    def draw(self, stage: Stage, step: int) -> tuple[Tensor, Tensor]:
        """The ``(low, target)`` batch of a step."""
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + step)
        view = _choose(stage.views, generator)
        synthetic = sum((torch.rand(view.batch, generator=generator) < stage.synthetic).tolist())
        lows, targets = [], []
        for index in torch.randint(len(self.pairs), (view.batch - synthetic,), generator=generator).tolist():
            low, target = cut(self.pairs[index], view, generator)
            lows.append(low)
            targets.append(target)
        if lows:
            stops = torch.randn(len(lows), generator=generator).clamp(-3, 3) * stage.exposure
            lows = [(expose(torch.stack(lows), stops) * 255).round() / 255]
        if synthetic:
            chosen = torch.randint(len(self.photographs), (synthetic,), generator=generator).tolist()
            good = [cut([self.photographs[index]], replace(view, sampling="area"), generator)[0] for index in chosen]
            targets += good
            lows.append(degrade(torch.stack(good), self.recipe.degradation, generator))
        return torch.cat(lows), torch.stack(targets)


def _choose(views: tuple[View, ...], generator: torch.Generator) -> View:
    weights = torch.tensor([view.weight for view in views], dtype=torch.float32)
    return views[int(torch.multinomial(weights, 1, generator=generator))]


def loss_of(net: DarkIR, low: Tensor, target: Tensor, weights: dict[str, float]) -> Tensor:
    """The weighted sum of a stage's losses."""
    restored, side = net(low, side=True)
    total = restored.new_zeros(())
    for name, weight in weights.items():
        total = total + weight * LOSSES[name](side if name == "guide" else restored, target)
    return total


class Run:
    """A recipe's run in a folder: ``state.pt`` to go on from, ``best.safetensors`` and ``last.safetensors`` to use."""

    def __init__(self, recipe: Recipe, folder: Path, resume: bool = False) -> None:
        self.recipe = recipe
        self.folder = folder
        torch.manual_seed(recipe.seed)
        net = build(recipe.model)
        assert isinstance(net, DarkIR)
        self.net = net.to(memory_format=torch.channels_last)
        for module in self.net.modules():
            if isinstance(module, EncoderBlock | DecoderBlock):
                torch.nn.init.constant_(module.beta, recipe.gates[0])
                torch.nn.init.constant_(module.gamma, recipe.gates[1])
        if recipe.start is not None:
            self.net.load_state_dict(load_file(recipe.start))
        self.average = AveragedModel(self.net, avg_fn=self._average)
        kernels = [p for p in self.net.parameters() if p.ndim == 4 and p.shape[1:] != (1, 1) and p.shape[0] != 1]
        others = [p for p in self.net.parameters() if not any(p is kernel for kernel in kernels)]
        self.optimizer = torch.optim.AdamW(
            [{"params": kernels, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=recipe.stages[0].lr,
            betas=recipe.betas,
            fused=True,
        )
        self.step = 0
        self.bad_steps = 0
        self.best = -math.inf
        folder.mkdir(parents=True, exist_ok=True)
        if resume and (folder / "state.pt").exists():
            state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.bad_steps, self.best = state["step"], state["bad_steps"], state["best"]

    def _average(self, average: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
        count = int(count)
        return torch.lerp(new, average, min(self.recipe.ema, (1 + count) / (10 + count)))

    def save(self) -> None:
        """Writes the checkpoint and the averaged weights; a crash in between leaves the previous ones whole."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "bad_steps": self.bad_steps,
            "best": self.best,
        }
        part = self.folder / "state.part"
        torch.save(state, part)
        os.replace(part, self.folder / "state.pt")
        self.save_weights("last")

    def save_weights(self, name: str) -> None:
        part = self.folder / f"{name}.part"
        weights = {key: value.contiguous() for key, value in self.average.module.state_dict().items()}
        save_file(weights, part)
        os.replace(part, self.folder / f"{name}.safetensors")

    def update(self, low: Tensor, target: Tensor, stage: Stage, lr: float) -> float:
        """One optimiser step; a step whose loss or gradient is not finite is skipped and counted."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        low = low.contiguous(memory_format=torch.channels_last)
        loss = loss_of(self.net, low, target, stage.losses)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.clip)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            self.bad_steps += 1
            if self.bad_steps >= _MAX_BAD_STEPS:
                raise TrainingError(
                    f"{self.bad_steps} steps with a loss or gradient that is not finite: lower lr or clip, and go on "
                    f"from {self.folder / 'state.pt'} with --resume"
                )
            return float(loss)
        self.optimizer.step()
        self.average.update_parameters(self.net)
        return float(loss)

    @torch.no_grad()
    def validate(self, sets: dict[str, list[tuple[Tensor, Tensor]]]) -> dict[str, float]:
        """Mean strict PSNR of the averaged weights on whole frames."""
        return {name: sum(self._psnr(*pair) for pair in pairs) / len(pairs) for name, pairs in sets.items()}

    def _psnr(self, low: Tensor, target: Tensor) -> float:
        restored = self.average(low[None].float() / 255)[0].clamp(0, 1)
        error = (restored * 255).round() - target.float()
        return 20 * math.log10(255) - 10 * math.log10(max(error.square().mean().item(), 1e-10))


def train(
    recipe: Recipe,
    folder: Path,
    *,
    minutes: float = math.inf,
    resume: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Runs a recipe.

    Args:
        recipe: what to do.
        folder: where checkpoints, weights and ``log.csv`` go.
        minutes: stop cleanly with a checkpoint after this time.
        resume: go on from the checkpoint in ``folder``.
        report: called after every step.

    Returns:
        The weights that did best on the validation pictures.

    Raises:
        TrainingError: when steps keep giving losses or gradients that are not finite.
        DataError: when data is missing or broken.
    """
    begun = time.monotonic()
    run = Run(recipe, folder, resume)
    batches = Batches(recipe)
    held_out = {name: load_pairs(lol_v1(recipe.data / "lol_v1", name)) for name in ("val_seen", "val_unseen")}
    schedule = _schedule(recipe.stages)
    log = _Log(folder / "log.csv")
    try:
        while run.step < len(schedule) and time.monotonic() - begun < minutes * 60:
            stage, step = schedule[run.step]
            clock = time.monotonic()
            low, target = batches.draw(stage, run.step)
            lr = learning_rate(stage, step)
            loss = run.update(low, target, stage, lr)
            run.step += 1
            rate = len(low) / (time.monotonic() - clock)
            last = run.step == len(schedule)
            validation = None
            if run.step % recipe.validate_every == 0 or last:
                validation = run.validate(held_out)
                score = sum(validation.values()) / len(validation)
                if score > run.best:
                    run.best = score
                    run.save_weights("best")
            if run.step % recipe.save_every == 0 or last:
                run.save()
            progress = Progress(run.step, len(schedule), stage.name, loss, lr, rate, validation)
            log.write(progress)
            report(progress)
    finally:
        run.save()
    return folder / "best.safetensors"


def _schedule(stages: Iterable[Stage]) -> list[tuple[Stage, int]]:
    return [(stage, step) for stage in stages for step in range(stage.steps)]


class _Log:
    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, progress: Progress) -> None:
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "stage", "loss", "lr", "pictures_per_second", "val_seen", "val_unseen"])
            scores = progress.validation or {}
            writer.writerow(
                [
                    progress.step,
                    progress.stage,
                    f"{progress.loss:.5f}",
                    f"{progress.lr:.3g}",
                    f"{progress.pictures_per_second:.2f}",
                    *(f"{scores[name]:.3f}" if name in scores else "" for name in ("val_seen", "val_unseen")),
                ]
            )
