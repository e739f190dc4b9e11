from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import lightwell
from graphs import save
from lightwell import zoo
from lightwell.cli.app import app

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
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_with_130_and_without_a_half_written_file(tmp_path: Path, model: str, jobs: str) -> None:
    for name in "ab":
        Image.new("RGB", (3000, 2500), (9, 8, 7)).save(tmp_path / f"{name}.png")
    words = ["restore", "a.png", "b.png", "-o", "out", "-m", model, "--tile", "128", "--jobs", jobs, "-v"]
    with lightwell_process(*words, cwd=tmp_path) as process:
        assert process.stderr is not None
        while b"in tiles of 128" not in (line := process.stderr.readline()):
            assert line, "ended before it was stopped"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
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


def test_files_of_models_are_what_was_shipped() -> None:
    for card in zoo.cards():
        assert card.damaged() == []
        changed = dict.fromkeys((card.graphs["restore"].name, "gone.onnx"), "0" * 64)
        assert zoo.Card(card.name, "", {"sha256": changed}).damaged() == list(changed)


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
    assert run("--version").stdout.strip() == f"lightwell {lightwell.__version__}"


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
