from __future__ import annotations

import csv
import json
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import graphs
from lightwell.errors import DataError, PictureError
from lightwell.evaluation.evaluate import Method, baselines, check, evaluate, load
from lightwell.evaluation.figures import differing_crop
from lightwell.evaluation.measures import by_name, by_protocol


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def flat(level: int, height: int = 24, width: int = 32) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Six dark pictures with their truth, and two methods: ``near`` is 5 levels off, ``far`` 10 to 35."""
    rng = np.random.default_rng(1)
    for number in range(6):
        truth = rng.integers(90, 200, (24, 32, 3)).astype(np.uint8)
        save(tmp_path / "high" / f"{number}.png", truth)
        save(tmp_path / "low" / f"{number}.png", truth // 8)
        save(tmp_path / "near" / f"{number}.png", truth + np.uint8(5))
        save(tmp_path / "far" / f"{number}.png", truth + np.uint8(10 + 5 * number))
    return tmp_path


def pictures(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.iterdir())}


def test_scores_of_known_errors(tmp_path):
    save(tmp_path / "high" / "a.png", flat(100))
    save(tmp_path / "pred" / "a.png", flat(110))
    save(tmp_path / "low" / "a.png", flat(16))
    methods = [*baselines(pictures(tmp_path / "low")), Method("pred", pictures(tmp_path / "pred"))]
    result = evaluate("flat", methods, pictures(tmp_path / "high"), [by_protocol("strict"), by_protocol("gtmean-gray")])

    def decibels(error: float) -> float:
        return 20 * np.log10(255 / error)

    strict, gtmean = result.scores[0, :, 0], result.scores[0, :, 2]
    gamma = round(255 * (16 / 255) ** 0.45)
    np.testing.assert_allclose(strict, [decibels(84), decibels(abs(gamma - 100)), decibels(10)])
    assert np.isinf(gtmean).all()  # one gain mends a flat error
    assert [column.key for column in result.columns][:2] == ["psnr/strict", "ssim/strict"]
    # BT.601 luma of gray 110 is 16 + 219 * 110 / 255 = 110.5, rounded up.
    assert result.lumas[0, 2, 110:112].tolist() in ([0, 1], [1, 0])
    assert result.lumas[0].sum(axis=1).tolist() == [1, 1, 1]


def test_threads_do_not_change_a_score(pairs):
    methods = [Method(name, pictures(pairs / name)) for name in ("near", "far")]
    measures = [by_protocol("strict"), by_protocol("y")]
    alone, together = (evaluate("d", methods, pictures(pairs / "high"), measures, jobs=jobs) for jobs in (1, 3))
    np.testing.assert_array_equal(alone.scores, together.scores)
    assert alone.names == together.names == tuple("012345")


def test_gray_and_16_bits_are_compared_with_colour(tmp_path):
    save(tmp_path / "high" / "a.png", flat(100))
    save(tmp_path / "gray" / "a.png", flat(100)[..., 0])
    save(tmp_path / "deep" / "a.png", flat(100)[..., 0].astype(np.uint16) * 257)
    methods = [Method(name, pictures(tmp_path / name)) for name in ("gray", "deep")]
    result = evaluate("d", methods, pictures(tmp_path / "high"), [by_protocol("strict")])
    assert np.isinf(result.scores[0, :, 0]).all()


def test_a_turned_photograph_has_the_size_it_is_seen_with(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "high" / "a.jpg", flat(100, 24, 32), exif=exif)
    save(tmp_path / "pred" / "a.png", flat(100, 32, 24))
    methods = [Method("pred", pictures(tmp_path / "pred"))]
    assert check(methods, pictures(tmp_path / "high")) == {"a": (24, 32)}
    assert evaluate("d", methods, pictures(tmp_path / "high"), [by_protocol("strict")]).scores.shape == (1, 1, 2)


def test_what_does_not_fit_is_listed_before_any_work(pairs):
    (pairs / "near" / "2.png").unlink()
    (pairs / "near" / "4.png").unlink()
    save(pairs / "near" / "extra.png", flat(3))
    with pytest.raises(DataError, match=r"truth lacks extra; near lacks 2, 4"):
        check([Method("near", pictures(pairs / "near"))], pictures(pairs / "high"))
    save(pairs / "far" / "1.png", flat(3, 10, 12))
    save(pairs / "far" / "5.png", flat(3, 10, 13))
    with pytest.raises(DataError, match=r"2 pictures of unequal size: 1 \(truth 32x24, far 12x10\), 5 \(.*13x10\)"):
        check([Method("far", pictures(pairs / "far"))], pictures(pairs / "high"))
    with pytest.raises(DataError, match="several methods are called near"):
        check([Method("near", {}), Method("near", {})], None)


def test_a_damaged_picture_is_named(pairs):
    whole = (pairs / "near" / "3.png").read_bytes()
    (pairs / "near" / "3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match=r"3\.png"):
        evaluate("d", [Method("near", pictures(pairs / "near"))], pictures(pairs / "high"), [by_protocol("strict")])


def test_a_metric_that_does_not_take_a_picture_names_it(pairs):
    with pytest.raises(DataError, match=r"0\.png: NIQE needs"):
        evaluate("d", [Method("near", pictures(pairs / "near"))], None, [by_name("niqe=lightwell-bsds300")], jobs=1)


def test_the_gamma_row_is_the_input_to_the_power(tmp_path):
    path = save(tmp_path / "a.png", np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    np.testing.assert_allclose(load(path, 0.45), (np.arange(192).reshape(8, 8, 3) / 255) ** 0.45)


def test_the_report_of_two_methods(pairs, tmp_path, run):
    (pairs / "near").rename(pairs / "<i>near")
    out = tmp_path / "report"
    folders = ("--low", pairs / "low", "--high", pairs / "high", "--data", "six & noise")
    words = ("evaluate", "--pred", pairs / "<i>near", "--pred", pairs / "far", *folders, "--metric", "fsim", "-o", out)
    code, said = run(*words)
    assert code == 0
    assert "six & noise: mean over 6 pictures" in said

    with (out / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * 4
    near = [row for row in rows if row["method"] == "<i>near"]
    expected = 20 * np.log10(255 / 5)
    assert [float(row["psnr/strict"]) for row in near] == pytest.approx([expected] * 6)

    report = json.loads((out / "report.json").read_text())
    assert (report["data"], report["pictures"]) == ("six & noise", 6)
    assert list(report["methods"]) == ["input", "gamma 0.45", "<i>near", "far"]
    assert report["methods"]["<i>near"]["means"]["psnr/strict"]["mean"] == pytest.approx(expected)
    first = report["comparisons"][0]
    assert (first["first"], first["second"]) == ("<i>near", "far")
    difference = first["differences"]["psnr/strict"]
    assert difference["wins"] == 6
    # The exact test of six wins gives 2 / 64; five comparisons are corrected by Holm.
    assert 2 / 64 <= difference["p_wilcoxon_holm"] <= 5 * 2 / 64

    page = (out / "index.html").read_text()
    assert "six &amp; noise" in page
    assert "<i>near" not in page
    assert "&lt;i&gt;near" in page
    sources = re.findall(r'(?:src|href|action|data)="([^"]*)"', page)
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert "http://" not in page
    assert "https://" not in page
    # Best three and worst three of each method: input, output, truth, error; and the error's scale above each group.
    # And all six scenes side by side, input, gamma, both methods and truth, each whole and in part.
    assert len(sources) == 2 * (6 * 4 + 2) + 6 * 5 * 2
    # A histogram for each method and each of those strips, and a plot of differences for each column.
    assert page.count('<svg class="luma"') == 4 + 2 * 6
    assert page.count('<svg class="paired"') == 5
    assert "Only 6 pictures say this" in page
    for suffix in ("strict", "gtmean-gray"):
        assert suffix in page
        assert suffix in (out / "report.md").read_text()


def test_a_report_is_not_replaced_unless_told(pairs, tmp_path, run):
    words = ("evaluate", "--pred", pairs / "near", "--high", pairs / "high", "-o", tmp_path / "r", "--quiet")
    assert run(*words)[0] == 0
    before = (tmp_path / "r" / "index.html").read_bytes()
    code, said = run(*words)
    assert code == 2
    assert "--overwrite" in said
    assert (tmp_path / "r" / "index.html").read_bytes() == before
    assert run(*words, "--overwrite")[0] == 0


def test_faults_of_the_data_and_of_the_call(pairs, tmp_path, run):
    out = tmp_path / "r"
    assert run("evaluate", "--high", pairs / "high", "-o", out)[0] == 2
    assert run("evaluate", "--model", "darkir-s", "--high", pairs / "high", "-o", out)[0] == 2
    assert run("evaluate", "--pred", pairs / "near", "--protocol", "y", "-o", out)[0] == 2
    assert run("evaluate", "--pred", pairs / "near", "--metric", "fsim", "-o", out)[0] == 2
    assert run("evaluate", "--pred", pairs / "near", "--metric", "beauty", "-o", out)[0] == 2
    (pairs / "near" / "0.png").unlink()
    code, said = run("evaluate", "--pred", pairs / "near", "--high", pairs / "high", "-o", out)
    assert code == 1
    assert "near lacks 0" in said
    for name in ("1.jpg", "2.jpg"):
        save(pairs / "far" / name, flat(3))
    code, said = run("evaluate", "--pred", pairs / "far", "--high", pairs / "high", "-o", out)
    assert code == 1
    assert "1.png" in said
    assert "2.png" in said
    assert not out.exists()


def test_a_folder_without_truth(tmp_path, run):
    rng = np.random.default_rng(2)
    for name in "ab":
        texture = rng.integers(0, 255, (26, 26, 3)).astype(np.uint8)
        picture = Image.fromarray(texture).resize((200, 200), Image.Resampling.BICUBIC)
        save(tmp_path / "pred" / f"{name}.png", np.asarray(picture))
    assert run("evaluate", "--pred", tmp_path / "pred", "-o", tmp_path / "r", "--quiet")[0] == 0
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert list(report["methods"]["pred"]["means"]) == ["niqe/lightwell-bsds300"]
    assert report["comparisons"] == []
    page = (tmp_path / "r" / "index.html").read_text()
    assert page.count('alt="output of') == 2
    assert 'alt="truth of' not in page


def test_a_model_that_does_nothing_scores_as_the_input(pairs, tmp_path, run):
    graphs.save(tmp_path / "nothing.onnx", "identity")
    folders = ("--low", pairs / "low", "--high", pairs / "high")
    words = ("evaluate", "-m", tmp_path / "nothing.onnx", *folders, "-o", tmp_path / "r", "--quiet")
    assert run(*words)[0] == 0
    methods = json.loads((tmp_path / "r" / "report.json").read_text())["methods"]
    for name, scores in methods["input"]["scores"].items():
        restored = methods["nothing"]["scores"][name]
        assert restored["psnr/strict"] == scores["psnr/strict"]
        assert restored["seconds"] > 0
        assert np.array_equal(
            load(tmp_path / "r" / "restored" / "nothing" / f"{name}.png"), load(pairs / "low" / f"{name}.png")
        )


def test_one_picture_is_enough(tmp_path, run):
    for name, level in (("low", 10), ("high", 100), ("pred", 90)):
        save(tmp_path / name / "a.png", flat(level)[..., 0])
    folders = ("--pred", tmp_path / "pred", "--low", tmp_path / "low", "--high", tmp_path / "high")
    code, said = run("evaluate", *folders, "-o", tmp_path / "r")
    assert code == 0
    assert "28.13" in said
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    means = report["methods"]["pred"]["means"]
    assert means["psnr/strict"] == {"mean": pytest.approx(28.1308), "pictures": 1, "interval_95": None}
    assert means["psnr/gtmean-gray"]["mean"] == "inf"


def test_folders_get_names_and_a_table_for_latex(pairs, tmp_path, run):
    out = tmp_path / "r"
    words = ("evaluate", "--pred", f"IAT_2={pairs / 'near'}", "--pred", pairs / "far", "--high", pairs / "high")
    code, said = run(*words, "--latex", "-o", out)
    assert code == 0
    assert "no --low" in said
    assert "Only 6 pictures" in said
    report = json.loads((out / "report.json").read_text())
    assert list(report["methods"]) == ["IAT_2", "far"]
    table = (out / "table.tex").read_text().splitlines()
    best = next(line for line in table if line.startswith("IAT\\_2 & "))
    assert best.startswith(f"IAT\\_2 & \\textbf{{{20 * np.log10(255 / 5):.2f}}}")
    assert table[-2:] == ["\\bottomrule", "\\end{tabular}"]
    assert run(*words, "--latex", "-o", out)[0] == 2
    code, said = run(*words, "--pred", f"far={pairs / 'near'}", "-o", tmp_path / "other")
    assert code == 2
    assert "several are called far" in said
    assert run("evaluate", "--pred", f"x={pairs / 'gone'}", "--high", pairs / "high", "-o", tmp_path / "other")[0] == 2


def test_a_rotated_tiff_has_the_size_it_is_seen_with(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "high" / "a.tif", flat(100, 24, 32), exif=exif)
    save(tmp_path / "pred" / "a.png", flat(100, 32, 24))
    methods = [Method("pred", pictures(tmp_path / "pred"))]
    assert check(methods, pictures(tmp_path / "high")) == {"a": (24, 32)}
    assert evaluate("d", methods, pictures(tmp_path / "high"), [by_protocol("strict")]).scores.shape == (1, 1, 2)


def test_restored_pictures_are_not_written_over(pairs, tmp_path, run):
    graphs.save(tmp_path / "nothing.onnx", "identity")
    inside = tmp_path / "r" / "restored" / "nothing"
    inside.mkdir(parents=True)
    for path in (pairs / "low").iterdir():
        (inside / path.name).write_bytes(path.read_bytes())
    before = (inside / "0.png").read_bytes()
    words = ("evaluate", "-m", tmp_path / "nothing.onnx", "--high", pairs / "high", "-o", tmp_path / "r", "--quiet")
    code, said = run(*words, "--low", inside, "--overwrite")
    assert code == 2
    assert "where restored pictures go" in said
    code, said = run(*words, "--low", pairs / "low")
    assert code == 2
    assert "0.png exists; choose --overwrite or another -o" in said
    assert (inside / "0.png").read_bytes() == before
    (tmp_path / "b").mkdir()
    graphs.save(tmp_path / "b" / "nothing.onnx", "identity")
    code, said = run(*words, "-m", tmp_path / "b" / "nothing.onnx", "--low", pairs / "low", "--overwrite")
    assert code == 2
    assert "two models are called nothing" in said


def test_pictures_that_fail_are_all_named_and_there_is_no_report(pairs, tmp_path, run):
    graphs.save(tmp_path / "nothing.onnx", "identity")
    out = tmp_path / "r"
    words = ("evaluate", "-m", tmp_path / "nothing.onnx", "--low", pairs / "low", "--high", pairs / "high", "-o", out)
    for folder in ("low", "near"):
        for name in ("1.png", "4.png"):
            whole = (pairs / folder / name).read_bytes()
            (pairs / folder / name).write_bytes(whole[: len(whole) // 2])
    code, said = run(*words)
    assert code == 1
    assert [line.partition(": ")[0] for line in said.splitlines()[:2]] == [
        str(pairs / "low" / name) for name in ("1.png", "4.png")
    ]
    assert "2 of 6 pictures failed" in said
    assert not (out / "index.html").exists()
    code, said = run("evaluate", "--pred", pairs / "near", "--high", pairs / "high", "-o", out)
    assert code == 1
    assert said.count("near/1.png") == said.count("near/4.png") == 1
    assert not (out / "index.html").exists()


def test_a_picture_beyond_the_bound_is_refused_with_an_option_that_there_is(pairs, tmp_path, run):
    graphs.save(tmp_path / "nothing.onnx", "identity")
    words = ("evaluate", "-m", tmp_path / "nothing.onnx", "--low", pairs / "low", "-o", tmp_path / "r", "--max-memory")
    code, said = run(*words, "100M")
    assert code == 1
    assert "more than the bound of 100 MB; raise --max-memory" in said
    code, said = run(*words, "plenty")
    assert code == 2
    assert "2G or 800M" in said


def test_a_network_that_does_not_fit_is_told_once(pairs, tmp_path, run):
    graphs.save(tmp_path / "half.onnx", "smaller")
    for number in range(6, 90):  # more than a run holds of events that nobody takes
        for folder in ("low", "high"):
            save(pairs / folder / f"{number}.png", flat(number))
    words = ("evaluate", "-m", tmp_path / "half.onnx", "--low", pairs / "low", "--high", pairs / "high")
    code, said = run(*words, "-o", tmp_path / "r")
    assert code == 1
    assert said.count("not a restoring model") == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lightwell-")]


def test_names_that_are_no_text_or_look_like_something_else(pairs, tmp_path, run):
    for folder in ("near", "high"):
        (pairs / folder / "0.png").rename(pairs / folder / os.fsdecode(b"\xff.png"))
        (pairs / folder / "1.png").rename(pairs / folder / "=1+1.png")
    (pairs / "near").rename(pairs / "a|b*c*")
    words = ("evaluate", "--pred", pairs / "a|b*c*", "--high", pairs / "high", "-o", tmp_path / "r")
    assert run(*words)[0] == 0
    assert "| a\\|b\\*c\\* |" in (tmp_path / "r" / "report.md").read_text()
    with (tmp_path / "r" / "scores.csv").open() as file:
        names = [row["picture"] for row in csv.DictReader(file)]
    assert "'=1+1" in names
    assert "\\udcff" in names


def test_a_runs_weights_are_evaluated(pairs, tmp_path, run):
    torch = pytest.importorskip("torch")
    from lightwell.models import save_weights
    from lightwell.models.darkir import DarkIR, DarkIRConfig

    torch.manual_seed(0)
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    net = DarkIR(DarkIRConfig(width=4, enc_blk_nums=(1,), dec_blk_nums=(1,))).eval()
    save_weights(net, folder / "best.safetensors")
    words = ("evaluate", "-m", folder, "--low", pairs / "low", "--high", pairs / "high", "-o", tmp_path / "r")
    assert run(*words)[0] == 0
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert list(report["methods"]) == ["input", "gamma 0.45", "mine"]
    low = load(pairs / "low" / "0.png")
    with torch.inference_mode():
        restored = net(torch.tensor(low).permute(2, 0, 1)[None] / 255)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    expected = np.rint(restored * 255)
    assert np.abs(load(tmp_path / "r" / "restored" / "mine" / "0.png") - expected).max() <= 1


def test_the_crop_is_where_pictures_differ():
    first = np.full((300, 400, 3), 50, np.uint8)
    second = first.copy()
    second[120:140, 310:330] = 200
    rows, columns = differing_crop([first, second], 100)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (100, 100)
    assert rows.start <= 120 < 140 <= rows.stop
    assert columns.start <= 310 < 330 <= columns.stop
    assert differing_crop([first[:50], second[:50]], 100)[0] == slice(0, 50)
