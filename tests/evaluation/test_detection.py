from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import shapes
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lightwell.data.annotations import Coco, pictures_of, read_coco
from lightwell.data.folders import find_pictures
from lightwell.errors import DataError
from lightwell.evaluation.detection import (
    _average_precision,
    categories_of,
    detect,
    score_detections,
)
from lightwell.evaluation.detectors import Detections, Detector


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A detector trained on bright shapes, and a test set: bright, dark, and brightened by a square root."""
    folder = tmp_path_factory.mktemp("detection")
    shapes.train_detector(folder / "tiny.onnx")
    (folder / "classes.txt").write_text("\n".join(shapes.CLASSES) + "\n")
    shapes.write_coco(folder, 30, seed=5)
    rng = np.random.default_rng(1)
    for path in sorted((folder / "images").iterdir()):
        light = (np.asarray(Image.open(path)) / 255) ** 2.2
        dark = np.clip(0.06 * light + rng.normal(0, 0.002, light.shape), 0, 1) ** (1 / 2.2)
        for name, picture in (("dark", dark), ("brightened", dark**0.5)):
            (folder / name).mkdir(exist_ok=True)
            Image.fromarray((255 * picture).round().astype(np.uint8)).save(folder / name / path.name)
    return folder


def pycocotools_ap(path: Path, detections: dict[int, Detections], categories: dict[int, int]) -> tuple[float, float]:
    """AP and AP at 0.5 by the reference implementation."""
    results = [
        {
            "image_id": image_id,
            "category_id": categories[int(kind)],
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "score": score,
        }
        for image_id, found in detections.items()
        for box, score, kind in zip(found.boxes.tolist(), found.scores.tolist(), found.classes, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        evaluator = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return float(evaluator.stats[0]), float(evaluator.stats[1])


def test_map_is_that_of_pycocotools_and_light_helps(trained):
    path = trained / "annotations.json"
    coco = read_coco(path)
    detector = Detector(trained / "tiny.onnx", "yolov8", shapes.CLASSES)
    categories = categories_of(coco, shapes.CLASSES)
    reached = {}
    for name in ("images", "brightened", "dark"):
        found = detect(detector, pictures_of(coco, find_pictures(trained / name)))
        scores = score_detections(coco, found, categories, 0.25)
        assert (scores.ap, scores.ap50) == pytest.approx(pycocotools_ap(path, found, categories), abs=1e-9)
        reached[name] = scores.ap50
    assert reached["images"] > 0.9
    assert reached["images"] > reached["brightened"] > reached["dark"]


def test_intervals_hold_the_score_and_tell_light_from_dark(trained):
    coco = read_coco(trained / "annotations.json")
    detector = Detector(trained / "tiny.onnx", "yolov8", shapes.CLASSES)
    categories = categories_of(coco, shapes.CLASSES)
    bright, dark = (
        score_detections(coco, detect(detector, pictures_of(coco, find_pictures(trained / name))), categories, 0.25)
        for name in ("images", "dark")
    )
    for name in ("ap50", "ap", "precision", "recall", "mean_iou"):
        low, high = bright.interval(name)
        assert low <= getattr(bright, name) <= high
        assert bright.interval(name, bright) == (0, 0)
    low, high = bright.interval("ap50", dark)
    assert 0 < low < bright.ap50 - dark.ap50 < high
    assert abs(np.mean(dark.samples["ap"]) - dark.ap) < 0.05


def test_average_precision_by_hand():
    # Hit, miss, hit of two objects: to a recall of one half the precision is 1, beyond it 2/3.
    hit, ignored = np.array([True, False, True]), np.zeros(3, bool)
    assert _average_precision(np.ones(3), hit, ignored, 2) == pytest.approx((51 + 50 * 2 / 3) / 101)
    # The miss is of a picture that was not drawn; then it is of a crowd.
    assert _average_precision(np.array([1.0, 0, 1]), hit, ignored, 2) == pytest.approx(1)
    assert _average_precision(np.ones(3), hit, ~hit, 2) == pytest.approx(1)


def boxes(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    """Left, top, right, bottom, score, class; best first."""
    table = np.array(rows, float).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(int))


def make_coco(*objects: tuple[int, int, list[float], int]) -> Coco:
    """Image, category, box, and whether it is a crowd, on two images."""
    return {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "categories": [{"id": 3, "name": "Cat"}, {"id": 5, "name": "dog"}],
        "annotations": [
            {"id": 0, "image_id": i, "category_id": kind, "bbox": box, "iscrowd": crowd}
            for i, kind, box, crowd in objects
        ],
    }


def test_precision_recall_and_mean_iou_by_hand():
    coco = make_coco(
        (1, 3, [0, 0, 10, 10], 0),
        (1, 3, [20, 20, 10, 10], 0),
        (2, 5, [0, 0, 10, 10], 0),
        (2, 5, [40, 40, 30, 30], 1),
    )
    detections = {
        1: boxes((0, 0, 10, 9, 0.9, 1), (0, 0, 10, 8, 0.8, 1), (20, 20, 30, 30, 0.2, 1)),
        2: boxes((0, 0, 10, 6, 0.7, 0), (45, 45, 60, 60, 0.6, 0), (90, 90, 95, 95, 0.5, 0), (0, 0, 9, 9, 0.4, 2)),
    }
    categories = categories_of(coco, ("dog", " cat", "mouse"))
    assert categories == {0: 5, 1: 3}
    scores = score_detections(coco, detections, categories, 0.25)
    # Of five confident ones of known classes one lies in a crowd; two match, at 0.9 and 0.6; two are wrong.
    assert scores.precision == pytest.approx(2 / 4)
    assert scores.recall == pytest.approx(2 / 3)
    assert scores.mean_iou == pytest.approx((0.9 + 0.6) / 2)
    assert scores.hits == {1: {0}, 2: {0}}
    # Cats: hit, miss, hit. To a recall of one half the precision is 1, beyond it 2/3: 51 and 50 of 101 points.
    assert scores.by_class == pytest.approx({"Cat": (51 + 50 * 2 / 3) / 101, "dog": 1.0})
    assert scores.ap50 == pytest.approx(np.mean(list(scores.by_class.values())))


def test_nothing_found_is_no_error():
    coco = make_coco((1, 3, [0, 0, 10, 10], 0))
    scores = score_detections(coco, {1: boxes(), 2: boxes()}, {0: 3, 1: 5}, 0.25)
    assert (scores.ap50, scores.ap, scores.recall) == (0, 0, 0)
    assert np.isnan(scores.precision)
    assert np.isnan(scores.mean_iou)
    assert scores.by_class == {"Cat": 0}


def test_a_class_that_the_detector_does_not_know():
    with pytest.raises(DataError, match="no class called dog"):
        categories_of(make_coco(), ("cat",))


def test_the_command_before_and_after(trained, tmp_path, run):
    words = ["detect-eval", "--images", trained / "dark", "--annotations", trained / "annotations.json"]
    words += ["--detector", trained / "tiny.onnx", "--head", "yolov8", "--classes", trained / "classes.txt"]
    code, said = run(*words, "--pred", trained / "brightened", "-o", tmp_path / "r")
    assert code == 0
    assert "30 pictures, in percent" in said
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert report["detector"] == "tiny.onnx (yolov8)"
    assert list(report["rows"]) == ["raw", "brightened"]
    assert report["rows"]["brightened"]["mAP@50"] > report["rows"]["raw"]["mAP@50"]
    page = (tmp_path / "r" / "index.html").read_text()
    assert page.count('src="data:image/jpeg') == 8 * 2
    assert "http://" not in page
    assert "https://" not in page
    assert "| brightened |" in (tmp_path / "r" / "report.md").read_text()
    assert len((tmp_path / "r" / "scores.csv").read_text().splitlines()) == 3

    next((trained / "brightened").iterdir()).rename(tmp_path / "taken.png")
    code, said = run(*words, "--pred", trained / "brightened", "-o", tmp_path / "s")
    assert code == 1
    assert "brightened lacks 1 pictures" in said
    assert not (tmp_path / "s").exists()


def test_the_command_on_exdark(tmp_path, run):
    """Two bicycles, of which a detector that always says the same finds one at an overlap of one."""
    for name in ("1", "2"):
        for folder in ("raw", "restored"):
            path = tmp_path / folder / "Bicycle" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 64)).save(path)
    (tmp_path / "truth" / "Bicycle").mkdir(parents=True)
    for name, box in (("1", "10 20 16 8"), ("2", "40 40 16 8")):
        text = f"% bbGt version=3\nBicycle {box} 0 0 0 0 0 0 0\n"
        (tmp_path / "truth" / "Bicycle" / f"{name}.png.txt").write_text(text)
    output = np.zeros((1, 84, 1))
    output[0, [0, 1, 2, 3, 5], 0] = [18, 24, 16, 8, 0.9]  # COCO's class 1
    shapes.save_constant(tmp_path / "d.onnx", [1, 3, 64, 64], [output])
    words = ["detect-eval", "--images", tmp_path / "raw", "--annotations", tmp_path / "truth", "--head", "yolov8"]
    words += ["--detector", tmp_path / "d.onnx", "--pred", tmp_path / "restored", "-o", tmp_path / "r"]
    assert run(*words)[0] == 0
    rows = json.loads((tmp_path / "r" / "report.json").read_text())["rows"]
    assert rows["raw"] == rows["restored"]
    assert (rows["raw"]["precision"], rows["raw"]["recall"], rows["raw"]["mean IoU"]) == (0.5, 0.5, 1)
    assert list(rows["raw"]["AP@50 by class"]) == ["bicycle"]
