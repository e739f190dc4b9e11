from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lightwell.errors import PictureError
from lightwell.jobs.events import Done, Failed, Job, Note, Progress, Skipped, Started
from lightwell.jobs.manifest import planned_row, row_of
from lightwell.jobs.run import Tell, run


def job(name: str) -> Job:
    return Job(Path(name), Path(f"out/{name}"))


def test_events_come_in_the_order_in_which_things_happen() -> None:
    def work(_: Job, tell: Tell) -> tuple[int, int]:
        tell.progress(0.5)
        tell.note("odd")
        return 4, 3

    one = job("a.png")
    *before, done = run([one], work)
    assert before == [Started(one), Progress(one, 0.5), Note(one, "odd")]
    assert isinstance(done, Done)
    assert (done.job, done.size) == (one, (4, 3))


def test_a_failure_is_an_event_and_the_others_go_on() -> None:
    def work(job: Job, _: Tell) -> tuple[int, int]:
        match job.name:
            case "bad.png":
                raise PictureError("is damaged", remedy="copy")
            case "huge.png":
                raise MemoryError
            case "odd.png":
                raise ZeroDivisionError("by zero")
        return 1, 1

    events = list(run(map(job, ("bad.png", "huge.png", "odd.png", "good.png")), work, 2))
    failed = {event.name: event.error for event in events if isinstance(event, Failed)}
    assert {name: str(error) for name, error in failed.items()} == {
        "bad.png": "is damaged",
        "huge.png": "does not fit in memory",
        "odd.png": "by zero",
    }
    assert failed["bad.png"].remedy == "copy"  # type: ignore[attr-defined]
    assert [event.job.name for event in events if isinstance(event, Done)] == ["good.png"]


def test_jobs_without_end_are_taken_as_they_are_done_and_closing_stops() -> None:
    made = itertools.count()

    def endless() -> Iterator[Job]:
        for number in made:
            yield job(f"{number}.png")

    def work(_: Job, tell: Tell) -> tuple[int, int]:
        tell.progress(0.5)
        return 1, 1

    with closing(run(endless(), work, 3)) as events:
        done = [event for event in itertools.islice(events, 3000) if isinstance(event, Done)]
    assert len(done) > 900
    assert next(made) < 1200
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lightwell-")]


def test_stopping_ends_the_work_at_its_next_word() -> None:
    reached, ended = threading.Event(), []

    def work(_: Job, tell: Tell) -> tuple[int, int]:
        try:
            reached.set()
            while True:
                tell.progress(0.1)
                time.sleep(0.001)
        finally:
            ended.append(True)

    with closing(run([job("a.png"), job("b.png")], work, 2)) as events:
        next(events)
        reached.wait()
    assert ended
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lightwell-")]


def test_jobs_are_done_at_a_time() -> None:
    together = threading.Barrier(3, timeout=20)

    def work(_: Job, __: Tell) -> tuple[int, int]:
        together.wait()
        return 1, 1

    events = list(run(map(job, "abc"), work, 3))
    assert sum(isinstance(event, Done) for event in events) == 3


def test_what_goes_wrong_with_the_jobs_themselves_is_raised() -> None:
    def broken() -> Iterator[Job]:
        yield job("a.png")
        raise RuntimeError("the list is torn")

    with pytest.raises(RuntimeError, match="torn"):
        list(run(broken(), lambda *_: (1, 1)))


def test_the_manifest_has_a_row_for_each_input() -> None:
    one = job("夜\n.png")
    rows = [
        row_of(Done(one, 1.23456, (4, 3)), "gamma", {"strength": 0.5}),
        row_of(Failed("x.png", PictureError("is damaged"), job("x.png"), 0.5)),
        row_of(Failed("gone.png", ZeroDivisionError("by zero"))),
        row_of(Skipped(one)),
        planned_row(Job(None, None)),
    ]
    assert row_of(Progress(one, 0.5)) is None
    lines = [json.loads(row.line()) for row in rows if row]
    assert lines[0] == {
        "input": "夜\n.png",
        "output": str(Path("out/夜\n.png")),
        "status": "done",
        "error": None,
        "seconds": 1.235,
        "size": [4, 3],
        "model": "gamma",
        "settings": {"strength": 0.5},
    }
    assert [line["status"] for line in lines] == ["done", "failed", "failed", "skipped", "planned"]
    assert [line["error"] for line in lines[1:3]] == ["is damaged", "ZeroDivisionError: by zero"]
    assert lines[2]["output"] is None
    assert lines[4]["input"] == "standard input"
    assert all("\n" not in row.line() and row.line().isascii() for row in rows if row)
