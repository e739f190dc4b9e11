"""The report of a detection: how many objects are found on the raw and on the restored pictures, and which."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lightwell.data.annotations import Coco
from lightwell.evaluation.detection import DetectionScores
from lightwell.evaluation.detectors import Boxes, Detections
from lightwell.evaluation.evaluate import load
from lightwell.evaluation.figures import embed
from lightwell.evaluation.report.page import DASH, best, csv_cell, finite, number, render, signed, write_text
from lightwell.metrics.levels import levels, round_half_up

__all__ = ["COLUMNS", "DetectionReport", "Row", "cells", "write_detection_report"]

COLUMNS = (
    ("mAP@50", "ap50", "mean over the classes of COCO's average precision at an overlap of 0.5"),
    ("mAP@50:95", "ap", "the same, mean over overlaps from 0.5 to 0.95: COCO's main number"),
    ("precision", "precision", "share of the detections at the confidence or above that match an object"),
    ("recall", "recall", "share of the objects that such a detection matches"),
    ("mean IoU", "mean_iou", "mean overlap (intersection over union) of those matches"),
)
_SHOWN = 8
_HIT, _FALSE, _MISSED = (64, 196, 140), (255, 138, 46), (255, 255, 255)


@dataclass(frozen=True)
class Row:
    """The detections on one set of pictures: the raw ones or those of a method."""

    name: str
    pictures: Mapping[int, Path]
    detections: Mapping[int, Detections]
    scores: DetectionScores


@dataclass(frozen=True)
class DetectionReport:
    """Everything a report tells.

    Attributes:
        data: the name of the data.
        detector: its file's name and head.
        coco: the annotations.
        classes: names of the detector's classes.
        confidence: from which a detection counts for precision, recall and mean IoU.
        rows: the raw pictures first.
        made: when, how and with what the report was made, by label.
    """

    data: str
    detector: str
    coco: Coco
    classes: Sequence[str]
    confidence: float
    rows: Sequence[Row]
    made: Mapping[str, str]


def cells(row: Row) -> list[str]:
    """A row's `COLUMNS` in percent."""
    return [number(100 * getattr(row.scores, field), 2) for _, field, _ in COLUMNS]


def _interval(row: Row, field: str, raw: Row | None = None) -> str:
    """The interval of a number, or of what it gained over the raw pictures, in percent; nothing where there is none."""
    ends = row.scores.interval(field, raw.scores if raw else None)
    write, between = (signed, " to ") if raw else (number, DASH)
    return between.join(write(100 * end, 2) for end in ends) if ends else ""


def _gains(report: DetectionReport) -> list[tuple[str, list[tuple[str, str]]]]:
    """What each row gained over the raw pictures, with the interval of that."""
    raw = report.rows[0]
    return [
        (
            row.name,
            [
                (signed(100 * (getattr(row.scores, field) - getattr(raw.scores, field)), 2), _interval(row, field, raw))
                for _, field, _ in COLUMNS
            ],
        )
        for row in report.rows[1:]
    ]


def write_detection_report(report: DetectionReport, folder: Path) -> None:
    """Writes the four files of a report into a folder, which must exist."""
    values = [[getattr(row.scores, field) for row in report.rows] for _, field, _ in COLUMNS]
    tops = [best(column) for column in values]
    table = [
        (
            row.name,
            [
                (text, column[i] == top, _interval(row, field))
                for text, column, top, (_, field, _) in zip(cells(row), values, tops, COLUMNS, strict=True)
            ],
        )
        for i, row in enumerate(report.rows)
    ]
    kinds = list(report.rows[0].scores.by_class)
    by_class = [(kind, [number(100 * row.scores.by_class[kind], 1) for row in report.rows]) for kind in kinds]
    context = {
        "report": report,
        "pictures": len(report.coco["images"]),
        "objects": len(report.coco["annotations"]),
        "columns": COLUMNS,
        "table": table,
        "by_class": by_class,
        "gains": _gains(report),
        "made": report.made,
    }
    write_text(folder / "scores.csv", _csv(report))
    write_text(folder / "report.json", _json(report))
    write_text(folder / "report.md", render("detection.md.jinja", **context))
    write_text(folder / "index.html", render("detection.html.jinja", **context, strips=list(_strips(report))))


def _strips(report: DetectionReport) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The pictures on which the rows differ most, with their boxes drawn."""
    found = {i: [len(row.scores.hits[i]) for row in report.rows] for i in report.rows[0].pictures}
    order = sorted(found, key=lambda i: (min(found[i]) - max(found[i]), -max(found[i])))
    annotated: dict[int, list[list[float]]] = {i: [] for i in found}
    for annotation in report.coco["annotations"]:
        annotated[annotation["image_id"]].append(annotation["bbox"])
    for i in order[:_SHOWN]:
        pictures = []
        for row in report.rows:
            seen = int((row.detections[i].scores >= report.confidence).sum())
            hits = row.scores.hits[i]
            label = f"{row.name}: {len(hits)} of {len(annotated[i])} found, {seen - len(hits)} false"
            pictures.append((label, embed(_drawn(row, i, annotated[i], report), width=560)))
        yield report.rows[0].pictures[i].stem, pictures


def _drawn(row: Row, image_id: int, objects: Sequence[Sequence[float]], report: DetectionReport) -> Image.Image:
    """A picture with its objects in white, what was rightly found in green and the rest in orange."""
    image = Image.fromarray(round_half_up(levels(load(row.pictures[image_id]))).astype(np.uint8))
    scale = 560 / image.width  # drawn at the size it is shown at, so that lines and words stay legible
    image = image.resize((560, max(round(image.height * scale), 1)), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(15)
    for left, top, width, height in objects:
        draw.rectangle(_corners(np.array([left, top, left + width, top + height]) * scale), outline=_MISSED, width=1)
    found = row.detections[image_id]
    for place in reversed(range(len(found.scores))):
        if found.scores[place] < report.confidence:
            continue
        colour = _HIT if place in row.scores.hits[image_id] else _FALSE
        corners = _corners(found.boxes[place] * scale)
        draw.rectangle(corners, outline=colour, width=2)
        words = f"{report.classes[found.classes[place]]} {found.scores[place]:.2f}"
        corner = corners[0], max(corners[1] - 18, 0)
        draw.rectangle(draw.textbbox(corner, words, font), fill=colour)
        draw.text(corner, words, (0, 0, 0), font)
    return image


def _corners(box: Boxes) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(side) for side in box)
    return left, top, max(right, left), max(bottom, top)


def _csv(report: DetectionReport) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    kinds = list(report.rows[0].scores.by_class)
    writer.writerow(["pictures of", *(name for name, _, _ in COLUMNS), *(f"AP@50 {kind}" for kind in kinds)])
    for row in report.rows:
        values = [getattr(row.scores, field) for _, field, _ in COLUMNS]
        writer.writerow([csv_cell(row.name), *values, *(row.scores.by_class[kind] for kind in kinds)])
    return table.getvalue()


def _json(report: DetectionReport) -> str:
    content = {
        "data": report.data,
        "detector": report.detector,
        "pictures": len(report.coco["images"]),
        "objects": len(report.coco["annotations"]),
        "confidence": report.confidence,
        "meanings": {name: meaning for name, _, meaning in COLUMNS},
        "made": dict(report.made),
        "rows": {
            row.name: {name: finite(getattr(row.scores, field)) for name, field, _ in COLUMNS}
            | {"interval_95": {name: row.scores.interval(field) for name, field, _ in COLUMNS}}
            | {"AP@50 by class": dict(row.scores.by_class)}
            for row in report.rows
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
