"""The command on a cluster of this machine, with everything that goes wrong on a large one."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lightwell.cluster import final_rows, summary

pytestmark = pytest.mark.slow

Make = Callable[[Path, list[str]], Path]
Command = Callable[..., subprocess.CompletedProcess[str]]


def wait_until(holds: Callable[[], bool], program: subprocess.Popen[str] | None = None) -> None:
    """Waits as long as the program runs; the ten minutes are for one that hangs."""
    patience = time.monotonic() + 600
    while not holds():
        assert program is None or program.poll() is None, program.communicate()
        assert time.monotonic() < patience
        time.sleep(0.2)


def any_with(variable: str) -> bool:
    """Whether a process has it in its environment."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if variable.encode() in path.read_bytes().split(b"\0"):
                return True
    return False


def rows_of(dest: Path) -> dict[str, dict[str, object]]:
    """The final rows by the pictures' names, each of which has one."""
    rows = final_rows(str(dest)).to_pylist()
    by_name = {row["source"].rpartition("/in/")[2]: row for row in rows}
    assert len(by_name) == len(rows)
    return by_name


def refuse_halves(dest: Path) -> set[str]:
    """The names of the results, all of which are whole pictures, and nothing else lies there.

    A hidden part that a worker was killed over has no result's name.
    """
    files = [path for path in dest.rglob("*") if path.is_file() and ".lightwell" not in path.parts]
    files = [path for path in files if not (path.name.startswith(".") and path.suffix == ".part")]
    for path in files:
        with Image.open(path) as image:
            image.load()
    return {str(path.relative_to(dest)) for path in files}


def test_dying_workers_damaged_pictures_and_a_bad_network(
    tmp_path: Path, model: str, make: Make, cluster: Command
) -> None:
    """100 pictures: one damaged, one that kills each of its workers, one that kills one worker before and one after
    its result is written, one that cannot be read at all, one that takes seconds, and one read in fifty that fails."""
    names = [*(f"{number % 3}/{number}.png" for number in range(94)), "1/slow.png"]
    source = make(tmp_path / "in", [*names, "0/hog.png", "1/once.png", "2/late.png", "0/gone.png", "1/bad.png"])
    (source / "1" / "bad.png").write_bytes((source / "1" / "bad.png").read_bytes()[:80])
    dest = tmp_path / "out"
    words = (f"faulty://{source}", f"faulty://{dest}", "-m", model, "--workers", "2")
    done = cluster(*words, FAULTY_EVERY="50")
    assert done.returncode == 1, done.stderr
    rows = rows_of(dest)
    failed = {name: str(row["error"]) for name, row in rows.items() if row["status"] == "failed"}
    assert set(rows) == {*names, "0/hog.png", "1/once.png", "2/late.png", "0/gone.png", "1/bad.png"}
    assert set(failed) == {"0/hog.png", "0/gone.png", "1/bad.png"}
    assert failed["0/hog.png"].startswith("its worker died 3 times")
    assert failed["0/gone.png"] == "cannot be read: the connection was reset"
    assert failed["1/bad.png"].startswith("is cut short")
    assert (rows["1/once.png"]["attempt"], rows["2/late.png"]["attempt"]) == (2, 2)
    assert (dest / "2" / "late.png.written").read_text() == "written\n"  # once, though two workers were at it
    for leftover in ("late.png.written", "late.png.met"):
        (dest / "2" / leftover).unlink()
    assert refuse_halves(dest) == set(rows) - set(failed)
    assert sorted(line.rpartition("/in/")[2].partition(":")[0] for line in done.stderr.splitlines()) == sorted(failed)
    assert "97 restored, 3 failed" in done.stdout


def test_a_killed_run_goes_on(
    tmp_path: Path, model: str, make: Make, cluster: Command, program: list[str], environment: dict[str, str]
) -> None:
    names = [f"{number}.png" for number in range(60)]
    source, dest, held = make(tmp_path / "in", names), tmp_path / "out", tmp_path / "held"
    held.touch()
    words = [f"faulty://{source}", str(dest), "-m", model, "--workers", "2"]
    first = subprocess.Popen(
        [*program, *words],
        env={**environment, "FAULTY_HELD": str(held)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: len(dest_files(dest)) == 10, first)
    finally:
        first.kill()
        first.wait()
    assert summary(str(dest)).running == ()
    wait_until(lambda: not any_with(f"FAULTY_HELD={held}"))  # its workers end a moment later
    made = dest_files(dest)
    assert len(made) == 10

    refused = cluster(*words, "--strength", "0.5")
    assert refused.returncode == 2
    assert "was begun with other settings (strength 1.0, now 0.5); --force goes on" in " ".join(refused.stderr.split())

    status = cluster("--status", dest)
    assert status.returncode == 0, status.stderr
    assert f"{summary(str(dest)).done} restored, 0 failed, by gamma" in status.stdout

    second = cluster(*words)
    assert second.returncode == 0, second.stderr
    rows = rows_of(dest)
    assert {name: row["status"] for name, row in rows.items()} == dict.fromkeys(names, "done")
    after = dest_files(dest)
    assert {name: after[name] for name in made} == made  # nothing was done twice
    assert refuse_halves(dest) == set(names)

    third = cluster(*words)
    assert third.returncode == 0, third.stderr
    assert dest_files(dest) == after
    assert third.stdout == second.stdout


def dest_files(dest: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in dest.glob("*.png")}


def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(
    tmp_path: Path, model: str, make: Make, cluster: Command
) -> None:
    names = [f"{number}.png" for number in range(24)]
    source, dest = make(tmp_path / "in", names), tmp_path / "out"
    words = (str(source), f"faulty://{dest}", "-m", model, "--workers", "1")
    full = cluster(*words, FAULTY_BYTES="60000")
    assert full.returncode == 1
    assert full.stderr.splitlines()[-1].startswith("lightwell: faulty://")
    assert "nothing more can be written" in full.stderr.splitlines()[-1]
    assert len(refuse_halves(dest)) < 24
    assert cluster(*words).returncode == 0
    assert {row["status"] for row in rows_of(dest).values()} == {"done"}
    assert refuse_halves(dest) == set(names)


def test_what_no_machine_has_is_told_and_not_waited_for(
    tmp_path: Path, model: str, make: Make, cluster: Command
) -> None:
    source = make(tmp_path / "in", ["a.png"])
    refused = cluster(source, tmp_path / "out", "-m", model, "--gpus", "1000", "--workers", "1")
    assert refused.returncode == 2
    said = " ".join(refused.stderr.replace("│", " ").split())
    assert "no machine of the cluster has room for a worker (cores: 1, GPUs: 1000)" in said


def test_a_lost_machine(
    tmp_path: Path, model: str, make: Make, environment: dict[str, str], program: list[str]
) -> None:
    """A cluster of two nodes, one of which goes while it works."""
    names = [f"{number}.png" for number in range(48)]
    source, dest, held = make(tmp_path / "in", names), tmp_path / "out", tmp_path / "held"
    held.touch()
    script = """
import sys, time
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20})
node = cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
print(cluster.address, flush=True)
sys.stdin.readline()
cluster.remove_node(node, allow_graceful=False)
print("gone", flush=True)
sys.stdin.readline()
cluster.shutdown()
"""
    where = {**environment, "FAULTY_HELD": str(held)}
    nodes = subprocess.Popen(
        [program[0], "-c", script],
        env=where,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert nodes.stdin is not None
    assert nodes.stdout is not None
    try:
        address = nodes.stdout.readline().strip()
        words = [f"faulty://{source}", str(dest), "-m", model, "--address", address, "--workers", "2"]
        with subprocess.Popen(
            [*program, *words], env=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as work:
            try:
                wait_until(lambda: len(list(dest.glob("*.png"))) == 10, work)
                print(file=nodes.stdin, flush=True)
                assert nodes.stdout.readline() == "gone\n"
                held.unlink()
                said, errors = work.communicate(timeout=600)
            finally:
                work.kill()
        assert work.returncode == 0, errors
        assert "48 restored, 0 failed" in said
    finally:
        nodes.communicate("\n", timeout=600)
    assert {row["status"] for row in rows_of(dest).values()} == {"done"}
    assert refuse_halves(dest) == set(names)


def test_object_storage(
    tmp_path: Path, model: str, make: Make, cluster: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    import fsspec

    server.start()
    try:
        host, port = server.get_host_and_port()
        given = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        store = fsspec.filesystem("s3", use_listings_cache=False)
        store.mkdir("night")
        names = [f"{number % 2}/{number}.png" for number in range(12)]
        for path in make(tmp_path / "in", names).rglob("*.png"):
            store.put_file(str(path), f"night/in/{path.relative_to(tmp_path / 'in')}")
        done = cluster("s3://night/in", "s3://night/out", "-m", model, "--workers", "1", **given)
        assert done.returncode == 0, done.stderr
        assert "s3://night/in -> s3://night/out: 12 restored, 0 failed, by gamma" in done.stdout
        rows = {row["source"]: row for row in final_rows("s3://night/out").to_pylist()}
        assert set(rows) == {f"s3://night/in/{name}" for name in names}
        for name in names:
            assert rows[f"s3://night/in/{name}"]["destination"] == f"s3://night/out/{name}"
            with store.open(f"night/out/{name}") as stream, Image.open(stream) as image:
                assert image.size == (16, 12)
        again = cluster("s3://night/in", "s3://night/out", "-m", model, "--workers", "1", **given)
        assert (again.returncode, again.stdout) == (0, done.stdout)
        kept = json.loads(store.cat_file("night/out/.lightwell/job.json"))
        assert kept["target"]["source"] == "s3://night/in"
    finally:
        server.stop()
