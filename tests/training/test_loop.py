from __future__ import annotations

import csv
import math
import resource
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from lightwell.data.views import View
from lightwell.errors import DataError, RecipeError, TrainingError, WeightsError
from lightwell.models.registry import load_weights, register_model
from lightwell.training.batches import Batches
from lightwell.training.logging import Log
from lightwell.training.loop import Progress, Run, learning_rate, prefetched, train
from lightwell.training.recipe import Batch, Nets, Objective, Recipe, Stage, Turn, restoration

CPU = torch.device("cpu")


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def weights(net: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def batch(run: Run) -> Batch:
    return Batches(run.recipe, CPU)[run.step]


def with_stage(recipe: Recipe, **changes: object) -> Recipe:
    return replace(recipe, stages=(replace(recipe.stages[0], **changes),))  # type: ignore[arg-type]


def test_the_learning_rate_rises_and_falls() -> None:
    stage = Stage("s", 110, (View((8, 8), 1),), {"l1": 1.0}, lr=1.0, lr_end=0.2, warmup=10)
    assert learning_rate(stage, 0) == pytest.approx(0.1)
    assert learning_rate(stage, 9) == pytest.approx(1.0)
    assert learning_rate(stage, 10) == pytest.approx(1.0)
    assert learning_rate(stage, 60) == pytest.approx(0.6)  # half way down a cosine
    assert learning_rate(stage, 110) == pytest.approx(0.2)
    assert learning_rate(replace(stage, lr_end=None), 60) == 1.0


def test_a_run_learns_and_leaves_what_it_promises(recipe: Recipe, tmp_path: Path) -> None:
    recipe = with_stage(recipe, steps=40, lr=1e-2)
    recipe = replace(recipe, ema=0.9, validate_every=20)
    reports: list[Progress] = []
    best = train(recipe, tmp_path / "run", report=reports.append)
    assert [report.step for report in reports] == list(range(1, 41))
    scores = [report.validation["held"] for report in reports if report.validation]
    dark = [np.asarray(Image.open(path), float) for path in sorted((recipe.data / "held/low").iterdir())]
    good = [np.asarray(Image.open(path), float) for path in sorted((recipe.data / "held/high").iterdir())]
    untouched = np.mean([10 * math.log10(255**2 / ((a - b) ** 2).mean()) for a, b in zip(dark, good, strict=True)])
    assert len(scores) == 2
    assert scores[-1] > untouched + 3
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *("run.json", "state.pt", "best.safetensors", "last.safetensors", "log.csv", "index.html", "tensorboard"),
        "pictures",
    }
    log = lines(tmp_path / "run")
    assert [int(line["step"]) for line in log] == list(range(1, 41))
    parts = [float(log[7][name]) for name in ("l1", "edge", "guide")]
    assert float(log[7]["loss"]) == pytest.approx(parts[0] + 5 * parts[1] + 0.2 * parts[2], rel=1e-4)
    assert float(log[-1]["held"]) == pytest.approx(scores[-1], rel=1e-4)
    with Image.open(tmp_path / "run/pictures/0000040.png") as sheet:
        assert sheet.size == (900, 400)

    # The score can be had again from the weights alone.
    net = load_weights(best).eval()
    values = []
    for low, high in zip(dark, good, strict=True):
        with torch.no_grad():
            out = net(torch.from_numpy(low).float().permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0).numpy()
        values.append(10 * math.log10(255**2 / ((np.clip(out * 255, 0, 255).round() - high) ** 2).mean()))
    assert np.mean(values) == pytest.approx(max(scores), abs=0.01)


def test_strips_of_pictures_keep_their_shape(tmp_path: Path) -> None:
    log = Log(tmp_path, ["loss"], 0, {}, [])
    log.show(1, [[np.full((30, 10, 3), 255, np.uint8)] * 3])
    log.close()
    with Image.open(tmp_path / "pictures" / "0000001.png") as sheet:
        levels = np.asarray(sheet)
    assert levels.shape == (200, 900, 3)
    assert (levels[:, :100] == 0).all()
    assert (levels[:, 150] == 255).all()


def test_a_run_that_was_stopped_goes_on_bit_for_bit(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path / "whole")
    steps = 0
    while not steps or steps < recipe.steps:
        train(recipe, tmp_path / "parts", minutes=0, resume=steps > 0)  # one step at a time
        steps = int(lines(tmp_path / "parts")[-1]["step"])
    for name in ("last.safetensors", "best.safetensors"):
        whole, parts = load_file(tmp_path / "whole" / name), load_file(tmp_path / "parts" / name)
        assert all(torch.equal(value, parts[key]) for key, value in whole.items())
    clock = {"pictures_per_second": "", "waiting": "", "held": ""}  # a run that stops is validated then, too
    for one, other in zip(lines(tmp_path / "whole"), lines(tmp_path / "parts"), strict=True):
        assert one | clock == other | clock


def test_lines_after_the_checkpoint_are_dropped_from_the_log(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path, minutes=0)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("2,small,9,9,9,9,9,9,9,9,9,\n")
    train(recipe, tmp_path, minutes=0, resume=True)
    assert [line["step"] for line in lines(tmp_path)] == ["1", "2"]
    assert float(lines(tmp_path)[1]["loss"]) < 9


def test_the_gradient_is_clipped_after_it_is_computed(recipe: Recipe) -> None:
    run = Run(replace(recipe, clip=1e-3), CPU)
    numbers = run.update(batch(run))
    assert numbers["gradient"] > 1e-2
    left = torch.stack([p.grad.norm() for p in run.net.parameters() if p.grad is not None]).norm()
    assert left.item() == pytest.approx(1e-3, rel=1e-3)


def test_the_average_follows_its_formula(recipe: Recipe) -> None:
    run = Run(replace(recipe, ema=0.25), CPU)
    expected = None
    for step in range(4):
        run.update(batch(run))
        # The first weights are taken as they are; then the decay rises to 0.25.
        decay = min(0.25, (1 + step) / (10 + step))
        expected = weights(run.net) if expected is None else decay * expected + (1 - decay) * weights(run.net)
    averaged = weights(run.average.module)
    torch.testing.assert_close(averaged, expected)


def test_only_kernels_decay(recipe: Recipe) -> None:
    run = Run(recipe, CPU)
    decayed = {id(p) for p in run.optimizer.param_groups[0]["params"]}
    assert run.optimizer.param_groups[0]["weight_decay"] == recipe.weight_decay
    for name, parameter in run.net.named_parameters():
        assert (id(parameter) in decayed) == (name.endswith(".weight") and "norm" not in name), name


def nan_on(bad: Tensor) -> Objective:
    """An objective that fails on one batch."""

    def objective(nets: Nets, batch: Batch, losses: Mapping[str, float]) -> dict[str, Tensor]:
        factor = math.nan if torch.equal(batch.low, bad) else 1.0
        return {name: value * factor for name, value in restoration(nets, batch, losses).items()}

    return objective


def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(recipe: Recipe) -> None:
    bad = Batches(recipe, CPU)[1].low
    run = Run(with_stage(recipe, turns=(Turn(nan_on(bad)),)), CPU)
    run.update(batch(run))
    before, average = weights(run.net), weights(run.average.module)
    numbers = run.update(batch(run))
    assert math.isnan(numbers["loss"])
    assert numbers["skipped"] == 1
    assert torch.equal(weights(run.net), before)
    assert torch.equal(weights(run.average.module), average)
    assert run.update(batch(run))["skipped"] == 1
    assert run.skipped_in_a_row == 0
    assert torch.isfinite(weights(run.net)).all()


def always_nan(nets: Nets, batch: Batch, _: object) -> dict[str, Tensor]:
    return {"l1": nets.net(batch.low).mean() * math.nan}


def test_a_run_that_stays_not_finite_stops_and_keeps_its_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path, minutes=0)
    kept = (tmp_path / "state.pt").read_bytes()
    bad = with_stage(recipe, steps=100, losses={"l1": 1.0}, turns=(Turn(always_nan),))
    with pytest.raises(TrainingError, match="20 steps in a row, to step 21"):
        train(replace(bad, save_every=1000), tmp_path, resume=True, force=True)
    assert (tmp_path / "state.pt").read_bytes() == kept


class Parts(nn.Module):
    """A network of two parts, the first with running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.config = None
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.second = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        restored: Tensor = self.second(self.first(x))
        return restored


@register_model
def parts() -> Parts:
    return Parts()


def test_frozen_parts_stay_as_they_are(recipe: Recipe) -> None:
    frozen = with_stage(replace(recipe, model="parts"), losses={"l1": 1.0}, turns=(Turn(learns=("second",)),))
    run = Run(frozen, CPU)
    before = {name: value.clone() for name, value in run.net.state_dict().items()}
    run.update(batch(run))
    for name, value in run.net.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("first"), name


def away(nets: Nets, batch: Batch, _: object) -> dict[str, Tensor]:
    return {"away": -(nets.net(batch.low) - batch.target).abs().mean()}


def towards(nets: Nets, batch: Batch, _: object) -> dict[str, Tensor]:
    return {"towards": (nets.net(batch.low) - batch.target).abs().mean()}


def test_turns_play_against_each_other(recipe: Recipe) -> None:
    turns = (Turn(away, ("first",)), Turn(towards, ("second",)))
    both = with_stage(replace(recipe, model="parts"), losses={"away": 1.0, "towards": 2.0}, turns=turns)
    run = Run(both, CPU)
    before = {name: value.clone() for name, value in run.net.named_parameters()}
    numbers = run.update(batch(run))
    assert numbers["loss"] == pytest.approx(numbers["away"] + 2 * numbers["towards"])
    assert all(not torch.equal(value, before[name]) for name, value in run.net.named_parameters())


def test_a_loss_that_nothing_computes_and_learners_that_do_not_exist(recipe: Recipe) -> None:
    silent = with_stage(recipe, losses={"towards": 1.0, "l1": 1.0}, turns=(Turn(towards),))
    run = Run(silent, CPU)
    with pytest.raises(RecipeError, match="compute no l1"):
        run.update(batch(run))
    nobody = with_stage(recipe, turns=(Turn(learns=("third",)),))
    run = Run(nobody, CPU)
    with pytest.raises(RecipeError, match="'third': nothing would learn"):
        run.update(batch(run))


def test_bfloat16_trains_with_parameters_in_float32(recipe: Recipe) -> None:
    run, plain = Run(replace(recipe, precision="bfloat16"), CPU), Run(recipe, CPU)
    numbers, expected = run.update(batch(run)), plain.update(batch(plain))
    assert numbers["loss"] == pytest.approx(expected["loss"], rel=0.05)
    assert numbers["loss"] != expected["loss"]
    assert all(parameter.dtype == torch.float32 for parameter in run.net.parameters())


def test_a_run_can_start_from_weights(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path, minutes=0)
    started = Run(replace(recipe, start=tmp_path / "last.safetensors"), CPU)
    for name, value in load_file(tmp_path / "last.safetensors").items():
        assert torch.equal(started.net.state_dict()[name], value)
    for start in (tmp_path / "gone.safetensors", tmp_path / "log.csv"):
        with pytest.raises(WeightsError, match=start.name):
            Run(replace(recipe, start=start), CPU)


def test_what_cannot_start_is_refused_before_any_step(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no model 'tyni': choose from .*tiny"):
        train(replace(recipe, model="tyni"), tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        train(replace(recipe, held_out=("nothing",)), tmp_path)
    with pytest.raises(DataError, match="both trained and reported"):
        train(replace(recipe, held_out=("pairs",)), tmp_path)
    (recipe.data / "held/low/1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"held/low/1\.png"):
        train(recipe, tmp_path)
    (recipe.data / "pairs/low/2.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"pairs/low/2\.png"):
        train(replace(recipe, held_out=()), tmp_path)
    assert not (tmp_path / "state.pt").exists()


def test_checkpoints_are_neither_overwritten_nor_misread(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no checkpoint"):
        train(recipe, tmp_path / "run", resume=True)
    train(recipe, tmp_path / "run", minutes=0)
    with pytest.raises(RecipeError, match="--resume"):
        train(recipe, tmp_path / "run")
    with pytest.raises(TrainingError, match="does not fit the recipe's model parts: it is one of tiny"):
        train(replace(with_stage(recipe, losses={"l1": 1.0}), model="parts"), tmp_path / "run", resume=True, force=True)
    state = tmp_path / "run" / "state.pt"
    state.write_bytes(state.read_bytes()[:-500])
    with pytest.raises(TrainingError, match=r"state\.pt: not a checkpoint"):
        train(recipe, tmp_path / "run", resume=True)


def test_a_full_disk_leaves_the_checkpoint_whole(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path, minutes=0)
    kept = (tmp_path / "state.pt").read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may grow beyond this; the kernel answers as it does when a disk is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(kept) // 2, before[1]))
    try:
        with pytest.raises(TrainingError, match=r"cannot write .*state\.pt.*the checkpoint before is whole"):
            train(recipe, tmp_path, minutes=0, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "state.pt").read_bytes() == kept
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))


def greedy(nets: Nets, batch: Batch, _: object) -> dict[str, Tensor]:
    return {"l1": nets.net(batch.low).mean() + torch.empty(2**60, dtype=torch.uint8).sum()}


def test_too_little_memory_names_the_setting_to_lower(recipe: Recipe, tmp_path: Path) -> None:
    stage = replace(recipe.stages[0], losses={"l1": 1.0}, turns=(Turn(greedy),), views=(View((8, 12), batch=4),))
    with pytest.raises(TrainingError, match=r"'small' at 4 pictures of 8x12.*stages\.views\.batch=2"):
        train(replace(recipe, stages=(stage,)), tmp_path)


def test_batches_are_drawn_on_one_thread_and_the_others_keep_theirs() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:

        def batches() -> Iterator[Batch]:
            drawn_with.append(torch.get_num_threads())
            yield Batch(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))

        drawn_with: list[int] = []
        assert len(list(prefetched(batches()))) == 1
        with ThreadPoolExecutor(1) as pool:
            afterwards = pool.submit(torch.get_num_threads).result()
        assert (drawn_with, torch.get_num_threads(), afterwards) == ([1], 2, 2)
    finally:
        torch.set_num_threads(before)
