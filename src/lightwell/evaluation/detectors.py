"""Object detectors given as ONNX files, run in onnxruntime: how each family takes a picture and says what it sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.special import expit

from lightwell.engines import cores
from lightwell.errors import WeightsError
from lightwell.metrics.levels import Array

__all__ = ["COCO_CLASSES", "HEADS", "Detections", "Detector", "Head", "overlaps", "suppress"]

Boxes = NDArray[np.float64]

# The 80 classes of COCO in the order that detectors trained on it number them.
COCO_CLASSES = tuple(files("lightwell.evaluation").joinpath("coco_classes.txt").read_text("utf-8").splitlines())

_FLOOR = 0.001  # mAP needs the whole curve, so nearly every detection is kept
_MOST_CANDIDATES = 3000
_MOST_DETECTIONS = 100  # as COCO's evaluation counts


@dataclass(frozen=True)
class Detections:
    """What was seen on one picture: ``(N, 4)`` boxes as left, top, right, bottom in pixels, scores, class numbers."""

    boxes: Boxes
    scores: NDArray[np.float64]
    classes: NDArray[np.intp]


Decode = Callable[[Sequence[NDArray[Any]], tuple[int, int]], tuple[Boxes, NDArray[np.float64]]]


@dataclass(frozen=True)
class Head:
    """How a family of detectors takes a picture, and how its outputs become boxes.

    Attributes:
        layout: of the input tensor.
        order: of its channels.
        white: the value of white in it.
        padding: the gray around a picture of another shape, of 255.
        centred: whether the picture sits in the middle of the padding or in the upper left corner.
        stretched: whether the picture fills the input, whatever its shape.
        suppressed: whether what overlaps a better one is still to be dropped.
        decode: from the outputs and the input's height and width to ``(N, 4)`` boxes as centre, width, height in
            pixels of the input, and ``(N, classes)`` scores.
    """

    layout: Literal["NCHW", "NHWC"]
    order: Literal["RGB", "BGR"]
    white: float
    padding: int
    centred: bool
    decode: Decode
    stretched: bool = False
    suppressed: bool = True


def _decode_yolov4(outputs: Sequence[NDArray[Any]], size: tuple[int, int]) -> tuple[Boxes, NDArray[np.float64]]:
    anchors = {
        8: ((12, 16), (19, 36), (40, 28)),
        16: ((36, 75), (76, 55), (72, 146)),
        32: ((142, 110), (192, 243), (459, 401)),
    }
    reach = {8: 1.2, 16: 1.1, 32: 1.05}
    boxes, scores = [], []
    for output in outputs:
        raw = output[0].astype(np.float64)
        if raw.ndim != 4 or raw.shape[2] != 3 or size[0] // raw.shape[0] not in anchors:
            raise WeightsError(
                f"an output of shape {output.shape} is none of YOLOv4's (1, rows, columns, 3, 5 + classes)"
            )
        stride = size[0] // raw.shape[0]
        cells = _cells(raw.shape[0], raw.shape[1])[:, :, None]
        centre = (expit(raw[..., :2]) * reach[stride] - (reach[stride] - 1) / 2 + cells) * stride
        extent = np.exp(raw[..., 2:4]) * np.array(anchors[stride])
        boxes.append(np.concatenate([centre, extent], axis=-1).reshape(-1, 4))
        scores.append((raw[..., 4:5] * raw[..., 5:]).reshape(-1, raw.shape[-1] - 5))
    return np.concatenate(boxes), np.concatenate(scores)


def _decode_yolox(outputs: Sequence[NDArray[Any]], size: tuple[int, int]) -> tuple[Boxes, NDArray[np.float64]]:
    raw = _single(outputs)
    grids = [(stride, _cells(size[0] // stride, size[1] // stride).reshape(-1, 2)) for stride in (8, 16, 32)]
    cells = np.concatenate([grid for _, grid in grids])
    strides = np.concatenate([np.full((len(grid), 1), float(stride)) for stride, grid in grids])
    if len(raw) != len(cells):
        raise WeightsError(f"{len(raw)} boxes are not what YOLOX gives for {size[1]}x{size[0]}: {len(cells)}")
    boxes = np.concatenate([(raw[:, :2] + cells) * strides, np.exp(raw[:, 2:4]) * strides], axis=1)
    return boxes, raw[:, 4:5] * raw[:, 5:]


def _decode_yolov5(outputs: Sequence[NDArray[Any]], _size: tuple[int, int]) -> tuple[Boxes, NDArray[np.float64]]:
    raw = _single(outputs)
    return raw[:, :4], raw[:, 4:5] * raw[:, 5:]


def _decode_yolov8(outputs: Sequence[NDArray[Any]], _size: tuple[int, int]) -> tuple[Boxes, NDArray[np.float64]]:
    raw = _single(outputs).T
    return raw[:, :4], raw[:, 4:]


def _decode_rtdetr(outputs: Sequence[NDArray[Any]], size: tuple[int, int]) -> tuple[Boxes, NDArray[np.float64]]:
    ranked = sorted((output for output in outputs if output.ndim == 3), key=lambda output: output.shape[2] != 4)
    if len(ranked) < 2 or ranked[0].shape[2] != 4 or ranked[0].shape[:2] != ranked[1].shape[:2]:
        shapes = ", ".join(str(output.shape) for output in outputs)
        raise WeightsError(f"outputs of shape {shapes} are not RT-DETR's logits (1, N, classes) and boxes (1, N, 4)")
    boxes, logits = (output[0].astype(np.float64) for output in ranked[:2])
    return boxes * np.tile(size[::-1], 2), expit(logits)


HEADS: dict[str, Head] = {
    "yolov4": Head("NHWC", "RGB", 1.0, 128, True, _decode_yolov4),
    "yolox": Head("NCHW", "BGR", 255.0, 114, False, _decode_yolox),
    "yolov5": Head("NCHW", "RGB", 1.0, 114, True, _decode_yolov5),
    "yolov8": Head("NCHW", "RGB", 1.0, 114, True, _decode_yolov8),
    "rtdetr": Head("NCHW", "RGB", 1.0, 0, False, _decode_rtdetr, stretched=True, suppressed=False),
}
"""The layouts that are known, by name. N counts all cells of all grids.

``yolov4``: of the ONNX model zoo (the detector of the DRGN paper). Three outputs ``(1, H/s, W/s, 3, 5 + classes)`` at
the strides s of 8, 16 and 32, in any order: x, y, w, h before their activations, objectness and classes after theirs.
``yolox``: as its repository exports it, without decoding and without normalising. ``(1, N, 5 + classes)`` over the
strides 8, 16 and 32: x, y in cells from the cell's corner, logarithms of w, h in cells, objectness, classes.
``yolov5``: ``(1, N, 5 + classes)``: x, y, w, h in pixels, objectness, classes. Also YOLOv7 without its suppression.
``yolov8``: ``(1, 4 + classes, N)``: x, y, w, h in pixels, classes. Also YOLO11.
``rtdetr``: RT-DETR as transformers has it, a DETR: ``(1, N, classes)`` logits and ``(1, N, 4)`` x, y, w, h as shares of
the input, which the picture fills whatever its shape. Nothing is left to suppress.
"""


class Detector:
    """A detector ready to run.

    Args:
        path: the ONNX file.
        head: one of `HEADS`.
        classes: names of its classes; those of COCO by default.
        size: height and width of its input where the file leaves them open.
        threshold: overlap above which the weaker of two boxes of one class is dropped.

    Raises:
        WeightsError: the file is missing, damaged or not such a detector.
    """

    def __init__(
        self,
        path: Path,
        head: str,
        classes: Sequence[str] = COCO_CLASSES,
        size: tuple[int, int] = (640, 640),
        threshold: float = 0.6,
    ) -> None:
        import onnxruntime

        self.classes = tuple(classes)
        self._head, self._threshold = HEADS[head], threshold
        available = onnxruntime.get_available_providers()
        wanted = [provider for provider in ("CUDAExecutionProvider", "CPUExecutionProvider") if provider in available]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # what matters comes back as an exception
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=wanted)
        except Exception as error:  # onnxruntime's own exceptions have no common base that it exports
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise WeightsError(f"{path}: not an ONNX file that onnxruntime runs ({reason})") from error
        self._input = self._session.get_inputs()[0]
        shape = self._input.shape
        sides = shape[1:3] if self._head.layout == "NHWC" else shape[2:4]
        if len(shape) != 4 or shape[3 if self._head.layout == "NHWC" else 1] not in (3, "3", None):
            raise WeightsError(f"{path}: takes {shape}, not the {self._head.layout} picture of {head}")
        height, width = (given if isinstance(given, int) else own for given, own in zip(sides, size, strict=True))
        self.size = height, width

    def __call__(self, picture: Array) -> Detections:
        """Everything seen on a picture, best first, at most 100 boxes.

        Args:
            picture: ``(H, W, 3)`` uint8 RGB.

        Raises:
            WeightsError: the outputs are not those of the head, or of another number of classes.
        """
        tensor, scale, corner = self._fit(picture)
        outputs = self._session.run(None, {self._input.name: tensor})
        boxes, scores = self._head.decode(outputs, self.size)
        if scores.shape[1] != len(self.classes):
            raise WeightsError(
                f"the detector tells {scores.shape[1]} classes apart, {len(self.classes)} names are given: "
                "give a file with one name a line (--classes), or another --head"
            )
        centre, half = (boxes[:, :2] - corner) / scale, boxes[:, 2:] / (2 * scale)
        bounds = np.tile([picture.shape[1], picture.shape[0]], 2)
        edges = np.clip(np.concatenate([centre - half, centre + half], axis=1), 0, bounds)
        return suppress(edges, scores, self._threshold if self._head.suppressed else 1.0)

    def _fit(self, picture: Array) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
        """The picture as the detector takes it, by what its sides were scaled (x, y), and where its corner lies."""
        (height, width), head = self.size, self._head
        scale = np.array([width / picture.shape[1], height / picture.shape[0]])
        if not head.stretched:
            scale[:] = scale.min()
        inner = max(round(picture.shape[1] * scale[0]), 1), max(round(picture.shape[0] * scale[1]), 1)
        corner = ((width - inner[0]) // 2, (height - inner[1]) // 2) if head.centred else (0, 0)
        canvas = Image.new("RGB", (width, height), (head.padding,) * 3)
        canvas.paste(Image.fromarray(picture).resize(inner, Image.Resampling.BILINEAR), corner)
        values = np.asarray(canvas, np.float32) * np.float32(head.white / 255)
        if head.order == "BGR":
            values = values[:, :, ::-1]
        if head.layout == "NCHW":
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values[None]), scale, np.array(corner, np.float64)


def suppress(boxes: Boxes, scores: NDArray[np.float64], threshold: float) -> Detections:
    """Non-maximum suppression, class by class: of boxes that overlap by more than a threshold the best stays.

    Args:
        boxes: ``(N, 4)`` as left, top, right, bottom.
        scores: ``(N, classes)``; a box may stand for several classes.
        threshold: of intersection over union.
    """
    places, kinds = np.nonzero(scores > _FLOOR)
    values = scores[places, kinds]
    order = np.argsort(-values, kind="stable")[:_MOST_CANDIDATES]
    places, kinds, values = places[order], kinds[order], values[order]
    candidates = boxes[places]
    left = np.arange(len(values))
    kept: list[int] = []
    while left.size and len(kept) < _MOST_DETECTIONS:
        best, left = int(left[0]), left[1:]
        kept.append(best)
        rival = (kinds[left] == kinds[best]) & (overlaps(candidates[best : best + 1], candidates[left])[0] > threshold)
        left = left[~rival]
    return Detections(candidates[kept], values[kept], kinds[kept])


def overlaps(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Intersection over union, ``(N, M)``, of ``(N, 4)`` and ``(M, 4)`` boxes as left, top, right, bottom."""
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    inner = np.prod(np.maximum(np.minimum(first[:, None, 2:], second[None, :, 2:]) - corner, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - inner
    shares: NDArray[np.float64] = np.divide(inner, union, out=np.zeros_like(inner), where=union > 0)
    return shares


def _single(outputs: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    if len(outputs) < 1 or outputs[0].ndim != 3 or outputs[0].shape[0] != 1:
        shapes = ", ".join(str(output.shape) for output in outputs)
        raise WeightsError(f"outputs of shape {shapes} are not those of the head given: choose another --head")
    raw: NDArray[np.float64] = outputs[0][0].astype(np.float64)
    return raw


def _cells(rows: int, columns: int) -> NDArray[np.float64]:
    """``(rows, columns, 2)``: x and y of each cell."""
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).astype(np.float64)
