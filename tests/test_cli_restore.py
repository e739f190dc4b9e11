from __future__ import annotations

import io
import json
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import lightwell
from graphs import save
from lightwell import Restorer, zoo
from lightwell.cli.app import app
from lightwell.errors import WeightsError
from lightwell.pictures import Picture

PIXELS = np.random.default_rng(0).integers(0, 200, (12, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save(tmp_path_factory.mktemp("graphs") / "gamma.onnx", "gamma"))


@pytest.fixture(autouse=True)
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one dark picture, which is also the current one."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PIXELS).save(tmp_path / "night.png")
    return tmp_path / "night.png"


def run(*words: str | Path, input: bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), input=input, env={"COLUMNS": "200", "TERM": "dumb"})


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def is_restored(path: Path) -> bool:
    """Whether a file holds the test picture as the test model restores it."""
    expected = np.round(255 * np.sqrt(PIXELS / 255))
    return bool(np.abs(lightwell.read(path).pixels - expected).max() <= 1)


# ---- names


def test_without_an_output_the_result_lies_beside_the_input(night: Path, model: str) -> None:
    before = night.read_bytes()
    result = run("restore", night, "-m", model)
    assert result.exit_code == 0
    assert night.read_bytes() == before
    assert files(night.parent) == ["night.png", "night_restored.png"]
    assert is_restored(night.parent / "night_restored.png")
    assert "night_restored.png" in result.stdout


def test_output_file_folder_and_format(model: str) -> None:
    for words, expected in [
        (("-o", "a.png"), "a.png"),
        (("-o", "new/deep/b.webp"), "new/deep/b.webp"),
        (("-o", "folder"), "folder/night.png"),
        (("-o", "folder2/"), "folder2/night.png"),
        (("-o", "folder", "--format", "tiff"), "folder/night.tif"),
        (("--format", "jpeg"), "night_restored.jpg"),
        (("-o", "c.jpeg", "--format", "JPEG"), "c.jpeg"),
    ]:
        result = run("restore", "night.png", "-m", model, *words)
        assert result.exit_code == 0, result.output
        assert Path(expected).is_file()
        assert lightwell.read(expected).format in ("PNG", "WEBP", "TIFF", "JPEG")
    assert lightwell.read("new/deep/b.webp").format == "WEBP"
    assert lightwell.read("folder/night.tif").format == "TIFF"


def test_folders_globs_and_the_tree_below(model: str) -> None:
    for name in ("photos/a.png", "photos/b.PNG", "photos/deep/c.png", "photos/.hidden.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS).save(name)
    Path("photos/notes.txt").write_text("no picture")

    assert run("restore", "photos", "-o", "flat", "-m", model).exit_code == 0
    assert files(Path("flat")) == ["a.png", "b.PNG"]
    assert run("restore", "photos", "-o", "tree", "--recursive", "-m", model).exit_code == 0
    assert files(Path("tree")) == ["a.png", "b.PNG", "deep/c.png"]
    assert run("restore", "photos/*.png", "photos/d*/*.png", "-o", "matched", "-m", model).exit_code == 0
    assert files(Path("matched")) == ["a.png", "c.png"]
    assert is_restored(Path("tree/deep/c.png"))


def test_a_folder_can_be_restored_again_without_restoring_the_results(night: Path, model: str) -> None:
    assert run("restore", ".", "-m", model).exit_code == 0
    assert run("restore", ".", "-m", model, "--overwrite").exit_code == 0
    assert files(night.parent) == ["night.png", "night_restored.png"]
    inside = night.parent / "out"
    assert run("restore", ".", "--recursive", "-o", inside, "-m", model).exit_code == 0
    assert run("restore", ".", "--recursive", "-o", inside, "-m", model, "--overwrite").exit_code == 0
    assert files(inside) == ["night.png", "night_restored.png"]


def test_standard_input_to_standard_output(night: Path, model: str) -> None:
    result = run("restore", "-", "-m", model, input=night.read_bytes())
    assert result.exit_code == 0
    Path("piped.png").write_bytes(result.stdout_bytes)
    assert is_restored(Path("piped.png"))
    result = run("restore", "-", "-o", "b.webp", "-m", model, input=night.read_bytes())
    assert result.exit_code == 0
    assert lightwell.read("b.webp").format == "WEBP"
    assert run("restore", "-", "night.png", "-m", model, input=b"").exit_code == 2
    assert run("restore", "-", "--compare", "-m", model, input=b"").exit_code == 2


# ---- nothing is lost


def refused(*words: str | Path) -> str:
    before = files(Path.cwd())
    result = run("restore", *words)
    assert result.exit_code == 2, result.output
    assert files(Path.cwd()) == before
    return " ".join(result.stderr.replace("│", " ").split())


def test_outputs_that_exist_or_are_inputs_are_refused_before_any_work(model: str) -> None:
    Image.fromarray(PIXELS).save("other.png")
    Path("other_restored.png").write_bytes(b"precious")
    assert "exists" in refused("night.png", "other.png", "-m", model)
    assert "is an input" in refused("night.png", "-o", "night.png", "-m", model)
    assert "is an input" in refused("night.png", "other.png", "-o", ".", "-m", model)
    Path("link.png").symlink_to("night.png")
    assert "input" in refused("night.png", "-o", "link.png", "-m", model)
    assert Path("other_restored.png").read_bytes() == b"precious"

    assert run("restore", "other.png", "--overwrite", "-m", model).exit_code == 0
    assert is_restored(Path("other_restored.png"))


def test_two_inputs_for_one_output_are_named(model: str) -> None:
    Path("more").mkdir()
    Image.fromarray(PIXELS).save("more/night.png")
    message = refused("night.png", "more/night.png", "-o", "out", "-m", model)
    assert "night.png and more/night.png would both become out/night.png" in message
    Image.fromarray(PIXELS).save("night.webp")
    assert "both become" in refused("night.png", "night.webp", "--format", "jpeg", "-m", model)
    assert run("restore", "night.png", "./night.png", "-m", model).exit_code == 0  # one file named twice


def test_skip_existing_resumes(model: str) -> None:
    Image.fromarray(PIXELS).save("other.png")
    Path("night_restored.png").write_bytes(b"kept")
    result = run("restore", "night.png", "other.png", "--skip-existing", "-m", model)
    assert result.exit_code == 0
    assert Path("night_restored.png").read_bytes() == b"kept"
    assert is_restored(Path("other_restored.png"))
    assert "1 restored, 1 skipped" in result.stderr


def test_a_dry_run_writes_nothing_and_names_all(night: Path, model: str) -> None:
    result = run("restore", "night.png", "-o", "out", "--dry-run", "-m", model)
    assert result.exit_code == 0
    assert result.stdout.strip() == f"night.png -> {Path('out/night.png')}"
    assert files(night.parent) == ["night.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--strength", "1.5"], "strength"),
        (["--tile", "big"], "auto, off or a number"),
        (["--tile", "5"], "at least 128"),
        (["--max-memory", "plenty"], "2G or 800M"),
        (["--quality", "0"], "quality"),
        (["--overwrite", "--skip-existing"], "exclude"),
        (["-o", "a.png", "--format", "jpeg"], "says jpeg"),
        (["-o", "a.xyz"], "--format"),
        (["-m", "no-such-model"], "no-such-model"),
        (["-m", "none.onnx"], "no model file"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_wrong_calls(model: str, words: list[str], message: str) -> None:
    assert message in refused("night.png", *([] if "-m" in words else ["-m", model]), *words)


def test_several_inputs_need_a_folder(model: str) -> None:
    Image.fromarray(PIXELS).save("other.png")
    assert "folder" in refused("night.png", "other.png", "-o", "a.png", "-m", model)


# ---- one bad file does not stop the others


def test_bad_files_get_one_line_each_and_the_others_go_on(night: Path, model: str) -> None:
    whole = night.read_bytes()
    Path("empty.png").touch()
    Path("cut.png").write_bytes(whole[: len(whole) // 2])
    Path("text.png").write_text("Dear diary")
    Image.fromarray(PIXELS[:1, :1]).save("single.png")
    names = ["empty.png", "cut.png", "text.png", "gone.png", "single.png", "night.png"]

    result = run("restore", *names, "-m", model, "--jobs", "3")

    assert result.exit_code == 1
    lines = result.stderr.strip().splitlines()
    for name in names[:4]:
        assert sum(line.startswith(f"{name}: ") for line in lines) == 1
    assert lines[-1] == "2 restored, 4 failed"
    assert len(lines) == 5
    assert is_restored(Path("night_restored.png"))
    assert lightwell.read("single_restored.png").size == (1, 1)
    assert not Path("cut_restored.png").exists()
    assert not [name for name in files(night.parent) if name.endswith(".part")]


def test_a_bound_on_pixels_can_be_set(model: str) -> None:
    result = run("restore", "night.png", "-m", model, "--max-pixels", "100")
    assert result.exit_code == 1
    assert "--max-pixels" in result.stderr
    assert run("restore", "night.png", "-m", model, "--max-pixels", "192").exit_code == 0


@pytest.mark.parametrize("kind", ["png", "heic"])
def test_what_the_bound_on_memory_does_not_hold_is_refused_before_it_is_decoded(model: str, kind: str) -> None:
    """Files of few pixels whose heads say that they hold 200 million."""
    if kind == "heic":
        pytest.importorskip("pillow_heif")
    Picture(np.zeros((64, 64, 3), np.uint8)).write(Path(f"large.{kind}"))
    whole = Path(f"large.{kind}").read_bytes()
    if kind == "png":
        head = b"IHDR" + struct.pack(">II", 16384, 12208) + whole[24:29]
        whole = whole[:12] + head + struct.pack(">I", zlib.crc32(head)) + whole[33:]
    else:
        whole = whole.replace(b"ispe" + struct.pack(">III", 0, 64, 64), b"ispe" + struct.pack(">III", 0, 16384, 12208))
    Path(f"large.{kind}").write_bytes(whole)
    result = run("restore", f"large.{kind}", "-m", model, "-o", "new.png")
    assert result.exit_code == 1
    assert "16384x12208 pixels may take 2." in result.stderr
    assert "raise --max-memory" in result.stderr
    result = run("restore", f"large.{kind}", "-m", model, "-o", "new.png", "--max-memory", "8G")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "copy it again" in result.stderr
    assert not Path("new.png").exists()


def test_an_empty_folder_and_a_pattern_without_a_match_are_told(model: str) -> None:
    Path("void").mkdir()
    result = run("restore", "void", "*.tif", "night.png", "-m", model)
    assert result.exit_code == 1
    assert "void: holds no pictures; --recursive looks below it" in result.stderr
    assert "*.tif: nothing matches" in result.stderr
    assert Path("night_restored.png").is_file()


def test_an_output_folder_that_cannot_be_made(model: str) -> None:
    Path("file").write_text("in the way")
    result = run("restore", "night.png", "-o", "file/out", "-m", model)
    assert result.exit_code == 1
    assert "night.png: cannot make the folder file/out" in result.stderr


# ---- what comes out


def test_strength_zero_gives_the_input(model: str) -> None:
    assert run("restore", "night.png", "--strength", "0", "-m", model).exit_code == 0
    np.testing.assert_array_equal(lightwell.read("night_restored.png").pixels, PIXELS)


def test_compare_shows_before_and_after(night: Path, model: str) -> None:
    assert run("restore", "night.png", "--compare", "-m", model).exit_code == 0
    both = lightwell.read("night_restored_compare.png").pixels
    np.testing.assert_array_equal(both[:, :16], PIXELS)
    np.testing.assert_array_equal(both[:, -16:], lightwell.read("night_restored.png").pixels)
    assert "exists" in refused("night.png", "--compare", "-m", model)
    assert run("restore", ".", "-m", model, "--overwrite").exit_code == 0
    assert len(files(night.parent)) == 3


def test_json_is_one_line_per_picture(model: str) -> None:
    Path("empty.png").touch()
    result = run("restore", "night.png", "empty.png", "gone.png", "--json", "-m", model)
    assert result.exit_code == 1
    lines = {line["input"]: line for line in map(json.loads, result.stdout.splitlines())}
    assert lines["night.png"]["output"] == "night_restored.png"
    assert lines["night.png"]["size"] == [16, 12]
    assert lines["night.png"]["seconds"] >= 0
    assert lines["night.png"]["error"] is None
    assert "empty" in lines["empty.png"]["error"]
    assert "no such file" in lines["gone.png"]["error"]


def test_quiet_says_nothing_and_verbose_tells_device_tiles_and_memory(model: str) -> None:
    result = run("restore", "night.png", "-q", "-m", model)
    assert result.output == ""
    result = run("restore", "night.png", "-v", "--overwrite", "--device", "cpu", "-m", model)
    assert "model gamma on cpu" in result.stderr
    assert "night.png: 16x12, whole, about" in result.stderr
    assert "GB" in result.stderr
    Path("empty.png").touch()
    assert "Traceback" in run("restore", "empty.png", "-v", "-m", model).stderr
    assert "Traceback" not in run("restore", "empty.png", "-m", model).stderr


def test_a_picture_that_does_not_fit_the_bound_is_refused_and_the_others_go_on(night: Path, model: str) -> None:
    Image.new("L", (9000, 9000)).save("big.png")
    restorer = Restorer(model)
    bound = restorer.memory_for(12, 16) + (100 << 20)
    assert restorer.memory_for(9000, 9000) > 4 * bound
    result = run("restore", "big.png", "night.png", "-o", "out", "-m", model, "--max-memory", str(bound))
    assert result.exit_code == 1
    assert "big.png: 9000x9000 pixels may take" in result.stderr
    assert "raise --max-memory" in result.stderr
    assert is_restored(night.parent / "out" / "night.png")
    assert not Path("out/big.png").exists()


def test_more_jobs_do_not_refuse_an_ordinary_photograph(model: str) -> None:
    whole = Path("night.png").read_bytes()
    head = b"IHDR" + struct.pack(">II", 6000, 4000) + whole[24:29]  # 24 megapixels, with next to none of its data
    Path("many").mkdir()
    for number in range(8):
        name = Path(f"many/{number}.png")
        name.write_bytes(whole[:12] + head + struct.pack(">I", zlib.crc32(head)) + whole[33:])
    result = run("restore", "many", "-o", "out", "-m", model, "--jobs", "8", "--threads", "1")
    assert result.stderr.count("copy it again") == 8
    result = run("restore", "many", "-o", "out", "-m", model, "--jobs", "8", "--threads", "1", "--max-memory", "2G")
    assert result.stderr.count("6000x4000 pixels may take") == 8


def test_losses_are_told(model: str) -> None:
    Image.fromarray(np.dstack([PIXELS, PIXELS[..., 0]])).save("clear.png")
    result = run("restore", "clear.png", "--format", "jpeg", "-m", model)
    assert result.exit_code == 0
    assert "clear.png: JPEG holds no transparency" in result.stderr


def test_tiles_threads_and_jobs_give_the_same_pictures(model: str) -> None:
    big = np.kron(PIXELS, np.ones((20, 20, 1), np.uint8))
    for name in "abc":
        Image.fromarray(big).save(f"{name}.png")
    for folder, words in (("one", []), ("two", ["--jobs", "3", "--threads", "1"]), ("tiles", ["--tile", "160"])):
        assert run("restore", "a.png", "b.png", "c.png", "-o", folder, "-m", model, *words).exit_code == 0
    for name in "abc":
        np.testing.assert_array_equal(
            lightwell.read(f"one/{name}.png").pixels, lightwell.read(f"two/{name}.png").pixels
        )
        difference = lightwell.read(f"one/{name}.png").pixels - lightwell.read(f"tiles/{name}.png").pixels.astype(int)
        assert np.abs(difference).mean() < 4


# ---- the process


def lightwell_process(*words: str | Path, **options: object) -> subprocess.Popen[bytes]:
    # Whoever runs the tests in the background may have had SIGINT ignored, which a child inherits.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from lightwell.cli.app import main; main()"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload]


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send")
@pytest.mark.parametrize(("jobs", "number"), [("1", signal.SIGINT), ("2", signal.SIGINT), ("2", signal.SIGTERM)])
def test_a_stopped_batch_leaves_no_half_written_file(tmp_path: Path, model: str, jobs: str, number: int) -> None:
    for name in "ab":
        Image.new("RGB", (3000, 2500), (9, 8, 7)).save(tmp_path / f"{name}.png")
    words = ["restore", "a.png", "b.png", "-o", "out", "-m", model, "--tile", "128", "--jobs", jobs, "-v"]
    with lightwell_process(*words, cwd=tmp_path) as process:
        assert process.stderr is not None
        while b"in tiles of 128" not in (line := process.stderr.readline()):
            assert line, "ended before it was stopped"
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == 128 + number, errors.decode()
    assert b"Traceback" not in errors
    assert files(tmp_path) == ["a.png", "b.png", "night.png"]


def test_a_terminal_gets_a_bar_and_a_pipe_gets_lines(night: Path, model: str) -> None:
    result = run("restore", "night.png", "-m", model)
    assert "%" not in result.output
    assert "━" not in result.output
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"}
    with lightwell_process(
        "restore", "night.png", "--overwrite", "-m", model, cwd=night.parent, env=environment
    ) as process:
        _, errors = process.communicate()
    assert process.returncode == 0
    assert "━" in errors.decode()
    assert "1/1" in errors.decode()


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices of POSIX")
def test_pipes_are_read_and_written(night: Path, model: str) -> None:
    os.mkfifo("in.png")
    os.mkfifo("out.png")
    with (
        lightwell_process("restore", "in.png", "-o", "out.png", "-m", model) as process,
        subprocess.Popen(["cat", "out.png"], stdout=subprocess.PIPE) as reader,
    ):
        Path("in.png").write_bytes(night.read_bytes())
        restored, _ = reader.communicate()
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    Path("got.png").write_bytes(restored)
    assert is_restored(Path("got.png"))
    assert stat.S_ISFIFO(Path("out.png").stat().st_mode)
    assert run("restore", "night.png", "-o", "/dev/null", "-m", model).exit_code == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    result = run("restore", "/dev/zero", "-o", "zero.png", "-m", model)
    assert result.exit_code == 1
    assert "/dev/zero: is a device, not a picture" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_or_closed_standard_output_is_one_line(night: Path, model: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    code = "from lightwell.cli.app import main; main()"
    for output, word, reason in (
        (writer, "-", "what read it has closed it"),
        (full, "-", "No space left on device"),
        (full, "night.png", "No space left on device"),
    ):
        command = [sys.executable, "-c", code, "restore", word, "-m", model]
        result = subprocess.run(command, input=night.read_bytes(), stdout=output, stderr=subprocess.PIPE, check=False)
        assert result.returncode == 1
        assert reason in result.stderr.decode()
        assert result.stderr.count(b"\n") == 1
    os.close(writer)
    os.close(full)


def test_a_file_made_meanwhile_stays(night: Path, model: str) -> None:
    with lightwell_process("restore", "-", "-o", "out.png", "-v", "-m", model, stdin=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"model gamma" in process.stderr.readline()  # the plan is made
        Path("out.png").write_bytes(b"precious")
        _, errors = process.communicate(night.read_bytes())
    assert process.returncode == 1
    assert b"out.png exists since a moment ago and was left as it is; choose --overwrite" in errors
    assert Path("out.png").read_bytes() == b"precious"
    assert files(night.parent) == ["night.png", "out.png"]


# ---- odd names and rights


def test_an_empty_name_is_refused(model: str) -> None:
    assert "name is empty" in refused("", "-m", model)
    assert "name is empty" in refused("night.png", "-o", "", "-m", model)


def test_an_input_is_never_an_output_of_another(model: str) -> None:
    Image.fromarray(PIXELS).save("night_restored.png")
    before = Path("night_restored.png").read_bytes()
    message = refused("night.png", "night_restored.png", "--overwrite", "-m", model)
    assert "night_restored.png is an input, and night.png would become it" in message
    assert Path("night_restored.png").read_bytes() == before


def test_a_batch_of_a_pattern_can_be_gone_on_with(night: Path, model: str) -> None:
    assert run("restore", "night.png", "-m", model).exit_code == 0
    result = run("restore", "night.png", "night_restored.png", "--skip-existing", "-m", model)
    assert result.exit_code == 0
    assert "1 skipped" in result.stderr
    assert files(night.parent) == ["night.png", "night_restored.png"]


def test_a_comparison_that_is_missing_is_made(model: str) -> None:
    Path("night_restored.png").write_bytes(b"kept")
    assert run("restore", "night.png", "--compare", "--skip-existing", "-m", model).exit_code == 0
    assert Path("night_restored.png").read_bytes() == b"kept"
    assert lightwell.read("night_restored_compare.png").size == (12, 34)


def test_a_comparison_that_its_format_cannot_hold_does_not_hide_the_picture(model: str) -> None:
    Image.new("RGB", (9000, 8)).save("wide.webp", lossless=True)
    result = run("restore", "wide.webp", "--compare", "-m", model)
    assert result.exit_code == 0
    assert Path("wide_restored.webp").is_file()
    assert "wide.webp: the picture is written, its comparison is not" in result.stderr


def test_names_cannot_forge_lines_or_move_the_cursor(model: str) -> None:
    name = "a\nb.png -> c.png\x1b[2J\u202e.png"
    Image.fromarray(PIXELS).save(name)
    Path("bad\r\x9b.png").touch()
    result = run("restore", name, "bad\r\x9b.png", "-m", model)
    assert result.exit_code == 1
    assert "a\\nb.png -> c.png\\x1b[2J\\u202e.png -> " in result.stdout
    assert "bad\\r\\x9b.png: is empty" in result.stderr
    assert not {"\x1b", "\r", "\x9b", "\u202e"} & set(result.output)
    assert len(result.stdout.splitlines()) == 1
    message = refused(name, "-m", model)
    assert "\x1b" not in message
    row = run("restore", name, "--overwrite", "--json", "-m", model).stdout
    assert json.loads(row)["input"] == name


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are Unicode")
def test_a_name_that_is_not_utf_8_is_restored(night: Path, model: str) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    night.rename(name)
    with lightwell_process("restore", name, "-m", model, cwd=night.parent) as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert b"caf\\udce9.png -> caf\\udce9_restored.png" in output


def test_long_names_in_long_letters(model: str) -> None:
    name = "夜" * 78
    Image.fromarray(PIXELS).save(f"{name}.png")
    assert run("restore", f"{name}.png", "-m", model).exit_code == 0
    assert is_restored(Path(f"{name}_restored.png"))
    Image.fromarray(PIXELS).save("n" * 250 + ".png")
    result = run("restore", "n" * 250 + ".png", "-m", model)
    assert result.exit_code == 1
    assert "the name is too long; choose a shorter one with -o" in result.stderr


def test_a_minus_is_standard_output(night: Path, model: str) -> None:
    result = run("restore", "night.png", "-o", "-", "-m", model)
    assert result.exit_code == 0
    Path("piped.png").write_bytes(result.stdout_bytes)
    assert is_restored(Path("piped.png"))
    assert files(night.parent) == ["night.png", "piped.png"]
    assert "says jpeg" in refused("-", "-o", "x.png", "--format", "jpeg", "-m", model)
    assert "--json needs -o FILE" in refused("night.png", "-o", "-", "--json", "-m", model)


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_a_private_picture_stays_private(night: Path, model: str) -> None:
    night.chmod(0o600)
    assert run("restore", "night.png", "--compare", "-m", model).exit_code == 0
    for name in ("night_restored.png", "night_restored_compare.png"):
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600


def test_every_format_that_is_written_can_be_asked_for(model: str) -> None:
    from lightwell.pictures import FORMATS, WRITTEN

    names = "|".join(format.lower() for format in WRITTEN)
    assert names in run("restore", "--help").stdout
    for format in WRITTEN:
        assert run("restore", "night.png", "-o", "all/", "--format", format.lower(), "-m", model).exit_code == 0
        assert lightwell.read(f"all/night{FORMATS[format][0]}").format == format
    assert "--format is one of jpeg, png" in refused("night.png", "--format", "gif", "-m", model)


# ---- the other commands


def test_models_lists_what_ships_with_protocol_beside_each_number() -> None:
    cards = zoo.cards()
    result = run("models")
    assert result.exit_code == 0
    for card in cards:
        assert card.name in result.stdout
        shown = run("models", card.name)
        assert shown.exit_code == 0
        for number in card.content["numbers"]:
            line = (
                f"{number['data']} ({number['pictures']} pictures, {number['protocol']}): PSNR {number['psnr']:.2f} dB"
            )
            assert line in shown.stdout
            assert (line in result.stdout) == (number["protocol"] == "strict")
        assert str(card.content["license"]) in shown.stdout
        assert json.loads(run("models", card.name, "--json").stdout) == card.content


def test_doctor_compares_the_devices(model: str) -> None:
    result = run("doctor", "-m", model)
    assert result.exit_code == 0, result.output
    assert lightwell.__version__ in result.stdout
    assert "cpu: ok, differs from the CPU by at most 0.0e+00" in result.stdout
    broken = run("doctor", "-m", "none.onnx")
    assert broken.exit_code == 1
    assert "no model file" in broken.stdout


def test_files_of_models_are_what_was_shipped(tmp_path: Path) -> None:
    for card in zoo.cards():
        assert card.damaged() == []
    for path in zoo.default().files:
        shutil.copy(path, tmp_path)
    name = zoo.default().name
    (tmp_path / f"{name}.json").write_text(json.dumps(dict(zoo.default().content)))
    copy = zoo.read_card(tmp_path / f"{name}.json")
    assert copy.damaged() == []
    weights = next(iter(copy.weights.values()))
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    assert copy.damaged() == [weights.name]
    with pytest.raises(WeightsError, match=f"damaged.*{weights.name}"):
        Restorer(tmp_path / f"{name}.json")
    weights.unlink()
    assert copy.damaged() == [weights.name]


def test_doctor_points_out_two_onnxruntimes(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = tmp_path / "onnxruntime_gpu-9.9.dist-info"
    second.mkdir()
    (second / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    result = run("doctor", "-m", model)
    assert result.exit_code == 1
    assert "Two onnxruntime packages" in result.stdout
    assert "pip uninstall onnxruntime onnxruntime-gpu" in result.stdout


def test_help_starts_with_an_example() -> None:
    for words, example in ((["restore"], "lightwell restore night.jpg"), (["doctor"], "lightwell doctor")):
        text = run(*words, "--help").stdout
        assert text.index(example) < text.index("Options")


def test_version() -> None:
    version = f"lightwell {lightwell.__version__}"
    assert run("--version").stdout.strip() == version
    words = [sys.executable, "-m", "lightwell", "--version"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() == version


def test_an_error_outside_a_command_is_one_line() -> None:
    with lightwell_process("models", "no-such-model") as process:
        _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.decode().startswith("lightwell: no model 'no-such-model' ships")
    assert errors.count(b"\n") == 1


def test_bytes_and_streams_restore_too(night: Path, model: str) -> None:
    for source in (night.read_bytes(), io.BytesIO(night.read_bytes())):
        lightwell.restore(source, "stream.png", model=model, overwrite=True)
        assert is_restored(Path("stream.png"))
