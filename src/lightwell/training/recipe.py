"""What a training run consists of: a recipe is a list of stages."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from lightwell.data.degrade import Degradation
from lightwell.data.views import View
from lightwell.errors import RecipeError
from lightwell.losses import LOSSES
from lightwell.training.checks import faults, fits, hints_of, in_words
from lightwell.training.tasks import FRONTED, TASKS, Task

__all__ = [
    "Batch",
    "Nets",
    "Objective",
    "Recipe",
    "Stage",
    "Turn",
    "check",
    "misspelt",
    "override",
    "refuse_unknown",
    "restoration",
]


class Batch(NamedTuple):
    """What a step learns from: ``(N, 3, H, W)`` tensors in [0, 1].

    Args:
        low: dark pictures.
        target: the same scenes in good light.
        reference: good photographs of other scenes, in stages that ask for them.
    """

    low: Tensor
    target: Tensor
    reference: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on a device, the dark pictures with channels last in memory."""
        low, target = (part.to(device, non_blocking=True) for part in self[:2])
        reference = None if self.reference is None else self.reference.to(device, non_blocking=True)
        return Batch(low.contiguous(memory_format=torch.channels_last), target, reference)


class Nets(NamedTuple):
    """What a turn computes with.

    Args:
        net: the recipe's model.
        critics: networks that only training needs, if the recipe has any.
    """

    net: nn.Module
    critics: nn.Module | None = None


Objective = Callable[[Nets, Batch, Mapping[str, float]], dict[str, Tensor]]
"""Computes the losses that a turn learns from: ``(nets, batch, weights)`` to unweighted values by name."""


def restoration(nets: Nets, batch: Batch, losses: Mapping[str, float]) -> dict[str, Tensor]:
    """Losses between what the network makes of the dark picture and its target."""
    low, target, _ = batch
    outputs = nets.net(low, side=True) if "guide" in losses else (nets.net(low),)
    with torch.autocast(low.device.type, enabled=False):
        return {name: LOSSES[name](outputs[1 if name == "guide" else 0].float(), target) for name in losses}


@dataclass(frozen=True)
class Turn:
    """One update: a step takes the turns of its stage one after the other, on the same batch.

    One turn trains a network, or a part of it on top of frozen parts; two turns that learn different parts from
    different objectives play against each other.

    Args:
        objective: computes some of the stage's losses.
        learns: how the names of the parameters that learn begin; those of the critics begin with ``critics.``. All
            others are frozen, their modules in evaluation mode, but gradients pass through them.
    """

    objective: Objective = restoration
    learns: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Stage:
    """A stretch of training with one set of losses, views and one learning-rate curve.

    Args:
        name: shown in logs.
        steps: optimiser steps.
        views: ways to cut training pictures; each step draws one.
        losses: weight of each loss, by its name in ``lightwell.losses.LOSSES`` or of the turns' own objectives.
        lr: learning rate after the warm-up.
        lr_end: learning rate at the end, reached along a cosine; equal to ``lr`` by default, which keeps it constant.
        decay: a factor, and after how many steps the learning rate is multiplied by it, again and again.
        warmup: steps over which the learning rate rises from zero.
        synthetic: share of each batch that is made from good photographs by ``degradation``.
        exposure: standard deviation in stops of the shift of a real dark picture's exposure, cut at three.
        tint: the same for single channels, on top; tasks on 8-bit pictures leave it out.
        references: whether batches bring good photographs of other scenes along.
        turns: what learns from what.

    Raises:
        RecipeError: when a loss is unknown, or there are no steps or views.
    """

    name: str
    steps: int
    views: tuple[View, ...]
    losses: dict[str, float]
    lr: float
    lr_end: float | None = None
    decay: tuple[float, int] | None = None
    warmup: int = 100
    synthetic: float = 0.0
    exposure: float = 0.4
    tint: float = 0.0
    references: bool = False
    turns: tuple[Turn, ...] = (Turn(),)

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.views:
            raise RecipeError(f"stage {self.name!r} needs at least one step and one view")
        if all(turn.objective is restoration for turn in self.turns):
            for name in self.losses:
                refuse_unknown("loss", name, LOSSES)


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Args:
        name: names the run's folder and the shipped model.
        model: a name of ``lightwell.models.list_models()``.
        stages: run one after the other.
        data: folder that holds the sets.
        pairs: sets of real pairs, named as for ``lightwell.data.public.find_set``, and their shares in a batch.
        task: what the network is given and is to give, one of ``lightwell.training.tasks.TASKS``.
        front: what the pictures go through before the network sees them, see ``lightwell.models.front``.
        steady: sets of ``pairs`` whose exposure is not shifted: their dark pictures were made, or are not dark.
        photographs: folder in ``data`` of good photographs, to degrade or as references.
        held_out: sets to validate on; the weights that do best on average over the sets are kept.
        allow_overlap: go on when ``held_out`` shares pictures with ``pairs``.
        start: weights to start from, as ``lightwell.models.find_weights`` takes them: a shipped model's name, a file, a
            run's folder; fresh ones by default. ``NAME@SHA256`` is refused once the file is another one.
        critics: builds networks that only training needs; they are in the checkpoint, but not in the weights.
        seed: decides everything that is drawn.
        weight_decay: of AdamW, on convolution kernels and matrices only.
        betas: of AdamW.
        clip: largest norm of the gradient.
        ema: decay of the averaged weights once warmed up.
        precision: of the networks' arithmetic; parameters, losses and spectra stay float32. Bfloat16 is for GPUs: on a
            CPU that has no instructions for it a step takes twenty times as long.
        compile: run the network through ``torch.compile``.
        memory: up to how many GB of pictures are kept on the training device; more are read from the disk as needed.
        workers: processes that read them.
        log_every: steps between lines of the log.
        validate_every: steps between validations.
        save_every: steps between checkpoints.
        degradation: how synthetic pairs are made.
    """

    name: str
    model: str
    stages: tuple[Stage, ...]
    data: Path = Path("data")
    pairs: dict[str, float] = field(default_factory=lambda: {"lol_v1:train": 1.0})
    task: str = "restoration"
    front: Literal["none", "normalised", "lit"] = "none"
    steady: tuple[str, ...] = ()
    photographs: str = "photographs"
    held_out: tuple[str, ...] = ("lol_v1:val_seen", "lol_v1:val_unseen")
    allow_overlap: bool = False
    start: str | Path | None = None
    critics: Callable[[], nn.Module] | None = None
    seed: int = 0
    weight_decay: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 1.0
    ema: float = 0.999
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False
    memory: float = 8.0
    workers: int = 4
    log_every: int = 10
    validate_every: int = 1000
    save_every: int = 250
    degradation: Degradation = field(default_factory=Degradation)

    def __post_init__(self) -> None:
        if not self.stages:
            raise RecipeError(f"recipe {self.name!r} needs at least one stage")
        refuse_unknown("task", self.task, TASKS)
        for name in self.steady:
            refuse_unknown("set of pairs", name, self.pairs)
        if self.task != "restoration" and any(stage.synthetic or stage.references for stage in self.stages):
            raise RecipeError(f"the task {self.task} takes pairs only: make them with lightwell degrade --pairs")

    @property
    def preparation(self) -> Task:
        """How pairs become what the network takes and gives."""
        return TASKS[self.task] if self.front == "none" else FRONTED[self.front]

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def at(self, step: int) -> tuple[Stage, int]:
        """The stage that a step of the run falls into, and its number in that stage."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        raise IndexError(step)


def check(recipe: Recipe) -> None:
    """Makes sure that every setting is of the right type and length, in its range, and names what there is.

    Raises:
        RecipeError: lists all that is wrong.
    """
    if found := faults(recipe):
        raise RecipeError(f"recipe {recipe.name!r}: " + "; ".join(found))


def override(recipe: Recipe, assignments: Iterable[str]) -> Recipe:
    """A recipe with some of its settings replaced.

    Args:
        recipe: what to start from.
        assignments: ``key=value`` each. A dotted key reaches inside: ``stages.0.lr=1e-4`` the first stage's,
            ``stages.lr=1e-4`` every stage's, ``stages.losses.edge=10``, ``degradation.blur_chance=0.5``.

    Raises:
        RecipeError: when keys are misspelt or values of the wrong kind; tells all of them, and what `check` would.
    """
    wrong = []
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        try:
            if not equals:
                raise RecipeError(f"a setting is key=value, not {assignment!r}")
            recipe = _replaced(recipe, key.split("."), text)
        except RecipeError as error:
            wrong.append(str(error))
    if wrong:
        raise RecipeError("; ".join([*wrong, *faults(recipe)]))
    return recipe


def _replaced(node: Any, keys: Sequence[str], text: str) -> Any:
    key, rest = keys[0], keys[1:]
    if isinstance(node, tuple):
        if not key.isdigit():
            return tuple(_replaced(entry, keys, text) for entry in node)
        refuse_unknown("entry", key, map(str, range(len(node))))
        return tuple(_replaced(e, rest, text) if i == int(key) else e for i, e in enumerate(node))
    if isinstance(node, dict):
        return {**node, key: _parsed(key, float, text, 0.0)}
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        raise RecipeError(f"{node!r} has no settings in it, so none called {key!r}")
    refuse_unknown(f"setting of a {type(node).__name__}", key, [entry.name for entry in dataclasses.fields(node)])
    current = getattr(node, key)
    value = _replaced(current, rest, text) if rest else _parsed(key, hints_of(type(node))[key], text, current)
    return dataclasses.replace(node, **{key: value})


def _parsed(key: str, hint: Any, text: str, current: object) -> object:
    """A value from the command line, of the setting's type."""
    if fits(Path(), hint):
        return None if text == "None" and fits(None, hint) else Path(text).expanduser()
    try:
        value = ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text
    if isinstance(value, list):
        value = tuple(value)
    if type(value) is int and fits(0.5, hint):
        value = float(value)
    if not fits(value, hint) or (isinstance(current, tuple) and any(map(dataclasses.is_dataclass, current))):
        raise RecipeError(f"{key}={text}: not like its value now, {current!r}; takes {in_words(hint)}")
    return value


def refuse_unknown(kind: str, name: str, names: Iterable[str]) -> None:
    """Answers a misspelt name with the one that is meant, or the choice.

    Raises:
        RecipeError: when ``name`` is not one of ``names``.
    """
    names = list(names)
    if name not in names:
        raise RecipeError(misspelt(kind, name, names))


def misspelt(kind: str, name: str, names: Iterable[str]) -> str:
    """What to say to a name that there is not: the one that is meant, or the choice."""
    names = sorted(names)
    close = get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(names)}"
    return f"there is no {kind} {name!r}: {hint}"
