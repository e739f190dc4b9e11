"""The training loop.

Everything random in a step is drawn from generators seeded by the recipe's seed and the step's number, and the learning
rate is a function of the step, so a checkpoint needs no state but weights and optimiser, and a resumed run repeats an
uninterrupted one bit for bit on a CPU.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel

from lightwell.data.folders import Pair, find_pictures
from lightwell.data.paired import load_pair
from lightwell.data.public import find_set
from lightwell.data.splits import refuse_overlap
from lightwell.errors import FileError, PlanError, RecipeError, TrainingError, WeightsError
from lightwell.metrics.protocols import PROTOCOLS
from lightwell.metrics.psnr import psnr
from lightwell.models import bare, create_model, find_weights, load_weights, save_weights, with_front
from lightwell.models.front import refuse_unsuited
from lightwell.models.registry import Trainable
from lightwell.training.batches import Batches
from lightwell.training.checkpoint import load_state, save_state
from lightwell.training.logging import Log
from lightwell.training.page import write_page
from lightwell.training.recipe import Batch, Nets, Recipe, Stage, check
from lightwell.training.record import as_data, differences, digest, read_record, versions, write_record

__all__ = ["Progress", "Run", "learning_rate", "pinned_weights", "prefetched", "train"]

_BAD_STEPS_IN_A_ROW = 20
_SCENES_SHOWN = 4
_NUMBERS = ("gradient", "lr", "skipped", "pictures_per_second", "waiting")


@dataclass(frozen=True)
class Progress:
    """What a run reports after a step.

    Args:
        step: steps done.
        steps: steps of the whole run.
        stage: name of the stage.
        numbers: what the log holds: ``loss``, every loss by itself, ``gradient`` (its norm), ``lr``, ``skipped`` (steps
            so far), ``pictures_per_second``, ``waiting`` (share of the time spent on waiting for data).
        validation: mean PSNR (strict) of every held-out set, when it was taken.
    """

    step: int
    steps: int
    stage: str
    numbers: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)


def learning_rate(stage: Stage, step: int) -> float:
    """Learning rate at a step of a stage: linear warm-up, then a cosine from ``lr`` to ``lr_end``, or steps down."""
    if step < stage.warmup:
        return stage.lr * (step + 1) / stage.warmup
    if stage.decay is not None:
        factor, every = stage.decay
        return stage.lr * factor ** (step // every)
    end = stage.lr if stage.lr_end is None else stage.lr_end
    done = (step - stage.warmup) / max(stage.steps - stage.warmup, 1)
    return end + (stage.lr - end) * 0.5 * (1 + math.cos(math.pi * done))


class Run:
    """What a recipe trains: the network, its running average, its critics and their optimiser.

    Args:
        recipe: what to train.
        device: where.

    Raises:
        RecipeError: when the model's name is unknown.
        WeightsError: when the weights to start from do not fit.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.recipe = recipe
        self.device = device
        torch.manual_seed(recipe.seed)
        try:
            net = create_model(recipe.model)
        except ValueError as error:
            raise RecipeError(str(error)) from error
        if isinstance(net, Trainable):
            net.prepare_training()
        if recipe.start is not None:
            start = pinned_weights(recipe.start)
            try:
                net.load_state_dict(bare(load_weights(start)).state_dict())
            except (RuntimeError, WeightsError) as error:
                raise WeightsError(f"{start}: cannot start {recipe.model} from it ({error})") from error
        if recipe.front != "none":
            refuse_unsuited(net, recipe.front)
        self.net = net.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.critics = recipe.critics().to(device) if recipe.critics is not None else None
        forward: nn.Module = torch.compile(self.net) if recipe.compile else self.net  # type: ignore[assignment]
        self.nets = Nets(forward, self.critics)
        self.average = AveragedModel(self.net, multi_avg_fn=self._lerp).eval()
        # Biases, gains and gates (1, C, 1, 1) are not decayed.
        kernels: list[Tensor] = []
        others: list[Tensor] = []
        for _, parameter in self._parameters():
            (kernels if parameter.ndim > 1 and parameter.shape[0] > 1 else others).append(parameter)
        self.optimizer = torch.optim.AdamW(
            [{"params": kernels, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=recipe.stages[0].lr,
            betas=recipe.betas,
            fused=True,
        )
        self.step = 0
        self.skipped = 0
        self.skipped_in_a_row = 0
        self.best = -math.inf
        self._learning: tuple[str, ...] | None = None

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        yield from self.net.named_parameters()
        if self.critics is not None:
            yield from self.critics.named_parameters("critics")

    def _lerp(self, averages: Any, news: Any, _: object) -> None:
        done = self.step - self.skipped
        torch._foreach_lerp_(averages, news, 1 - min(self.recipe.ema, (1 + done) / (10 + done)))

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {
            "model": self.recipe.model,
            "net": self.net.state_dict(),
            "critics": self.critics.state_dict() if self.critics is not None else {},
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "skipped": self.skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
            "best": self.best,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from a :meth:`state`.

        Raises:
            TrainingError: when it is of another model.
        """
        try:
            if state["model"] != self.recipe.model:
                raise ValueError(f"it is one of {state['model']}")
            self.net.load_state_dict(state["net"])
            if self.critics is not None:
                self.critics.load_state_dict(state["critics"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.best = state["step"], state["best"]
            self.skipped, self.skipped_in_a_row = state["skipped"], state["skipped_in_a_row"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"the checkpoint does not fit the recipe's model {self.recipe.model}: {error}"
            ) from error

    def update(self, batch: Batch) -> dict[str, float]:
        """One step; a turn whose loss or gradient is not finite is skipped and counted.

        Args:
            batch: this process's share, on any device.

        Returns:
            The step's numbers for the log, means over the processes.

        Raises:
            TrainingError: when many steps in a row were skipped.
        """
        stage, step = self.recipe.at(self.step)
        lr = learning_rate(stage, step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)  # for networks with dropout and the like
        batch = batch.to(self.device)
        numbers = {"loss": 0.0}
        good = True
        for turn in stage.turns:
            self._teach(turn.learns)
            self.optimizer.zero_grad(set_to_none=True)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
                losses = turn.objective(self.nets, batch, stage.losses)
            loss = torch.stack([stage.losses[name] * value.float() for name, value in losses.items()]).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            values = torch.stack([loss.detach(), *(value.detach().float() for value in losses.values())])
            learning = [p for _, p in self._parameters() if p.grad is not None]
            _average_over_processes([*(p.grad for p in learning if p.grad is not None), values])
            norm = clip_grad_norm_(learning, self.recipe.clip)
            whole, *parts, gradient = torch.cat([values, norm[None]]).tolist()
            if math.isfinite(whole) and math.isfinite(gradient):
                self.optimizer.step()
            else:
                good = False
            numbers |= dict(zip(losses, parts, strict=True)) | {"gradient": gradient}
            numbers["loss"] += whole
        if missing := stage.losses.keys() - numbers.keys():
            raise RecipeError(f"stage {stage.name!r}: its turns compute no {', '.join(sorted(missing))}")
        if good:
            self.average.update_parameters(self.net)
        self.skipped += not good
        self.skipped_in_a_row = 0 if good else self.skipped_in_a_row + 1
        if self.skipped_in_a_row >= _BAD_STEPS_IN_A_ROW:
            raise TrainingError(
                f"{self.skipped_in_a_row} steps in a row, to step {self.step + 1}, with a loss or gradient that is not "
                "finite: lower stages.lr or clip (--set stages.lr=...) and go on with --resume --force"
            )
        self.step += 1
        return {**numbers, "lr": lr, "skipped": self.skipped}

    def _teach(self, learns: tuple[str, ...]) -> None:
        """Lets gradients change the parameters whose names begin so, and freezes the others."""
        if learns == self._learning:
            return
        for name, parameter in self._parameters():
            parameter.requires_grad_(name.startswith(learns))
        for name, module in self.net.named_modules():
            module.training = name.startswith(learns)
        if not any(parameter.requires_grad for _, parameter in self._parameters()):
            raise RecipeError(f"no parameter's name begins with {' or '.join(map(repr, learns))}: nothing would learn")
        self._learning = learns

    def save(self, path: Path) -> None:
        """Writes the averaged weights, with the recipe's front before them.

        Raises:
            FileError: when the folder or the disk refuses.
        """
        save_weights(with_front(self.average.module, self.recipe.front), path)

    @torch.no_grad()
    def restore(self, low: Tensor) -> NDArray[np.uint8]:
        """What the averaged weights make of a whole input, ``(H, W, planes)``, uint8 or floats."""
        x = low.to(self.device).permute(2, 0, 1)[None]
        x = x.float() if x.is_floating_point() else x.float() / 255
        return _levels(self.average(x)[0].permute(1, 2, 0))


def _levels(picture: Tensor) -> NDArray[np.uint8]:
    """A picture, uint8 or floats in [0, 1], in 8 bits."""
    if picture.is_floating_point():
        picture = (picture.float().clamp(0, 1) * 255).round().byte()
    levels: NDArray[np.uint8] = picture.cpu().numpy()
    return levels


def pinned_weights(start: str | Path) -> Path:
    """The file that a recipe's ``start`` means.

    Raises:
        WeightsError: when there is none, or it is not the one that ``@SHA256`` behind the name pins.
    """
    name, at, pin = os.fspath(start).rpartition("@")
    if not at or not re.fullmatch("[0-9a-f]{64}", pin):
        return find_weights(start)
    path = find_weights(name)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != pin:
        raise WeightsError(
            f"{name}: not the weights that the recipe starts from (SHA-256 {found[:12]}..., not {pin[:12]}...): "
            f"--set start={name} takes them all the same"
        )
    return path


def _average_over_processes(tensors: Sequence[Tensor]) -> None:
    if dist.is_initialized():
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        parts = torch.split(flat / dist.get_world_size(), [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))


def train(
    recipe: Recipe,
    folder: Path,
    *,
    minutes: float = math.inf,
    resume: bool = False,
    force: bool = False,
    told: Mapping[str, Any] | None = None,
    report: Callable[[Progress], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> Path:
    """Runs a recipe, alone or as one of the processes that ``torchrun`` started.

    The folder gets ``run.json``, which says what the experiment is, ``state.pt`` to go on from, ``best.safetensors``
    and ``last.safetensors`` to use (averaged weights), ``log.csv``, ``index.html`` with the curves, TensorBoard's files
    and pictures.

    Args:
        recipe: what to do.
        folder: where results go.
        minutes: stop cleanly with a checkpoint and a validation after this time.
        resume: go on from the checkpoint in ``folder``.
        force: go on although recipe or data differ from those that the run began with; ``run.json`` keeps the record.
        told: what else ``run.json`` should say, such as the command; ``source`` and ``settings`` make the recipe again.
        report: called after every step, in the first process only.
        note: called, there too, before the first step, with what a person should know of it: what ``force`` lets
            through, and whether pictures are smaller than the crops.

    Returns:
        The weights that did best on the held-out sets; the last ones if there are no such sets.

    Raises:
        DataError: when data is missing, broken or overlaps.
        RecipeError: when the recipe is wrong; lists everything that is.
        PlanError: when the run would go on as another experiment.
        WeightsError: when the weights to start from are missing or other ones.
        TrainingError: when the run cannot go on; the last checkpoint is left whole.
        KeyboardInterrupt: on Ctrl-C or a request to terminate, after the step at hand and a checkpoint.
    """
    end = time.monotonic() + minutes * 60
    state = folder / "state.pt"
    if state.exists() and not resume:
        raise RecipeError(f"{folder} holds a run: go on with --resume, or choose another folder")
    check(recipe)
    before = read_record(folder) if resume and state.exists() else None
    _differing(folder, before, {"recipe": as_data(recipe)}, force)
    if not recipe.allow_overlap:
        refuse_overlap(recipe.pairs, recipe.held_out)
    with _processes() as (device, rank, world), contextlib.ExitStack() as stack:
        run = Run(recipe, device)
        if resume:
            run.load(load_state(state))
        held_out = {label: find_set(recipe.data, name) for name, label in _labels(recipe).items()}
        record = {"recipe": as_data(recipe), "data": _digests(recipe, held_out), "held_out": list(held_out)}
        differs = _differing(folder, before, record, force)
        if rank == 0:
            with ThreadPoolExecutor() as pool:
                for pairs in held_out.values():
                    for _ in pool.map(load_pair, pairs):  # a broken one is named now
                        pass
        batches = Batches(recipe, device, rank, world)
        if rank == 0 and note is not None:
            if differs:
                note(f"{folder} goes on as another experiment than it began as: {'; '.join(differs)}")
            if crop := batches.enlarged():
                note(
                    f"some pictures are smaller than the crops of {crop[1]}x{crop[0]} pixels, and are enlarged for them"
                )
        log = None
        if rank == 0:
            with _told_of_checkpoint(folder):
                folder.mkdir(parents=True, exist_ok=True)
                _write_record(folder, before, {**(told or {}), **record}, run, differs)
                log = stack.enter_context(
                    contextlib.closing(Log(folder, _columns(recipe), run.step, record["recipe"], list(held_out)))
                )
        stop = stack.enter_context(_stop_on_signal())
        ahead = stack.enter_context(contextlib.closing(prefetched(batches.loader(run.step))))
        begun = time.monotonic()
        for batch in ahead:
            waited = time.monotonic() - begun
            stage, _ = recipe.at(run.step)
            with _explained(stage, batch.low, state):
                numbers = run.update(batch)
            taken = time.monotonic() - begun
            numbers |= {"pictures_per_second": len(batch.low) * world / taken, "waiting": waited / taken}
            last = run.step == recipe.steps or _anywhere(stop.is_set() or time.monotonic() > end)
            validation: dict[str, float] = {}
            if log is not None:
                with _told_of_checkpoint(folder):
                    due = run.step % recipe.validate_every == 0 or run.step == recipe.steps
                    if due:
                        validation = _validate(run, held_out, log)
                        _keep_best(run, folder, validation, due)
                    if run.step % recipe.save_every == 0 or last:
                        save_state(run.state(), state)
                        run.save(folder / "last.safetensors")
                    if last and not due and not stop.is_set():
                        validation = _validate(run, held_out, log)
                        _keep_best(run, folder, validation, due)
                    if run.step % recipe.log_every == 0 or validation:
                        log.write(run.step, stage.name, numbers | validation)
                    if validation or last:
                        write_page(folder, recipe.name, list(held_out))
                if report is not None:
                    report(Progress(run.step, recipe.steps, stage.name, numbers, validation))
            if last:
                break
            begun = time.monotonic()
    if stop.is_set():
        raise KeyboardInterrupt
    return folder / ("best.safetensors" if recipe.held_out else "last.safetensors")


def _columns(recipe: Recipe) -> list[str]:
    losses = dict.fromkeys(name for stage in recipe.stages for name in stage.losses)
    return ["loss", *losses, *_NUMBERS, *_labels(recipe).values()]


def _labels(recipe: Recipe) -> dict[str, str]:
    """What the held-out sets are called in the log: a folder given by its path goes by its name, if that is clear."""
    names = [Path(name).name if Path(name).is_absolute() else name for name in recipe.held_out]
    clear = len(set(names)) == len(names) and not {"step", "stage", *_NUMBERS} & set(names)
    return dict(zip(recipe.held_out, names if clear else recipe.held_out, strict=True))


def _validate(run: Run, held_out: dict[str, list[Pair]], log: Log) -> dict[str, float]:
    """Mean PSNR of every set under the protocol "strict", and pictures of the first scenes of each."""
    task = run.recipe.preparation
    scores, shown = {}, []
    for name, pairs in held_out.items():
        values = []
        for number, pair in enumerate(pairs):
            whole = task.judged(pair)
            low, target = whole[..., : task.planes], _levels(whole[..., task.planes :])
            restored = run.restore(low)
            values.append(psnr(*PROTOCOLS["strict"].prepare(restored, target)))
            if number < max(_SCENES_SHOWN // len(held_out), 1):
                shown.append((_levels(low[..., :3]), restored, target))
        scores[name] = sum(values) / len(values)
    if shown:
        log.show(run.step, shown)
    return scores


def _keep_best(run: Run, folder: Path, validation: dict[str, float], due: bool) -> None:
    """Keeps the weights if they did best so far.

    A validation that is not due, because the time was up, counts as long as there is nothing better; the next one that
    is due replaces it. So a run that was stopped and resumed ends with the same best weights as one that was not.
    """
    if not validation:
        return
    score = sum(validation.values()) / len(validation)
    if score > run.best if due else run.best == -math.inf:
        run.save(folder / "best.safetensors")
    if due:
        run.best = max(run.best, score)


def _digests(recipe: Recipe, held_out: Mapping[str, Sequence[Pair]]) -> dict[str, Any]:
    """Digests of the files of every set, by its name."""
    sets = {**{name: find_set(recipe.data, name) for name in recipe.pairs}, **held_out}
    digests = {name: digest(path for pair in pairs for path in (pair.low, pair.high)) for name, pairs in sets.items()}
    if any(stage.synthetic or stage.references for stage in recipe.stages):
        digests["photographs"] = digest(find_pictures(recipe.data / recipe.photographs).values())
    return digests


def _differing(folder: Path, before: dict[str, Any] | None, record: dict[str, Any], force: bool) -> list[str]:
    """In what a resumed run would not be the experiment that it began as; without force that stops it."""
    found = [] if before is None else differences(before, record)
    if found and not force:
        raise PlanError(
            f"{folder} began as another experiment: {'; '.join(found)}. Leave the settings out to go on as it began, "
            "choose another folder, or --force to go on all the same"
        )
    return found


def _write_record(
    folder: Path, before: dict[str, Any] | None, record: dict[str, Any], run: Run, differs: list[str]
) -> None:
    if before is None:
        write_record(folder, {**record, "versions": versions(), "device": str(run.device), "steps": run.recipe.steps})
        return
    going_on = {
        "step": run.step,
        "command": record.get("command"),
        "differs": differs,
        "versions": {key: value for key, value in versions().items() if before.get("versions", {}).get(key) != value},
    }
    # The record is of what is trained now; what it was before is told by what differs.
    now = {key: value for key, value in record.items() if key != "command"}
    write_record(
        folder, {**before, **now, "steps": run.recipe.steps, "resumed": [*before.get("resumed", []), going_on]}
    )


@contextlib.contextmanager
def _told_of_checkpoint(folder: Path) -> Iterator[None]:
    """Says what is left when the disk refuses."""
    try:
        yield
    except (OSError, FileError) as error:
        raise TrainingError(f"{error}; the checkpoint before is whole: make room in {folder}, then --resume") from error


@contextlib.contextmanager
def _processes() -> Iterator[tuple[torch.device, int, int]]:
    """This process's device, its number and how many there are."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if "RANK" not in os.environ:
        yield accelerator or torch.device("cpu"), 0, 1
        return
    device = torch.device(accelerator.type, int(os.environ["LOCAL_RANK"])) if accelerator else torch.device("cpu")
    if accelerator:
        torch.accelerator.set_device_index(device.index)
    # The others wait while the first one validates.
    dist.init_process_group(timeout=timedelta(hours=2))
    try:
        yield device, dist.get_rank(), dist.get_world_size()
    finally:
        dist.destroy_process_group()


def _anywhere(flag: bool) -> bool:
    """Whether a flag is up in any of the processes."""
    if not dist.is_initialized():
        return flag
    votes: list[bool | None] = [None] * dist.get_world_size()
    dist.all_gather_object(votes, flag)
    return any(votes)


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C or SIGTERM; a second Ctrl-C interrupts at once."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def prefetched(batches: Iterable[Batch]) -> Generator[Batch]:
    """The same batches, each drawn while the device works on the one before."""
    batches = iter(batches)
    with ThreadPoolExecutor(1) as pool:
        # A second team of OpenMP threads would take the cores from the step: 1.4 times as long on two cores.
        threads = torch.get_num_threads()
        pool.submit(_use_one_thread).result()
        torch.set_num_threads(threads)  # the setting above became the default of threads to come
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


def _use_one_thread() -> None:
    torch.get_num_threads()  # a thread takes over the process's default when it first asks, even after it set its own
    torch.set_num_threads(1)


@contextlib.contextmanager
def _explained(stage: Stage, low: Tensor, state: Path) -> Iterator[None]:
    """Says which setting to lower when memory does not suffice."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        n, _, height, width = low.shape
        whole = f"; {state} is whole, go on with --resume --force" if state.exists() else ""
        raise TrainingError(
            f"out of memory in stage {stage.name!r} at {n} pictures of {height}x{width}: lower its batch or size "
            f"(--set stages.views.batch={max(n // 2, 1)}){whole}"
        ) from error
