"""Shards of a job and the manifest that they share; `make test-cluster` runs these where pyarrow is installed too."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner, Result

from graphs import save
from lightwell.cli.app import app
from lightwell.cluster.manifest import Entry, Manifest, manifest_of, summary
from lightwell.cluster.places import Place
from lightwell.cluster.shards import Record
from lightwell.cluster.worker import target_of
from lightwell.errors import PlanError
from lightwell.jobs.events import Job
from lightwell.jobs.plan import Request, plan
from lightwell.jobs.restoring import Settings
from lightwell.jobs.run import Tell, run

COLUMNS = tuple(Entry.__dataclass_fields__)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save(tmp_path_factory.mktemp("graphs") / "gamma.onnx", "gamma"))


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of forty pictures in the folder ``in`` and one below it, of which one is damaged."""
    monkeypatch.chdir(tmp_path)
    names = [*(f"{number}.png" for number in range(20)), *(f"b/{number}.png" for number in range(20))]
    random = np.random.default_rng(0)
    for name in names:
        Path("in", name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 60, (12, 16, 3), np.uint8)).save(Path("in", name))
    Path("in/7.png").write_bytes(Path("in/7.png").read_bytes()[:60])
    return names


def call(*words: str) -> Result:
    given = ["restore", "in", "-o", "out", "--recursive", *words]
    return CliRunner().invoke(app, given, env={"COLUMNS": "250", "TERM": "dumb"})


def rows_of(dest: Path) -> list[tuple[str, Entry]]:
    """All rows with their pictures' names; of several with one name the last counts."""
    columns = manifest_of(str(dest)).columns(*COLUMNS)
    rows = [Entry(*values) for part in columns for values in zip(*part, strict=True)]
    return [(row.source.rpartition("/in/")[2], row) for row in rows]


def record(folder: Path, model: str, part: int, parts: int, *, skip_existing: bool = False) -> Record:
    source, dest = str(folder / "in"), str(folder / "out")
    request = Request(dest, recursive=True, shard=(part, parts), skip_existing=skip_existing)
    return Record(source, dest, (part, parts), plan([source], request), model, Settings())


def write(job: Job, _: Tell) -> tuple[int, int]:
    assert job.output is not None
    job.output.parent.mkdir(parents=True, exist_ok=True)
    job.output.write_bytes(b"restored")
    return 1, 1


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.text("abcé1 ", min_size=1, max_size=5).filter(str.strip), unique_by=str.casefold, max_size=60),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_the_rows_of_shards_cover_all_pictures_and_none_twice(
    model: str, names: list[str], parts: int, workers: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "in").mkdir()
        for picture in names:
            (folder / "in" / f"{picture}.png").write_text(picture)
        for part in range(1, parts + 1):
            shard = record(folder, model, part, parts)
            for _ in shard.kept(run(shard.begun(), write, workers)):
                pass
        rows = dict(rows_of(folder / "out"))
        assert sorted(name for name, _ in rows_of(folder / "out")) == sorted(f"{picture}.png" for picture in names)
        for picture in names:
            assert rows[f"{picture}.png"].sha256 == hashlib.sha256(picture.encode()).hexdigest()
        assert manifest_of(str(folder / "out")).journals() == []


def test_shards_at_once_keep_one_manifest(photos: list[str], model: str, tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from lightwell.cli.app import main; main()", "restore", "in", "-o", "out"]
    shards = [
        subprocess.Popen([*program, "--recursive", "-q", "-m", model, "--shard", f"{part}/3"], stderr=subprocess.PIPE)
        for part in (1, 2, 3)
    ]
    told = [shard.communicate(timeout=300)[1].decode() for shard in shards]
    assert sorted(shard.returncode for shard in shards) == [0, 0, 1], told
    assert sorted(name for name, _ in rows_of(tmp_path / "out")) == sorted(photos)
    rows = dict(rows_of(tmp_path / "out"))
    assert {name for name, row in rows.items() if row.status == "failed"} == {"7.png"}
    assert len({row.worker for row in rows.values()}) == 3
    for name, row in rows.items():
        data = (tmp_path / "in" / name).read_bytes()
        assert (row.size, row.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert row.source == str(tmp_path.resolve() / "in" / name)
        assert row.destination == str(tmp_path.resolve() / "out" / name)
        assert (row.model, row.attempt) == ("gamma", 1)
        assert row.error is None or row.error.startswith("is cut short")

    status = CliRunner().invoke(app, ["cluster", "--status", "out"], env={"COLUMNS": "250"})
    assert status.exit_code == 0, status.output
    assert "39 restored, 1 failed of 40, by gamma" in status.output
    if find_spec("pyarrow"):
        from lightwell.cluster import final_rows

        assert [path.suffix for path in Path("out/.lightwell/rows").iterdir()] == [".parquet"] * 3
        table = final_rows("out")
        assert {row["source"]: Entry(**row) for row in table.to_pylist()} == {row.source: row for row in rows.values()}


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_shard_goes_on_and_says_what_its_pictures_became(
    photos: list[str], model: str, tmp_path: Path
) -> None:
    script = f"""
import os, signal, sys
from pathlib import Path
from lightwell.jobs import restoring
real = restoring._write
def killed(picture, output, *rest):
    notes = real(picture, output, *rest)
    if len(list(Path("out").rglob("*.png"))) == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    return notes
restoring._write = killed
from lightwell.cli.app import main
sys.argv = ["lightwell", *{["restore", "in", "-o", "out", "--recursive", "-m", model, "--shard", "1/2"]!r}]
main()
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    made = {path: path.stat().st_ino for path in Path("out").rglob("*.png")}
    assert len(made) == 12
    assert len(rows_of(tmp_path / "out")) in (11, 12)  # that of a damaged one, but not that of the last result
    assert summary("out").running == ()

    assert call("-m", model, "--shard", "2/2").exit_code in (0, 1)
    before = dict(rows_of(tmp_path / "out"))
    assert call("-m", model, "--shard", "1/2", "--skip-existing").exit_code in (0, 1)
    rows = dict(rows_of(tmp_path / "out"))
    assert sorted(rows) == sorted(photos)
    assert {name for name, row in rows.items() if row.status == "failed"} == {"7.png"}
    done = {name: row for name, row in before.items() if row.status == "done"}
    assert {name: rows[name] for name in done} == done  # what had its row keeps it
    assert {path: path.stat().st_ino for path in made} == made  # nothing was done twice
    third = call("-m", model, "--shard", "1/2", "--skip-existing")
    assert "skipped" in third.output
    again = dict(rows_of(tmp_path / "out"))
    assert {name: row for name, row in again.items() if name != "7.png"} == {
        name: row for name, row in rows.items() if name != "7.png"
    }
    assert (summary("out").done, summary("out").failed, summary("out").total) == (39, 1, 40)


def test_a_stopped_shard_goes_on_where_it_was(photos: list[str], model: str, tmp_path: Path) -> None:
    """Ctrl-C closes the events: a result that was written then and told nobody is known for ours."""
    first = record(tmp_path, model, 1, 1)
    events = first.kept(run(first.begun(), write, 2))
    for _ in range(15):
        next(events)
    events.close()
    assert summary("out").running == ()
    second = record(tmp_path, model, 1, 1, skip_existing=True)
    for _ in second.kept(run(second.begun(), write, 2)):
        pass
    rows = dict(rows_of(tmp_path / "out"))
    assert sorted(rows) == sorted(photos)
    assert {row.status for row in rows.values()} == {"done"}
    assert (summary("out").done, summary("out").failed) == (40, 0)


def test_a_failure_is_tried_again_and_its_last_row_counts(photos: list[str], model: str, tmp_path: Path) -> None:
    assert call("-m", model, "--shard", "1/1").exit_code == 1
    assert dict(rows_of(tmp_path / "out"))["7.png"].status == "failed"
    Path("in/7.png").write_bytes(Path("in/8.png").read_bytes())
    assert call("-m", model, "--shard", "1/1", "--skip-existing").exit_code == 0
    assert (summary("out").done, summary("out").failed) == (40, 0)
    rows = dict(rows_of(tmp_path / "out"))
    assert (rows["7.png"].status, rows["7.png"].attempt) == ("done", 2)
    assert len(rows) == len(photos)


@pytest.mark.usefixtures("photos")
def test_what_contradicts_a_job_is_told_before_any_work(model: str) -> None:
    assert call("-m", model, "--shard", "1/2").exit_code in (0, 1)
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    for words, told in (
        (("--shard", "2/2", "--strength", "0.5"), "was begun with other settings (strength 1.0, now 0.5); choose --ov"),
        *((("--shard", words), "--shard is a part of how many") for words in ("0/2", "3/2", "1", "a/b", "1/0")),
        (("--shard", "2/2", "extra"), "--shard takes one folder, and -o FOLDER"),
    ):
        result = call("-m", model, *words)
        assert result.exit_code == 2, result.output
        assert told in result.output
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before
    alone = CliRunner().invoke(app, ["restore", "in", "-m", model, "--shard", "1/2"], env={"COLUMNS": "250"})
    assert "--shard takes one folder, and -o FOLDER" in alone.output
    assert call("-m", model, "--shard", "2/2", "--dry-run").exit_code == 0
    assert call("-m", model, "--shard", "2/2", "--strength", "0.5", "--overwrite").exit_code in (0, 1)


def test_who_may_be_at_work_at_once(tmp_path: Path, model: str) -> None:
    source, dest = str(tmp_path / "in"), str(tmp_path / "out")
    target = target_of(Place(source), Place(dest), model, Settings())
    other = target_of(Place(source), Place(dest), model, Settings(quality=80))
    manifest = Manifest(Place(f"{dest}/.lightwell"))
    manifest.begin(target, shard=(1, 3))
    with manifest.beating("run", 5, (1, 3)):
        manifest.begin(target, shard=(2, 3))
        for refused in (
            lambda: manifest.begin(target, shard=(1, 3)),
            lambda: manifest.begin(target, shard=(1, 2)),
            lambda: manifest.begin(other, shard=(2, 3), force=True),
            lambda: manifest.begin(target),
        ):
            with pytest.raises(PlanError, match=f"a run on {socket.gethostname()} .* is at work on"):
                refused()
        assert len(summary(dest).running) == 1
    with manifest.beating("run", 5), pytest.raises(PlanError, match="is at work on"):
        manifest.begin(target, shard=(1, 3))
    manifest.begin(target)


@pytest.mark.usefixtures("photos")
def test_a_name_that_no_manifest_holds_is_told_before_any_work(model: str) -> None:
    try:
        Path(os.fsdecode(b"in/na\xefve.png")).touch()
    except OSError:
        pytest.skip("this disk takes only UTF-8")
    result = call("-m", model, "--shard", "1/1")
    assert result.exit_code == 2
    assert r"the name na\xefve.png is not UTF-8: rename it" in result.output
    assert not Path("out").exists()
