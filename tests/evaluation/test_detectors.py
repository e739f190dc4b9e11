from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from shapes import save_constant

from lightwell.errors import WeightsError
from lightwell.evaluation.detectors import COCO_CLASSES, HEADS, Detector, overlaps, suppress


def save_colour_meter(path: Path, layout: str) -> Path:
    """A network in the layout of YOLOv8 whose three class scores are the means of the input's three channels."""
    shape = [1, 3, 64, 64] if layout == "NCHW" else [1, 64, 64, 3]
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 7, 1])
    box = numpy_helper.from_array(np.array([[[32], [32], [64], [64]]], np.float32), "box")
    place = numpy_helper.from_array(np.array([1, 3, 1]), "place")
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=axes, keepdims=0),
        helper.make_node("Reshape", ["means", "place"], ["scores"]),
        helper.make_node("Concat", ["box", "scores"], ["out"], axis=1),
    ]
    graph = helper.make_graph(nodes, "meter", [picture], [result], [box, place])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


BLACK = np.zeros((64, 64, 3), np.uint8)


def test_yolov4_by_hand(tmp_path):
    outputs = [np.zeros((1, 416 // s, 416 // s, 3, 7)) for s in (32, 8, 16)]
    # Zeros before the activations: the middle of the cell, the anchor's own size.
    outputs[1][0, 20, 10, 1] = [0, 0, 0, 0, 0.5, 0.8, 0]
    # sigmoid(2) = .880797, times 1.05 less .025 from the cell's corner; twice and half of the anchor 142 x 110.
    outputs[0][0, 6, 4, 0] = [2, 0, np.log(2), -np.log(2), 1, 0, 0.9]
    detector = Detector(save_constant(tmp_path / "d.onnx", [1, 416, 416, 3], outputs), "yolov4", ("a", "b"))
    found = detector(np.zeros((416, 416, 3), np.uint8))
    np.testing.assert_allclose(found.scores, [0.9, 0.4], rtol=1e-6)
    assert found.classes.tolist() == [1, 0]
    x = 32 * (4 + 1.05 * 0.8807970780 - 0.025)
    np.testing.assert_allclose(found.boxes[0], [x - 142, 208 - 27.5, x + 142, 208 + 27.5], rtol=1e-6)
    np.testing.assert_allclose(found.boxes[1], [84 - 9.5, 164 - 18, 84 + 9.5, 164 + 18], rtol=1e-6)


def test_yolox_by_hand(tmp_path):
    output = np.zeros((1, 64 + 16 + 4, 7))
    output[0, 3 * 8 + 5] = [0.5, 0.25, np.log(2), np.log(3), 0.5, 0.8, 0.1]  # stride 8, row 3, column 5
    output[0, 64 + 16 + 1] = [0, 1, 0, 0, 1, 0, 0.3]  # stride 32, row 0, column 1
    detector = Detector(save_constant(tmp_path / "d.onnx", [1, 3, 64, 64], [output]), "yolox", ("a", "b"))
    found = detector(BLACK)
    np.testing.assert_allclose(found.scores, [0.4, 0.3, 0.05], rtol=1e-6)
    assert found.classes.tolist() == [0, 1, 1]
    np.testing.assert_allclose(found.boxes[0], [44 - 8, 26 - 12, 44 + 8, 26 + 12], rtol=1e-6)
    np.testing.assert_allclose(found.boxes[1], [16, 16, 48, 48], rtol=1e-6)


@pytest.mark.parametrize("head", ["yolov5", "yolov8"])
def test_pixels_are_taken_as_they_are(tmp_path, head):
    row = np.array([20, 30, 10, 16, *((0.5,) if head == "yolov5" else ()), 0.2, 0.6])
    output = np.zeros((1, 9, len(row)))
    output[0, 4] = row
    output = output if head == "yolov5" else output.transpose(0, 2, 1)
    found = Detector(save_constant(tmp_path / "d.onnx", [1, 3, 64, 64], [output]), head, ("a", "b"))(BLACK)
    np.testing.assert_allclose(found.scores, [0.3, 0.1] if head == "yolov5" else [0.6, 0.2], rtol=1e-6)
    np.testing.assert_allclose(found.boxes, [[15, 22, 25, 38]] * 2)


def test_boxes_come_back_through_the_padding(tmp_path):
    output = np.array([[[32.0], [32.0], [16.0], [8.0], [0.9]]])
    path = save_constant(tmp_path / "d.onnx", [1, 3, 64, 64], [output])
    # 128 x 32 is halved to 64 x 16 and sits in the middle, 24 down; its own middle is 64, 16.
    found = Detector(path, "yolov8", ("a",))(np.zeros((32, 128, 3), np.uint8))
    np.testing.assert_allclose(found.boxes, [[64 - 16, 16 - 8, 64 + 16, 16 + 8]])
    # 16 x 16 is enlarged four times; what would leave the picture is cut.
    output[0, 2] = 80
    path = save_constant(tmp_path / "d.onnx", [1, 3, 64, 64], [output])
    np.testing.assert_allclose(Detector(path, "yolov8", ("a",))(BLACK[:16, :16]).boxes, [[0, 7, 16, 9]])


def test_each_family_sees_the_colours_it_was_trained_on(tmp_path):
    picture = np.full((64, 64, 3), (255, 51, 102), np.uint8)
    means = {}
    for name, head in HEADS.items():
        path = save_colour_meter(tmp_path / f"{name}.onnx", head.layout)
        detector = Detector(path, name, ("first", "second", "third"))
        tensor, _, _ = detector._fit(picture)
        means[name] = detector._session.run(None, {"images": tensor})[0][0, 4:, 0].tolist()
    for name in ("yolov4", "yolov5", "yolov8"):
        assert means[name] == pytest.approx([1, 0.2, 0.4], rel=1e-3)
    assert means["yolox"] == pytest.approx([102, 51, 255], rel=1e-3)  # blue first, not scaled


def test_what_is_no_such_detector_is_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(WeightsError, match="not an ONNX file"):
        Detector(tmp_path / "text.onnx", "yolov8")
    path = save_constant(tmp_path / "d.onnx", [1, 3, 64, 64], [np.zeros((1, 7, 5))])
    with pytest.raises(WeightsError, match="NHWC"):
        Detector(path, "yolov4")
    with pytest.raises(WeightsError, match="tells 3 classes apart, 80 names are given"):
        Detector(path, "yolov8")(BLACK)
    with pytest.raises(WeightsError, match="7 boxes are not what YOLOX gives for 64x64: 84"):
        Detector(path, "yolox", ("a",))(BLACK)


def test_the_weaker_of_two_boxes_of_a_class_goes():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 4], [50, 50, 60, 60]], float)
    scores = np.array([[0.5, 0.1], [0.9, 0.0], [0.3, 0.0], [0.2, 0.0005]])
    found = suppress(boxes, scores, 0.5)
    # The second covers 90 % of the first and beats it; the third overlaps it by 4/9; class 1 is on its own.
    assert list(zip(found.scores, found.classes, strict=True)) == [(0.9, 0), (0.3, 0), (0.2, 0), (0.1, 1)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_what_is_kept_overlaps_nothing_better_of_its_class(seed, count):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 50, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 40, (count, 2))], axis=1)
    found = suppress(boxes, rng.uniform(0, 1, (count, 2)), 0.4)
    assert (np.diff(found.scores) <= 0).all()
    same = found.classes[:, None] == found.classes[None]
    clash = (overlaps(found.boxes, found.boxes) > 0.4) & same
    assert (clash == np.eye(len(clash), dtype=bool)).all()


def test_overlap_by_hand():
    shares = overlaps(np.array([[0, 0, 2, 2], [5, 5, 5, 5.0]]), np.array([[1, 1, 3, 3], [0, 0, 2, 2], [5, 5, 5, 5.0]]))
    np.testing.assert_allclose(shares, [[1 / 7, 1, 0], [0, 0, 0]])


def test_cocos_classes():
    assert (len(COCO_CLASSES), len(set(COCO_CLASSES))) == (80, 80)
    places = {0: "person", 2: "car", 16: "dog", 56: "chair", 79: "toothbrush"}
    assert {place: COCO_CLASSES[place] for place in places} == places


def test_rtdetr_by_hand(tmp_path):
    logits = np.full((1, 3, 2), -20.0)
    logits[0, 0], logits[0, 1] = [0, np.log(4)], [np.log(9), -20]
    boxes = np.array([[[0.5, 0.5, 0.25, 0.5], [0.5, 0.5, 0.25, 0.5], [0, 0, 1, 1]]])
    for outputs in ([logits, boxes], [boxes, logits]):
        detector = Detector(save_constant(tmp_path / "d.onnx", [1, 3, 64, 64], outputs), "rtdetr", ("a", "b"))
        found = detector(np.zeros((50, 200, 3), np.uint8))  # stretched, so that shares of the input are of the picture
        np.testing.assert_allclose(found.scores, [0.9, 0.8, 0.5], rtol=1e-6)
        assert found.classes.tolist() == [0, 1, 0]  # nothing is suppressed: a box may be there twice
        np.testing.assert_allclose(found.boxes[0], [75, 12.5, 125, 37.5])
    wrong = Detector(save_constant(tmp_path / "w.onnx", [1, 3, 64, 64], [boxes]), "rtdetr", ("a", "b"))
    with pytest.raises(WeightsError, match="not RT-DETR's"):
        wrong(BLACK)
