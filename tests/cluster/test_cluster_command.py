"""What is wrong with a call is one line, before any work and before Ray starts."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from graphs import save

Make = Callable[[Path, list[str]], Path]
Command = Callable[..., subprocess.CompletedProcess[str]]


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """What was said, without the frame that is drawn around it."""
    assert result.returncode in (1, 2), result.stderr
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.replace("│", " ").split())


def test_wrong_calls(tmp_path: Path, model: str, make: Make, cluster: Command) -> None:
    source, dest = make(tmp_path / "in", ["a.png"]), tmp_path / "out"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        for words, told in (
            ((source, dest, "--address", f"127.0.0.1:{port}"), f"no Ray cluster answers at 127.0.0.1:{port}"),
            ((source, dest, "--address", "ray://127.0.0.1:10001"), "run on a machine of the cluster"),
            ((source, dest, "--address", "nowhere"), "a cluster's address is auto or HOST:PORT"),
            ((source, source / "out"), "lies inside the source"),
            ((source,), "name a source and a destination"),
            ((source, "unknown://x/y"), "unknown"),
            ((tmp_path / "nowhere", dest), "there is no such folder"),
            ((source, dest, "--denoise", "0.5"), "denoise"),
            ((source, dest, "--format", "gif"), "--format is one of"),
            (("--status", dest), "holds no manifest"),
            (("--status", source, dest), "--status takes the destination alone"),
        ):
            extra = () if "--status" in words else ("-m", model)
            assert told in refusal(cluster(*words, *extra)), words
    far = (source, dest, "-m", source, "--address", "auto")
    assert "holds weights: lightwell export makes the ONNX file" in refusal(cluster(*far))
    assert "no run's folder" in refusal(cluster(source, dest, "-m", source))
    assert "no model 'none' ships" in refusal(cluster(source, dest, "-m", "none"))
    assert not dest.exists()
    (dest / ".lightwell").mkdir(parents=True)
    (dest / ".lightwell" / "job.json").write_text(json.dumps({"version": 99}))
    assert "is a manifest of version 99" in refusal(cluster(source, dest, "-m", model))


def test_a_cluster_takes_what_shards_did_for_done(
    tmp_path: Path, model: str, make: Make, cluster: Command, program: list[str], environment: dict[str, str]
) -> None:
    source, dest = make(tmp_path / "in", ["a.png", "b.png", "c/d.png"]), tmp_path / "out"
    for part in (1, 2):
        words = ["restore", source, "-o", dest, "--recursive", "-m", model, "--shard", f"{part}/2"]
        subprocess.run([*program[:-1], *map(str, words)], check=True, env=environment)
    made = {path: path.stat().st_ino for path in dest.rglob("*.png")}
    done = cluster(source, dest, "-m", model)
    assert done.returncode == 0, done.stderr
    assert "3 restored, 0 failed of 3, by gamma" in done.stdout
    assert {path: path.stat().st_ino for path in dest.rglob("*.png")} == made


def test_a_run_is_a_model_on_one_machine(tmp_path: Path, make: Make, cluster: Command) -> None:
    source, dest, run = make(tmp_path / "in", ["a.png"]), tmp_path / "out", tmp_path / "run"
    run.mkdir()
    (run / "best.safetensors").write_bytes(b"weights")
    # With the graph that `lightwell restore -m run` left beside them: this environment has no torch to make it.
    graph = onnx.load(save(run / "best.onnx", "gamma"))
    onnx.helper.set_model_props(graph, {"lightwell_made_from_sha256": hashlib.sha256(b"weights").hexdigest()})
    onnx.save(graph, run / "best.onnx")
    done = cluster(source, dest, "-m", run)
    assert done.returncode == 0, done.stderr
    assert "1 restored, 0 failed of 1" in done.stdout
    dark, light = (np.asarray(Image.open(place / "a.png"), np.float64) / 255 for place in (source, dest))
    assert np.abs(light - np.sqrt(dark)).max() < 2 / 255


def test_a_name_that_is_not_utf8_is_told_before_any_work(
    tmp_path: Path, model: str, make: Make, cluster: Command
) -> None:
    source = make(tmp_path / "in", ["a.png"])
    try:
        Path(os.fsdecode(os.fsencode(source) + b"/na\xefve.png")).touch()
    except OSError:
        pytest.skip("this disk takes only UTF-8")
    assert r"the name na\xefve.png is not UTF-8" in refusal(cluster(source, tmp_path / "out", "-m", model))
    assert not (tmp_path / "out").exists()


def test_missing_credentials_are_one_line(tmp_path: Path, model: str, make: Make, cluster: Command) -> None:
    without = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "")
    without |= {name: str(tmp_path / "none") for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")}
    without |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_EC2_METADATA_DISABLED": "true"}
    told = refusal(cluster("s3://night/in", tmp_path / "out", "-m", model, **without))
    assert "s3://night/in: cannot be listed: Unable to locate credentials" in told
    source = make(tmp_path / "in", ["a.png"])
    told = refusal(cluster(source, "s3://night/out", "-m", model, **without))
    assert "Unable to locate credentials" in told
