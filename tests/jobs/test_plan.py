from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightwell.errors import PlanError
from lightwell.jobs.events import Job
from lightwell.jobs.plan import Plan, Request, in_shard, plan


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str) -> None:
    """Files; only their names matter to a plan."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def pairs(made: Plan) -> list[tuple[str, str]]:
    jobs = list(made.jobs())
    assert len(jobs) == made.total
    assert len(list(made.done())) == made.skipped
    return [(str(job.source), str(job.output)) for job in jobs]


def failures(made: Plan) -> list[str]:
    return [f"{failed.name}: {failed.error}" for failed in made.failures]


# ---- names


def test_a_folder_is_taken_in_natural_order_and_mirrored() -> None:
    make("in/10.png", "in/9.jpg", "in/b/1.png", "in/.h/2.png", "in/b/.3.png", "in/notes.txt")
    assert pairs(plan(["in"], Request("out", recursive=True))) == [
        ("in/9.jpg", "out/9.jpg"),
        ("in/10.png", "out/10.png"),
        ("in/b/1.png", "out/b/1.png"),
    ]
    assert pairs(plan(["in"], Request(format="TIFF"))) == [
        ("in/9.jpg", "in/9_restored.tif"),
        ("in/10.png", "in/10_restored.tif"),
    ]


def test_an_output_folder_among_the_inputs_is_not_gone_into_but_one_around_them_is_no_hindrance() -> None:
    make("in/a.png", "in/out/old.png")
    assert pairs(plan(["in"], Request("in/out", recursive=True))) == [("in/a.png", "in/out/a.png")]
    make("in/sub/b.png")
    assert pairs(plan(["in/sub"], Request("in"))) == [("in/sub/b.png", "in/b.png")]


def test_names_may_come_from_an_iterator_and_each_file_counts_once() -> None:
    make("a.png", "b.png")
    Path("link.png").symlink_to("a.png")
    assert pairs(plan(iter(["a.png", "./a.png", "b.png", "link.png"]), Request("out"))) == [
        ("a.png", "out/a.png"),
        ("b.png", "out/b.png"),
    ]


def test_standard_input_and_output() -> None:
    make("a.png", "b.png", "x.png")
    assert list(plan(["-"], Request()).jobs()) == [Job(None, None)]
    assert list(plan(["a.png"], Request("-")).jobs()) == [Job(Path("a.png"), None)]
    assert list(plan(["-"], Request("y.png", compare=True)).jobs()) == [Job(None, Path("y.png"), Path("y_compare.png"))]
    assert plan(["-"], Request("x.png", skip_existing=True)).skipped == 1
    for inputs, request in (
        (["-", "a.png"], Request()),
        (["a.png", "b.png"], Request("-")),
        (["-"], Request("x.png")),
        (["-"], Request("y.png", format="JPEG")),
        (["-"], Request(compare=True)),
    ):
        with pytest.raises(PlanError):
            plan(inputs, request)


@pytest.mark.skipif(os.name == "nt", reason="no FIFO")
def test_pipes_are_inputs_and_outputs_and_devices_are_no_pictures() -> None:
    os.mkfifo("pipe")
    make("a.png", "b.png")
    assert pairs(plan(["a.png"], Request("pipe"))) == [("a.png", "pipe")]
    assert pairs(plan(["a.png"], Request("/dev/null"))) == [("a.png", "/dev/null")]
    assert pairs(plan(["pipe"], Request("c.png"))) == [("pipe", "c.png")]
    with pytest.raises(PlanError, match="several inputs need a folder"):
        plan(["a.png", "b.png"], Request("pipe"))
    assert failures(plan(["/dev/zero"], Request("c.png"))) == ["/dev/zero: is a device, not a picture"]


# ---- what is refused


@pytest.mark.parametrize("inputs", [[""], ["a.png", ""]])
def test_an_empty_name_is_refused(inputs: list[str]) -> None:
    make("a.png")
    with pytest.raises(PlanError, match="empty"):
        plan(inputs, Request())
    with pytest.raises(PlanError, match="empty"):
        plan(["a.png"], Request(""))


def test_an_output_that_is_another_input_is_refused_whatever_is_allowed() -> None:
    make("x.png", "x_restored.png", "in/y.png", "out/z.png")
    for inputs, request in (
        (["x.png", "x_restored.png"], Request(overwrite=True)),
        (["x_restored.png", "x.png"], Request(overwrite=True)),
        (["x.png", "x_restored.png"], Request()),
    ):
        with pytest.raises(PlanError, match=r"x_restored\.png is an input"):
            plan(inputs, request)
    Path("out/y.png").symlink_to("z.png")  # what would be written is its target
    with pytest.raises(PlanError, match=r"out/y\.png is an input"):
        plan(["in/y.png", "out/z.png"], Request("out", overwrite=True))
    assert pairs(plan(["x.png"], Request("x.png", overwrite=True))) == [("x.png", "x.png")]


def test_two_inputs_for_one_output_are_named() -> None:
    make("a/x.png", "a/x.webp", "b/x.png")
    with pytest.raises(PlanError, match=r"a/x\.png and b/x\.png would both become out/x\.png"):
        plan(["a/x.png", "b/x.png"], Request("out"))
    with pytest.raises(PlanError, match=r"a/x\.png and a/x\.webp would both become out/x\.jpg"):
        plan(["a"], Request("out", format="JPEG", skip_existing=True))
    with pytest.raises(PlanError, match="both become"):  # although each would be another machine's
        plan(["a"], Request("out", format="JPEG", shard=(1, 1000)))
    make("out/x.png")
    Path("out/other.png").symlink_to("x.png")
    make("b/other.png")
    with pytest.raises(PlanError, match="another input would become"):
        plan(["a/x.png", "b/other.png"], Request("out", overwrite=True))


@pytest.mark.parametrize("count", [3, 40])  # looked up one by one, and from a listing
def test_what_exists_is_refused_or_done(count: int) -> None:
    make(*(f"in/{number}.png" for number in range(count)), "out/1.png")
    Path("out/0.png").symlink_to("nowhere")
    with pytest.raises(PlanError, match=r"out/1\.png exists"):
        plan(["in"], Request("out"))
    made = plan(["in"], Request("out", skip_existing=True))
    assert [job.name for job in made.done()] == ["in/1.png"]
    assert (made.total, made.skipped) == (count - 1, 1)
    assert plan(["in"], Request("out", overwrite=True)).total == count


def test_a_missing_comparison_is_made_and_no_more() -> None:
    make("a.png", "b.png", "c.png", "d.png", "a_restored.png", "b_restored_compare.png")
    make("c_restored.png", "c_restored_compare.png")
    made = plan(["a.png", "b.png", "c.png", "d.png"], Request(compare=True, skip_existing=True))
    assert list(made.jobs()) == [
        Job(Path("a.png"), Path("a_restored.png"), Path("a_restored_compare.png"), keep=True),
        Job(Path("b.png"), Path("b_restored.png")),
        Job(Path("d.png"), Path("d_restored.png"), Path("d_restored_compare.png")),
    ]
    assert [job.name for job in made.done()] == ["c.png"]


def test_earlier_results_are_not_restored_again() -> None:
    make("a.png", "a_restored.png", "a_restored_compare.png", "b_restored.png")
    made = plan(["*.png"], Request(skip_existing=True))
    assert pairs(made) == [("b_restored.png", "b_restored_restored.png")]  # nothing says that it is one
    assert [job.name for job in made.done()] == ["a.png"]
    assert made.notes == [
        f"{name}: left out, an earlier result" for name in ("a_restored.png", "a_restored_compare.png")
    ]


def test_what_stands_for_nothing_is_told() -> None:
    make("void/notes.txt", "a.png")
    made = plan(["gone.png", "void", "*.tif", "a.png", "n" * 300 + ".png"], Request())
    assert pairs(made) == [("a.png", "a_restored.png")]
    assert failures(made)[:3] == [
        "gone.png: there is no such file; check its name",
        "void: holds no pictures",
        "*.tif: nothing matches; check the pattern",
    ]
    assert "too long" in failures(made)[3]


@pytest.fixture
def nobody(here: Path) -> Iterator[None]:
    """Someone whom rights bind, whoever runs the tests."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no rights of POSIX")
    is_root = os.geteuid() == 0
    here.chmod(0o777)
    if is_root:
        os.seteuid(65534)
    yield
    if is_root:
        os.seteuid(0)


@pytest.mark.usefixtures("nobody")
def test_a_closed_folder_is_a_failure_and_the_others_go_on() -> None:
    make("in/a.png", "in/closed/b.png", "shut/c.png")
    for folder in ("in/closed", "shut"):
        Path(folder).chmod(0)
    try:
        made = plan(["in", "shut", "shut/c.png"], Request("out", recursive=True))
    finally:
        for folder in ("in/closed", "shut"):
            Path(folder).chmod(0o755)
    assert pairs(made) == [("in/a.png", "out/a.png")]
    assert [line.split(": no permission")[0] for line in failures(made)] == ["in/closed", "shut", "shut/c.png"]


# ---- shards


@given(
    st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), unique=True),
    st.integers(1, 20),
)
def test_shards_cover_all_names_and_none_twice(names: list[str], parts: int) -> None:
    taken = [name for part in range(1, parts + 1) for name in names if in_shard(name, part, parts)]
    assert sorted(taken) == sorted(names)


def test_a_name_falls_to_the_same_shard_on_every_machine_and_by_every_way_to_it(here: Path) -> None:
    make(*(f"in/{number}/x.png" for number in range(20)))
    seen = [pairs(plan(["in"], Request("out", recursive=True, shard=(part, 3)))) for part in (1, 2, 3)]
    assert sorted(itertools.chain(*seen)) == sorted(pairs(plan(["in"], Request("out", recursive=True))))
    assert all(3 <= len(part) <= 11 for part in seen)
    again = pairs(plan([str(here / "in")], Request("out", recursive=True, shard=(2, 3))))
    assert [output for _, output in again] == [output for _, output in seen[1]]
    # printf a/1.png | b2sum -l 64: 8005f3e28d65d436, which leaves 2 of 4. With other shards a batch could not go on.
    assert [in_shard("a/1.png", part, 4) for part in (1, 2, 3, 4)] == [False, False, True, False]
    with pytest.raises(ValueError, match="a shard is one of 1"):
        Request(shard=(0, 4))
