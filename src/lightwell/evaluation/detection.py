"""How well a detector sees on dark pictures, and how much better after they were restored."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from lightwell.data.annotations import Coco
from lightwell.errors import DataError
from lightwell.evaluation.detectors import Detections, Detector
from lightwell.evaluation.evaluate import pixels_of
from lightwell.jobs.events import Event, Job
from lightwell.jobs.run import Tell, finish, run
from lightwell.metrics.levels import levels, round_half_up
from lightwell.pictures import read

__all__ = ["RESAMPLES", "Detecting", "DetectionScores", "categories_of", "detect", "score_detections"]

RESAMPLES = 200
_FEWEST = 3
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class DetectionScores:
    """What a detector reached on one set of pictures, all from 0 to 1.

    The DRGN paper (Jiang et al., AAAI 2022, table 4) gives "Pre.", "IoU" and "mAP" without defining them. Read here:
    precision of the detections that reach a confidence, matched at an overlap of one half; the mean overlap of those
    that match; and COCO's AP at an overlap of one half. (Darknet's average overlap, where a false detection counts as
    zero, is not meant: it cannot exceed the precision, and in the paper it does.)

    Attributes:
        ap50: mean over classes of the average precision at an overlap of 0.5.
        ap: the same, mean over overlaps from 0.5 to 0.95: COCO's main number.
        precision: matched detections over all detections that reach the confidence; NaN without any.
        recall: matched detections over all annotated objects.
        mean_iou: mean overlap of the matched detections; NaN without any.
        by_class: ap50 of each class that occurs.
        hits: the matched detections by image id, as places in its `Detections`.
        samples: the first five on `RESAMPLES` sets of pictures, drawn from the set with replacement: the same draws for
            the same images, so that two scores may be compared draw by draw. Empty where there are under three.
    """

    ap50: float
    ap: float
    precision: float
    recall: float
    mean_iou: float
    by_class: Mapping[str, float]
    hits: Mapping[int, frozenset[int]]
    samples: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def interval(self, name: str, other: DetectionScores | None = None) -> tuple[float, float] | None:
        """The 95 % bootstrap interval over pictures of one of the first five, or of its difference from another's."""
        if not self.samples:
            return None
        values = self.samples[name] - (other.samples[name] if other is not None else 0)
        known = values[np.isfinite(values)]
        if len(known) < RESAMPLES // 2:
            return None
        low, high = np.percentile(known, (2.5, 97.5))
        return float(low), float(high)


class Detecting:
    """Pictures through a detector, one at a time with all cores.

    Args:
        detector: the detector.
        pictures: by image id.
    """

    def __init__(self, detector: Detector, pictures: Mapping[int, Path]) -> None:
        self._detector, self._pictures = detector, pictures
        self._found: dict[Path, Detections] = {}

    def events(self) -> Generator[Event, None, None]:
        """Runs the detector."""
        return run((Job(path, None) for path in dict.fromkeys(self._pictures.values())), self._detect)

    def _detect(self, job: Job, _: Tell) -> tuple[int, int]:
        assert job.source is not None
        pixels = pixels_of(read(job.source))
        if pixels.dtype != np.uint8:
            pixels = round_half_up(levels(pixels)).astype(np.uint8)
        self._found[job.source] = self._detector(pixels)
        return pixels.shape[1], pixels.shape[0]

    def result(self) -> dict[int, Detections]:
        """What was found, by image id, once all pictures were looked at."""
        return {image_id: self._found[path] for image_id, path in self._pictures.items()}


def detect(detector: Detector, pictures: Mapping[int, Path]) -> dict[int, Detections]:
    """Runs a detector as `Detecting` does, over all or none.

    Raises:
        PictureError: a picture cannot be read.
        WeightsError: the detector's outputs are not those of its head.
    """
    detecting = Detecting(detector, pictures)
    finish(detecting.events())
    return detecting.result()


def categories_of(coco: Coco, classes: Sequence[str]) -> dict[int, int]:
    """The annotations' category id of each of a detector's classes that occurs there, matched by name.

    Raises:
        DataError: a category that the detector does not know.
    """
    numbers = {name.strip().lower(): number for number, name in enumerate(classes)}
    unknown = [c["name"] for c in coco["categories"] if c["name"].strip().lower() not in numbers]
    if unknown:
        raise DataError(
            f"the detector knows no class called {', '.join(unknown[:10])}: name its classes with --classes"
        )
    return {numbers[c["name"].strip().lower()]: c["id"] for c in coco["categories"]}


def score_detections(
    coco: Coco, detections: Mapping[int, Detections], categories: Mapping[int, int], confidence: float
) -> DetectionScores:
    """Compares detections with annotations, by COCO's rules (crowds are neither found nor missed).

    Args:
        coco: the annotations.
        detections: by image id.
        categories: as `categories_of`; detections of other classes do not count.
        confidence: the score from which a detection counts for precision, recall and the mean overlap.
    """
    everything = _results(detections, categories, 0)
    evaluator = _evaluate(coco, everything)
    precision = evaluator.eval["precision"][:, :, :, 0, -1]  # overlaps, recalls, classes; all sizes, all detections
    names = {category["id"]: category["name"] for category in coco["categories"]}
    by_class = {
        names[category]: float(curve.mean())
        for category, curve in zip(evaluator.params.catIds, precision[0].T, strict=True)
        if (curve > -1).all()  # COCO marks a class that does not occur with -1
    }

    confident = _results(detections, categories, confidence)
    matched = _evaluate(coco, confident, overlap=0.5).eval["matched"]
    crowds = {number for number, a in enumerate(coco["annotations"], 1) if a.get("iscrowd")}
    hits: dict[int, set[int]] = {image_id: set() for image_id in detections}
    ious, ignored = [], 0
    for pair, iou in matched.items():
        place, truth = (int(number) for number in pair.split("_"))
        if truth in crowds:
            ignored += 1
        else:
            result = confident[place - 1]
            hits[result["image_id"]].add(result["place"])
            ious.append(iou)
    counted, objects = len(confident) - ignored, len(coco["annotations"]) - len(crowds)
    samples = _resampled(coco, everything, categories, confidence) if len(coco["images"]) >= _FEWEST else {}
    return DetectionScores(
        ap50=float(np.mean(list(by_class.values()))) if by_class else float("nan"),
        ap=float(precision[precision > -1].mean()) if by_class else float("nan"),
        precision=len(ious) / counted if counted else float("nan"),
        recall=len(ious) / objects if objects else float("nan"),
        mean_iou=float(np.mean(ious)) if ious else float("nan"),
        by_class=by_class,
        hits={image_id: frozenset(places) for image_id, places in hits.items()},
        samples=samples,
    )


def _resampled(
    coco: Coco, results: Sequence[dict[str, Any]], categories: Mapping[int, int], confidence: float
) -> dict[str, NDArray[np.float64]]:
    """The scores on sets of pictures drawn with replacement.

    Pictures are matched once; a picture that is drawn twice counts twice.
    """
    images = {image["id"]: place for place, image in enumerate(coco["images"])}
    truths = [a for a in coco["annotations"] if not a.get("iscrowd")]
    crowds = {number for number, a in enumerate(coco["annotations"], 1) if a.get("iscrowd")}
    overlap_of = np.linspace(0.5, 0.95, 10)
    hit, ignored = (np.zeros((len(overlap_of), len(results)), bool) for _ in range(2))
    iou = np.zeros(len(results))
    for level, overlap in enumerate(overlap_of):
        for pair, value in (_evaluate(coco, results, overlap).eval["matched"] if results else {}).items():
            place, truth = (int(number) for number in pair.split("_"))
            (ignored if truth in crowds else hit)[level, place - 1] = True
            if level == 0:
                iou[place - 1] = value
    image = np.array([images[result["image_id"]] for result in results], np.intp)
    kind = np.array([result["category_id"] for result in results])
    score = np.array([result["score"] for result in results])
    sure = score >= confidence
    order = np.argsort(-score, kind="stable")
    kinds = sorted(set(categories.values()))
    objects = np.zeros((len(images), len(kinds)))
    for a in truths:
        if a["category_id"] in kinds:
            objects[images[a["image_id"]], kinds.index(a["category_id"])] += 1
    mine = [order[kind[order] == each] for each in kinds]

    rng = np.random.default_rng(0)
    values: dict[str, list[float]] = {name: [] for name in ("ap50", "ap", "precision", "recall", "mean_iou")}
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(RESAMPLES):
            times = np.bincount(rng.integers(len(images), size=len(images)), minlength=len(images)).astype(float)
            present = times @ objects
            curves = [
                [_average_precision(times[image[places]], hit[level, places], ignored[level, places], count)
                 for level in range(len(overlap_of))]
                for places, count in zip(mine, present, strict=True)
                if count
            ]  # fmt: skip
            values["ap50"].append(float(np.mean([curve[0] for curve in curves])) if curves else float("nan"))
            values["ap"].append(float(np.mean(curves)) if curves else float("nan"))
            weight = times[image] * sure if len(results) else np.zeros(0)
            found = float(weight @ hit[0])
            values["precision"].append(float(np.divide(found, weight @ ~ignored[0])))
            values["recall"].append(float(np.divide(found, present.sum())))
            values["mean_iou"].append(float(np.divide(weight @ (iou * hit[0]), found)))
    return {name: np.array(each) for name, each in values.items()}


def _average_precision(
    times: NDArray[np.float64], hit: NDArray[np.bool_], ignored: NDArray[np.bool_], objects: float
) -> float:
    """COCO's average precision over 101 recalls of one class, its detections best first, each counted so many times."""
    found = np.cumsum(times * hit)
    made = np.cumsum(times * ~ignored)
    if not len(found):
        return 0.0
    precision = np.divide(found, made, out=np.zeros_like(found), where=made > 0)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(found / objects, _RECALLS, side="left")
    return float(np.append(precision, 0.0)[places].mean())


def _results(
    detections: Mapping[int, Detections], categories: Mapping[int, int], confidence: float
) -> list[dict[str, Any]]:
    """Detections in COCO's form, with their place in `Detections`."""
    return [
        {
            "image_id": image_id,
            "category_id": categories[int(kind)],
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "score": float(score),
            "place": place,
        }
        for image_id, found in detections.items()
        for place, (box, score, kind) in enumerate(zip(found.boxes.tolist(), found.scores, found.classes, strict=True))
        if score >= confidence and int(kind) in categories
    ]


def _evaluate(coco: Coco, results: Sequence[dict[str, Any]], overlap: float | None = None) -> COCOeval_faster:
    """COCO's evaluation; at one overlap also the matches, as ``detection_annotation`` numbered from 1."""
    annotations = [
        {"area": a["bbox"][2] * a["bbox"][3], "iscrowd": 0, **a, "id": number}
        for number, a in enumerate(coco["annotations"], 1)
    ]
    truth = COCO({"images": coco["images"], "categories": coco["categories"], "annotations": annotations})
    found = truth.loadRes([dict(result) for result in results])
    evaluator = COCOeval_faster(truth, found, "bbox", extra_calc=overlap is not None, print_function=lambda *_: None)
    if overlap is not None:
        evaluator.params.iouThrs = [overlap]
        evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator
