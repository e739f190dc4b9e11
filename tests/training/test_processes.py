"""Runs in processes of their own: killed, interrupted, several at once."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from lightwell.data.views import View
from lightwell.models.darkir import DarkIR, DarkIRConfig
from lightwell.models.registry import register_model
from lightwell.training.loop import train
from lightwell.training.recipe import Recipe, Stage

torch.set_num_threads(1)

@register_model
def tiny():
    return DarkIR(DarkIRConfig(3, 4, (1,), (1,), 1, 1, (1,)))

recipe = Recipe(
    "tiny", "tiny", data=Path(sys.argv[1]), pairs={"pairs": 1.0}, held_out=("held",),
    stages=(Stage(
        "s", int(sys.argv[3]), (View((8, 16), 4), View((16, 16), 2)), {"l1": 1.0, "log_mse": 0.1, "guide": 0.2},
        lr=3e-3, warmup=5, synthetic=0.4,
    ),),
    log_every=1, validate_every=20, save_every=3,
)
if __name__ == "__main__":
    train(recipe, Path(sys.argv[2]), resume="resume" in sys.argv)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "run.py"
    path.write_text(SCRIPT)
    return path


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def lines(folder: Path) -> list[dict[str, str]]:
    path = folder / "log.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def wait_for(folder: Path, steps: int, process: subprocess.Popen[str]) -> None:
    while len(lines(folder)) < steps:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def test_a_killed_run_goes_on_bit_for_bit(script: Path, data: Path, tmp_path: Path) -> None:
    steps = 60
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(script, data, whole, steps))
    process = start(script, data, killed, steps)
    wait_for(killed, 7, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    done = torch.load(killed / "state.pt", weights_only=True)["step"]
    assert 0 < done < steps
    finish(start(script, data, killed, steps, "resume"))
    for name in ("best.safetensors", "last.safetensors"):
        expected, found = load_file(whole / name), load_file(killed / name)
        assert all(torch.equal(value, found[key]) for key, value in expected.items())
    assert [line["loss"] for line in lines(whole)] == [line["loss"] for line in lines(killed)]


def test_ctrl_c_ends_after_the_step_with_a_checkpoint(script: Path, data: Path, tmp_path: Path) -> None:
    process = start(script, data, tmp_path / "run", 100_000)
    wait_for(tmp_path / "run", 4, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert torch.load(tmp_path / "run/state.pt", weights_only=True)["step"] == len(lines(tmp_path / "run"))


def test_two_processes_make_the_loss_curve_of_one(script: Path, data: Path, tmp_path: Path) -> None:
    finish(start(script, data, tmp_path / "one", 12))
    finish(
        start("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", script, data, tmp_path / "two", 12)
    )
    one, two = ([float(line["loss"]) for line in lines(tmp_path / name)] for name in ("one", "two"))
    assert len(one) == 12
    assert two == pytest.approx(one, rel=1e-3)
    expected, found = (load_file(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    # AdamW's first steps amplify the last digits of gradients near zero.
    assert all(torch.allclose(value, found[key], atol=1e-3) for key, value in expected.items())
