"""What needs no Ray: a worker with its journal, the listing, and the manifest from one run to the next."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightwell.cluster.listing import batches, count, pictures
from lightwell.cluster.manifest import (
    Batch,
    Entry,
    Journal,
    Known,
    Manifest,
    Target,
    Tries,
    final_rows,
    new_run,
    summary,
)
from lightwell.cluster.places import Place, place, refuse_nested
from lightwell.cluster.run import Collector
from lightwell.cluster.worker import Orders, Worker, target_of
from lightwell.errors import FileError, PlanError, WeightsError
from lightwell.jobs.restoring import Settings

Make = Callable[[Path, list[str]], Path]


def orders(
    source: Path, dest: Path, model: str, settings: Settings | None = None, *, overwrite: bool = False
) -> Orders:
    settings = settings or Settings()
    target = target_of(Place(str(source)), Place(str(dest)), model, settings)
    return Orders(target, str(dest / ".lightwell"), settings, {"model": model, "device": "cpu"}, overwrite)


def begin(given: Orders) -> Manifest:
    manifest = Manifest(Place(given.manifest))
    manifest.begin(given.target)
    return manifest


def names_of(given: Orders, known: Known, size: int = 3, run: str = "run") -> list[Batch]:
    source = Place(given.target.source)
    return list(batches(source, pictures(source, given.settings.format), known, run, size))


def statuses(dest: Path) -> dict[str, str]:
    rows = final_rows(str(dest)).to_pylist()
    assert len({row["source"] for row in rows}) == len(rows)
    return {Path(row["source"]).name: row["status"] for row in rows}


# ---- a worker


def test_a_worker_restores_hashes_and_tells_what_it_did(tmp_path: Path, model: str, make: Make) -> None:
    given = orders(make(tmp_path / "in", ["a.png", "b/c.png"]), tmp_path / "out", model)
    begin(given)
    worker = Worker(given)
    rows = [row for batch in names_of(given, Known(np.empty(0, "S16"))) for row in worker.do(batch)]
    for name, row in zip(("a.png", "b/c.png"), rows, strict=True):
        data = (tmp_path / "in" / name).read_bytes()
        assert (row.size, row.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert (row.status, row.error, row.attempt) == ("done", None, 1)
        assert row.destination == str(tmp_path / "out" / name)
        assert row.worker == f"{socket.gethostname()}:{os.getpid()}"
        dark, light = (np.asarray(Image.open(tmp_path / place / name), np.float64) / 255 for place in ("in", "out"))
        np.testing.assert_allclose(light, np.sqrt(dark), atol=0.51 / 255)


def test_what_cannot_be_restored_is_a_row_and_the_others_go_on(tmp_path: Path, model: str, make: Make) -> None:
    source = make(tmp_path / "in", ["a.png", "b.png", "there.png"])
    (source / "b.png").write_bytes((source / "b.png").read_bytes()[:60])
    given = orders(source, tmp_path / "out", model)
    begin(given)
    make(tmp_path / "out", ["there.png"])
    kept = (tmp_path / "out" / "there.png").read_bytes()
    batch = Batch("run", 0, ["a.png", "b.png", "missing.png", "there.png", "../x.png", "b//c.png"])
    rows = dict(zip(batch.names, Worker(given).do(batch), strict=True))
    assert [row.status for row in rows.values()] == ["done", *["failed"] * 5]
    assert str(rows["b.png"].error).startswith("is cut short")
    assert rows["missing.png"].error == "there is no such file any more"
    assert rows["there.png"].error == f"{tmp_path / 'out' / 'there.png'} exists"
    assert rows["../x.png"].error == "its name cannot be that of a file: rename it"
    assert (tmp_path / "out" / "there.png").read_bytes() == kept
    assert sorted(path.name for path in (tmp_path / "out").glob("*")) == [".lightwell", "a.png", "there.png"]


def test_another_format_and_overwriting(tmp_path: Path, model: str, make: Make) -> None:
    source = make(tmp_path / "in", ["a.png", "b.JPG"])
    given = orders(source, tmp_path / "out", model, Settings(format="JPEG"), overwrite=True)
    begin(given)
    make(tmp_path / "out", ["a.jpg"])
    (batch,) = names_of(given, Known(np.empty(0, "S16")))
    assert [row.destination[-5:] for row in Worker(given).do(batch)] == ["a.jpg", "b.JPG"]
    with Image.open(tmp_path / "out" / "a.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (16, 12))


class _Died(BaseException):
    """Stands for the end of the process; no handler of errors sees it."""


class _Mortal(Worker):
    """Dies once in place of restoring, or after the result is written."""

    def __init__(self, given: Orders, when: str, before: bool) -> None:
        super().__init__(given)
        self.when, self.before, self.restored = when, before, 0

    def _one(self, name: str, tries: Tries, *, other: bool) -> Entry:
        if name == self.when and self.before:
            raise _Died
        self.restored += 1
        row = super()._one(name, tries, other=other)
        if name == self.when:
            raise _Died
        return row


@pytest.mark.parametrize("before", [True, False])
def test_a_batch_whose_worker_died_goes_on_where_it_was(tmp_path: Path, model: str, make: Make, before: bool) -> None:
    given = orders(make(tmp_path / "in", ["a.png", "b.png", "c.png"]), tmp_path / "out", model)
    begin(given)
    (batch,) = names_of(given, Known(np.empty(0, "S16")))
    mortal = _Mortal(given, "b.png", before)
    with pytest.raises(_Died):
        mortal.do(batch)
    files = {path: path.stat().st_ino for path in (tmp_path / "out").glob("*.png")}
    assert len(files) == (1 if before else 2)
    rows = Worker(given).do(batch)
    assert [(row.status, row.attempt) for row in rows] == [("done", 1), ("done", 2), ("done", 1)]
    assert {path: path.stat().st_ino for path in files} == files  # nothing was done twice
    assert Worker(given).do(batch) == rows  # nor where the rows were lost on their way


def test_what_was_there_before_the_job_is_never_taken_for_a_result(tmp_path: Path, model: str, make: Make) -> None:
    given = orders(make(tmp_path / "in", ["a.png", "b.png", "c.png"]), tmp_path / "out", model)
    manifest = begin(given)
    make(tmp_path / "out", ["b.png", "c.png"])
    (batch,) = names_of(given, Known(np.empty(0, "S16")))
    for _ in range(2):
        with pytest.raises(_Died):
            _Mortal(given, "b.png", before=True).do(batch)
    (left,) = names_of(given, manifest.known(manifest.harvest(new_run())), 3, "next")
    assert left.names == ["b.png", "c.png"]
    for todo in (batch, left):
        rows = {Path(row.source).name: row for row in Worker(given).do(todo)}
        assert (rows["b.png"].status, rows["c.png"].status) == ("failed", "failed")
        assert rows["c.png"].error == f"{tmp_path / 'out' / 'c.png'} exists"


def test_a_picture_that_kills_every_worker_is_marked(tmp_path: Path, model: str, make: Make) -> None:
    given = orders(make(tmp_path / "in", ["a.png", "b.png", "c.png"]), tmp_path / "out", model)
    begin(given)
    (batch,) = names_of(given, Known(np.empty(0, "S16")))
    for _ in range(3):
        with pytest.raises(_Died):
            _Mortal(given, "b.png", before=True).do(batch)
    rows = _Mortal(given, "b.png", before=True).do(batch)
    assert [(row.status, row.attempt) for row in rows] == [("done", 1), ("failed", 3), ("done", 1)]
    assert str(rows[1].error).startswith("its worker died 3 times")


def test_a_full_disk_ends_the_work_and_the_picture_stays_to_do(
    tmp_path: Path, model: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = orders(make(tmp_path / "in", ["a.png", "b.png", "c.png"]), tmp_path / "out", model)
    manifest = begin(given)
    (batch,) = names_of(given, Known(np.empty(0, "S16")))
    real = os.fsync

    def full(descriptor: int) -> None:
        if (tmp_path / "out" / "a.png").exists():
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="nothing more can be written"):
        Worker(given).do(batch)
    monkeypatch.undo()
    assert statuses(tmp_path / "out") == {"a.png": "done"}
    known = manifest.known(manifest.harvest(new_run()))
    assert [batch.names for batch in names_of(given, known)] == [["b.png", "c.png"]]


def test_another_model_on_a_worker_is_refused(tmp_path: Path, model: str, make: Make) -> None:
    given = orders(make(tmp_path / "in", ["a.png"]), tmp_path / "out", model)
    other = Orders(
        Target(given.target.source, given.target.dest, "gamma", "0" * 64, {}),
        given.manifest,
        given.settings,
        given.restorer,
    )
    with pytest.raises(WeightsError, match="is not the one the run was begun with"):
        Worker(other)


# ---- from one run to the next


def do(batch: Batch, collector: Collector, worker: Worker) -> None:
    rows = [asdict(entry) for entry in worker.do(Batch.decode(batch.encode()))]
    done = json.dumps({"number": batch.number, "rows": rows}).encode()
    collector.add(done)


@pytest.mark.parametrize("stop", range(9))
def test_a_run_stopped_anywhere_goes_on(
    tmp_path: Path, model: str, make: Make, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run ends between any two of its steps; the next one does the rest, and nothing twice."""
    names = [f"{number}.png" for number in range(7)]
    given = orders(make(tmp_path / "in", names), tmp_path / "out", model)
    manifest = begin(given)
    monkeypatch.setattr("lightwell.cluster.run._KEEP_ROWS", 4)
    first = new_run()
    collector = Collector(manifest, first)
    worker: Worker = _Mortal(given, f"{stop}.png", before=stop % 2 == 0) if stop < 7 else Worker(given)
    with contextlib.suppress(_Died):
        for batch in names_of(given, manifest.known(manifest.harvest(first)), 2, first):
            do(batch, collector, worker)
        if stop == 8:
            collector.close()
    made = {path.name: path.stat().st_ino for path in (tmp_path / "out").glob("*.png")}

    second = new_run()
    known = manifest.known(manifest.harvest(second))
    collector = Collector(manifest, second)
    todo = names_of(given, known, 2, second)
    recorded = set(names) - {name for batch in todo for name in batch.names}
    assert len(set(made) - recorded) <= 1  # at most the result whose worker died before it could tell
    for batch in todo:
        do(batch, collector, Worker(given))
    collector.close()
    collector.finish()
    assert statuses(tmp_path / "out") == dict.fromkeys(names, "done")
    now = {path.name: path.stat().st_ino for path in (tmp_path / "out").glob("*.png")}
    assert {name: now[name] for name in made} == made
    assert sorted(now) == names
    assert manifest.journals() == []
    stood = summary(str(tmp_path / "out"))
    assert (stood.done, stood.failed, stood.running) == (7, 0, ())


def test_what_was_begun_stays_known_when_a_run_dies_before_it_does_anything(
    tmp_path: Path, model: str, make: Make
) -> None:
    given = orders(make(tmp_path / "in", ["a.png", "b.png"]), tmp_path / "out", model)
    manifest = begin(given)
    (batch,) = names_of(given, Known(np.empty(0, "S16")))
    with pytest.raises(_Died):
        _Mortal(given, "a.png", before=False).do(batch)
    for _ in range(3):
        known = manifest.known(manifest.harvest(new_run()))
    assert known.tries == {"a.png": Tries(1, taken=True), "b.png": Tries(0, taken=True)}
    (batch,) = names_of(given, known)
    assert [(row.status, row.attempt) for row in Worker(given).do(batch)] == [("done", 2), ("done", 1)]


def test_failures_are_final_unless_they_are_to_be_tried_again(tmp_path: Path, model: str, make: Make) -> None:
    source = make(tmp_path / "in", ["a.png", "b.png"])
    whole = (source / "b.png").read_bytes()
    (source / "b.png").write_bytes(b"")
    given = orders(source, tmp_path / "out", model)
    manifest = begin(given)
    first = new_run()
    collector = Collector(manifest, first)
    (batch,) = names_of(given, manifest.known(manifest.harvest(first)), 3, first)
    do(batch, collector, Worker(given))
    collector.close()
    assert statuses(tmp_path / "out") == {"a.png": "done", "b.png": "failed"}
    assert summary(str(tmp_path / "out")).errors[0][1] == 1
    assert names_of(given, manifest.known(manifest.harvest(new_run()))) == []

    (source / "b.png").write_bytes(whole)
    second = new_run()
    (batch,) = names_of(given, manifest.known(manifest.harvest(second), retry=True), 3, second)
    assert batch.names == ["b.png"]
    collector = Collector(manifest, second)
    do(batch, collector, Worker(given))
    collector.close()
    rows = {Path(row["source"]).name: row for row in final_rows(str(tmp_path / "out")).to_pylist()}
    assert (rows["b.png"]["status"], rows["b.png"]["attempt"]) == ("done", 2)
    assert names_of(given, manifest.known(manifest.harvest(new_run()), retry=True)) == []


def test_another_model_setting_place_or_version_is_noticed(tmp_path: Path) -> None:
    manifest = Manifest(Place(str(tmp_path / "m")))
    target = Target("/in", "/out", "one", "a" * 64, {"quality": None, "controls": {"strength": 1.0}})
    manifest.begin(target)
    manifest.begin(target)
    for other, words in (
        (
            Target("/x", "/out", "one", "a" * 64, target.settings),
            "from /in to /out, this call goes from /x to /out",
        ),
        (Target("/in", "/out", "two", "b" * 64, target.settings), "with the model one, this call has two"),
        (Target("/in", "/out", "one", "b" * 64, target.settings), "with another one (aaaaaaaaaaaa, now bbbbbbbbbbbb)"),
        (
            Target("/in", "/out", "one", "a" * 64, {"quality": 80, "controls": {"strength": 0.5}}),
            "with other settings (strength 1.0, now 0.5; quality None, now 80)",
        ),
    ):
        with pytest.raises(PlanError) as told:
            manifest.begin(other)
        assert str(told.value) == f"/out was begun {words}"
    manifest.begin(other, force=True)
    assert manifest.target() == other
    (tmp_path / "m" / "job.json").write_text(json.dumps({"version": 2, "target": {}}))
    with pytest.raises(PlanError, match="is a manifest of version 2, this lightwell writes 1"):
        manifest.begin(target, force=True)
    (tmp_path / "m" / "job.json").write_text("[]")
    with pytest.raises(PlanError, match="is damaged"):
        manifest.begin(target, force=True)


def test_two_runs_at_a_time_are_refused(tmp_path: Path) -> None:
    manifest = Manifest(Place(str(tmp_path / "m")))
    target = Target("/in", "/out", "one", "a" * 64, {})
    manifest.begin(target)
    manifest.beat("run", 5)
    with pytest.raises(PlanError, match=f"process {os.getpid()}.* is at work on /out"):
        manifest.begin(target)
    manifest.beat("run", 5, ended=True)
    manifest.begin(target)
    stale = {"run": "run", "host": "elsewhere", "process": 1, "time": time.time() - 61, "total": 5, "ended": False}
    (tmp_path / "m" / "running.json").write_text(json.dumps(stale))
    manifest.begin(target)


def test_a_torn_journal_counts_for_nothing(tmp_path: Path) -> None:
    manifest = Manifest(Place(str(tmp_path / "m")))
    manifest.begin(Target("/in", "/out", "one", "a" * 64, {}))
    whole = Journal(["a.png"], {"a.png": Tries(1)}).encode()
    (tmp_path / "m" / "open").mkdir()
    for length in range(len(whole)):
        (tmp_path / "m" / "open" / "run-000000000.json").write_bytes(whole[:length])
        assert manifest.journal("open/run-000000000.json") is None
    assert manifest.known(manifest.harvest(new_run())).tries == {}
    assert manifest.journals() == []


def test_summing_up_while_rows_move_counts_each_once(tmp_path: Path, model: str, make: Make) -> None:
    names = [f"{number}.png" for number in range(12)]
    given = orders(make(tmp_path / "in", names), tmp_path / "out", model)
    manifest = begin(given)
    run = new_run()
    todo = names_of(given, manifest.known(manifest.harvest(run)), 2, run)
    counted: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            counted.append(summary(str(tmp_path / "out")).done)

    thread = threading.Thread(target=watch)
    thread.start()
    collector, worker = Collector(manifest, run), Worker(given)
    for batch in todo:
        do(batch, collector, worker)
        collector.close()
    ended.set()
    thread.join()
    counted.append(summary(str(tmp_path / "out")).done)
    assert counted == sorted(counted)
    assert counted[-1] == 12


# ---- places and names


def test_the_listing_is_sorted_and_leaves_out_what_is_hidden_or_no_picture(tmp_path: Path, make: Make) -> None:
    make(tmp_path, ["b/10.png", "b/9.png", "z.png", ".hidden/x.png", "b/.y.png"])
    (tmp_path / "notes.txt").touch()
    assert list(pictures(Place(str(tmp_path)))) == ["z.png", "b/9.png", "b/10.png"]
    assert count(Place(str(tmp_path))) == 3


def test_a_store_is_listed_as_a_disk_is() -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in ("b/10.png", "b/9.png", "z.PNG", ".hidden/x.png", "b/.y.png", "notes.txt"):
        memory.pipe_file(f"/listed/{name}", b"x")
    source = place("memory://listed/")
    assert list(pictures(source)) == ["z.PNG", "b/9.png", "b/10.png"]
    source.write("new/a.png", b"1", replace=True)
    source.note("new/b.png", b"2")
    assert (source.read("new/a.png"), source.exists("new/b.png"), source.exists("new/c.png")) == (b"1", True, False)
    assert source.names("new") == ["a.png", "b.png"]
    assert source.names("nowhere") == []
    source.remove("new/a.png")
    source.remove("new/a.png")
    assert source.names("new") == ["b.png"]
    memory.rm("/listed", recursive=True)


def test_what_is_wrong_with_names_is_told_before_any_work(tmp_path: Path, make: Make) -> None:
    with pytest.raises(PlanError, match="holds no pictures"):
        count(Place(str(tmp_path)))
    with pytest.raises(FileError, match="there is no such folder"):
        count(Place(str(tmp_path / "nowhere")))
    make(tmp_path, ["a.jpg", "a.png"])
    assert count(Place(str(tmp_path))) == 2
    with pytest.raises(PlanError, match=r"a.jpg and a.png would both become a.jpg"):
        count(Place(str(tmp_path)), "JPEG")
    make(tmp_path / "raw", ["b.tif"])
    (tmp_path / "raw" / "b.DNG").touch()
    with pytest.raises(PlanError, match=r"raw: b.DNG and b.tif would both become b.tif"):
        count(Place(str(tmp_path / "raw")))
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/na\xefve.png")).touch()
    except OSError:
        pytest.skip("this disk takes only UTF-8")
    with pytest.raises(PlanError, match=r"the name na\\xefve.png is not UTF-8: rename it"):
        count(Place(str(tmp_path)))


@pytest.mark.parametrize(
    ("source", "dest", "words"),
    [
        ("/a/in", "/a/in", "both the source and the destination"),
        ("/a/in", "/a/in/out", "the destination /a/in/out lies inside the source"),
        ("/a/in", "file:///a/b/../in/out/", "lies inside the source"),
        ("/a/out/in", "/a/out", "the source /a/out/in lies inside the destination"),
        ("s3://b/in/", "S3://b/in/x", "lies inside the source"),
        ("/a/in", "", "name is empty"),
        ("/a/in", "s3://", "names no folder"),
    ],
)
def test_places_that_contradict_each_other(source: str, dest: str, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        refuse_nested(place(source), place(dest))


def test_places_beside_each_other_are_fine() -> None:
    refuse_nested(place("/a/in"), place("/a/in2"))
    refuse_nested(place("s3://b/in"), place("gs://b/in/out"))


def test_batches_leave_out_what_is_final() -> None:
    from lightwell.cluster.manifest import _digests

    source = Place("/in")
    names = [f"{number}.png" for number in range(10_000)]
    final = np.sort(_digests([source.of(name) for name in names[::3]]))
    todo = list(batches(source, iter(names), Known(final), "run", 16))
    assert [name for batch in todo for name in batch.names] == [name for i, name in enumerate(names) if i % 3]
    assert [batch.number for batch in todo] == list(range(len(todo)))
    assert {len(batch.names) for batch in todo[:-1]} == {16}
