from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_degrade import photograph, shots
from typer.testing import CliRunner

from lightwell.cli.app import app
from lightwell.data.degrade import Degradation, by_lamps, degrade
from lightwell.data.folders import find_pairs
from lightwell.data.paired import load_pair
from lightwell.data.public import find_set
from lightwell.data.splits import held_out_photographs
from lightwell.errors import PlanError


@pytest.fixture
def good(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for name in ("a", "b", held_out_photographs()[0]):
        Image.fromarray(noise.integers(0, 256, (20, 30, 3), np.uint8)).save(folder / f"{name}.png")
    return folder


def test_a_set_of_pairs_with_a_table(good: Path, tmp_path: Path) -> None:
    words = ["degrade", str(good), "-o", str(tmp_path / "night"), "--pairs", "--copies", "3", "--leave-held-out"]
    ran = CliRunner().invoke(app, [*words, "--ev", "-4", "-3", "--shaken", "1", "--jpeg", "1", "--noise", "50"])
    assert ran.exit_code == 0, ran.output
    pairs = find_pairs(tmp_path / "night" / "low", tmp_path / "night" / "high")
    assert [pair.name for pair in pairs] == ["a_0", "a_1", "a_2", "b_0", "b_1", "b_2"]
    low, target = load_pair(pairs[0]).chunk(2, 2)
    assert (target.numpy() == np.asarray(Image.open(good / "a.png"))).all()
    assert low.float().mean() < target.float().mean() / 2
    with (tmp_path / "night" / "shots.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [pair.name for pair in pairs]
    assert all(-4 <= float(row["ev"]) <= -3 and float(row["path"]) > 0 for row in rows)
    assert len({row["ev"] for row in rows}) == 6
    assert all(60 <= float(row["quality"]) <= 98 for row in rows)
    assert max(float(row["shot"]) for row in rows) > Degradation().shot[1]
    again = CliRunner().invoke(app, words)
    assert isinstance(again.exception, PlanError)
    assert "holds something" in str(again.exception)


def test_two_photographs_of_one_name_are_named_before_anything_is_made(good: Path, tmp_path: Path) -> None:
    (good / "more").mkdir()
    (good / "a.png").rename(good / "more" / "b.png")
    ran = CliRunner().invoke(app, ["degrade", str(good), "-o", str(tmp_path / "night"), "--pairs"])
    assert isinstance(ran.exception, PlanError)
    assert str(good / "more" / "b.png") in str(ran.exception)
    assert not (tmp_path / "night").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--copies", "3"), "go with --pairs"),
        (("--leave-held-out",), "go with --pairs"),
        (("--pairs", "--overwrite"), "--pairs makes a new set"),
        (("--pairs", "--learned", "drgn-lw", "--like", "."), "without --coco or --pairs"),
    ],
)
def test_options_that_would_do_nothing_are_refused(words: tuple[str, ...], named: str, tmp_path: Path) -> None:
    ran = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["degrade", str(tmp_path), "-o", str(tmp_path / "x"), *words])
    assert ran.exit_code == 2
    assert named in ran.output


def test_the_same_seed_makes_the_same_set(good: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        words = ["degrade", str(good), "-o", str(tmp_path / name), "--pairs", "--seed", "5"]
        assert CliRunner().invoke(app, words).exit_code == 0
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_photographs_that_stay_as_they_are(good: Path) -> None:
    pairs = find_set(good.parent, "same:photographs")
    assert [pair.name for pair in pairs] == ["a", "b"]
    assert all(pair.low == pair.high for pair in pairs)


def test_hard_light_deepens_shadows_and_leaves_lights() -> None:
    """Two halves, one at a tenth of the other's light, so a hardness of 1 multiplies by 0.1; up to their edge."""
    picture = torch.full((1, 3, 96, 192), 0.9)
    linear = ((0.9 + 0.055) / 1.055) ** 2.4
    dim = 1.055 * (linear / 10) ** (1 / 2.4) - 0.055
    picture[..., :96] = dim
    hard = degrade(picture, shots(hard=torch.ones(1)))
    shadow = 1.055 * (linear / 100) ** (1 / 2.4) - 0.055
    for column, level in ((10, shadow), (94, shadow), (97, 0.9), (180, 0.9)):
        assert float(hard[0, 0, 48, column]) == pytest.approx(level, abs=0.04)
    assert torch.equal(degrade(photograph(), shots(hard=torch.zeros(1))), degrade(photograph(), shots()))


def test_hard_light_is_drawn_as_often_as_asked() -> None:
    drawn = Degradation(hard_chance=0.25).sample(4000, torch.Generator().manual_seed(0)).hard
    assert float((drawn > 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert float(drawn.max()) <= 1.3


def test_lamps_leave_black_and_stay_well_exposed() -> None:
    day = torch.full((1, 3, 60, 90), 0.8)
    nights = torch.cat([by_lamps(day, torch.Generator().manual_seed(seed)) for seed in range(20)])
    assert nights.amax((1, 2, 3)).min() > 0.9
    assert nights.amin((1, 2, 3)).median() < 0.05
    assert torch.equal(by_lamps(day, torch.Generator().manual_seed(3))[0], nights[3])


def test_pairs_of_scenes_by_lamps_have_targets_of_their_own(good: Path, tmp_path: Path) -> None:
    words = ["degrade", str(good), "-o", str(tmp_path / "lamps"), "--pairs", "--copies", "2", "--lamps", "1"]
    ran = CliRunner().invoke(app, [*words, "--ev", "-3", "-2"])
    assert ran.exit_code == 0, ran.output
    pairs = find_pairs(tmp_path / "lamps" / "low", tmp_path / "lamps" / "high")
    targets = [load_pair(pair).chunk(2, 2)[1].float() for pair in pairs]
    assert len(pairs) == 6
    assert not torch.equal(targets[0], targets[1])
    assert all(t.mean() < np.asarray(Image.open(good / "a.png")).mean() for t in targets)
    refused = CliRunner().invoke(app, ["degrade", str(good), "-o", str(tmp_path / "x"), "--lamps", "1"])
    assert refused.exit_code == 2
    assert "--pairs" in refused.output
