"""`lightwell detect-eval`: what a detector finds before and after restoring."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lightwell.cli.console import Voice
from lightwell.cli.evaluate import follow, named, refuse_to_overwrite, restored_folders, restorings
from lightwell.cli.options import MaxMemory, Quiet, command_line, flag

if TYPE_CHECKING:
    from lightwell.evaluation.report.detection import DetectionReport

__all__ = ["detect_eval"]


class _Head(StrEnum):
    yolov4 = "yolov4"
    yolox = "yolox"
    yolov5 = "yolov5"
    yolov8 = "yolov8"
    rtdetr = "rtdetr"


def detect_eval(
    images: Annotated[Path, typer.Option(exists=True, file_okay=False, metavar="DIR", help="The raw, dark pictures.")],
    annotations: Annotated[
        Path, typer.Option(exists=True, metavar="FILE|DIR", help="A COCO-format JSON file, or ExDark's folder.")
    ],
    detector: Annotated[Path, typer.Option(exists=True, dir_okay=False, metavar="FILE", help="An ONNX file.")],
    head: Annotated[_Head, typer.Option(help="How its outputs are laid out.")],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME|FILE|RUN", help="A model to restore them with. May be repeated."),
    ] = None,
    pred: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]DIR", help="Restored pictures, and what to call them. May be repeated."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Of the report; made if missing.")
    ] = Path("detection"),
    classes: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="The detector's classes, a name a line. Default: COCO's 80.",
        ),
    ] = None,
    size: Annotated[
        int, typer.Option(min=32, metavar="N", help="Of the detector's input, where its file leaves that open.")
    ] = 640,
    confidence: Annotated[
        float, typer.Option(min=0, max=1, help="From which detections count for precision and IoU.")
    ] = 0.25,
    nms: Annotated[
        float, typer.Option(min=0, max=1, help="Overlap above which the weaker of two boxes of a class goes.")
    ] = 0.6,
    data: Annotated[str | None, typer.Option(metavar="NAME", help="Of the data. Default: the folder's.")] = None,
    imports: Annotated[
        list[Path] | None,
        typer.Option("--import", metavar="FILE.py", help="Run a file that registers networks. May be repeated."),
    ] = None,
    max_memory: MaxMemory = "2G",
    overwrite: Annotated[bool, flag("--overwrite", help="Replace a report that exists.")] = False,
    quiet: Quiet = False,
) -> None:
    """[bold]lightwell detect-eval --images low --annotations low.json --detector d.onnx --head yolox -m darkir-s[/bold]

    Run an object detector on dark pictures as they are and after they were restored, and write a report: mean average
    precision, precision, recall, mean IoU, and pictures of the boxes. Heads: yolov4 as in the ONNX model zoo; yolox
    as its repository exports it; yolov5 (1, N, 5 + classes); yolov8 (1, 4 + classes, N); rtdetr as transformers
    has it. Intervals are bootstrapped over the pictures. Exit status as of evaluate.
    """
    from lightwell.data.annotations import pictures_of, read_coco, read_exdark
    from lightwell.data.folders import find_pictures
    from lightwell.errors import DataError
    from lightwell.evaluation.detection import Detecting, categories_of, score_detections
    from lightwell.evaluation.detectors import COCO_CLASSES, Detector
    from lightwell.evaluation.evaluate import Method, check
    from lightwell.evaluation.report.detection import DetectionReport, Row, write_detection_report
    from lightwell.evaluation.report.page import FILES, provenance
    from lightwell.files import make_folder

    refuse_to_overwrite(output, FILES, overwrite=overwrite)
    if imports:
        from lightwell.models import import_networks

        for file in imports:
            import_networks(file)
    raw = find_pictures(images)
    coco = read_exdark(annotations, raw) if annotations.is_dir() else read_coco(annotations)
    shown = pictures_of(coco, raw)
    used = {name: path for name, path in raw.items() if path in shown.values()}
    try:
        names = classes.read_text("utf-8").split("\n") if classes else COCO_CLASSES
    except UnicodeDecodeError as error:
        raise DataError(f"{classes}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from error
    names = tuple(name.strip() for name in names if name.strip())
    categories = categories_of(coco, names)
    runner = Detector(detector, head.value, names, (size, size), nms)

    rows = [Method("raw", used)]
    folders = named(pred or [])
    restored = restored_folders(model or [], output, [images, *folders.values()])
    for name, folder in folders.items():
        pictures = find_pictures(folder)
        lacking = [picture for picture in used if picture not in pictures]
        if lacking:
            raise DataError(f"{folder} lacks {len(lacking)} pictures: {', '.join(lacking[:10])}")
        rows.append(Method(name, {picture: pictures[picture] for picture in used}))
    check(rows, None)
    voice = Voice("looked at", quiet=quiet, lines=False)
    ours = restorings(model or [], used, restored.values(), voice, max_memory=max_memory, overwrite=overwrite)
    follow(voice, (each.events() for each in ours), len(used) * len(ours))
    rows += [each.method() for each in ours]
    looks = [Detecting(runner, pictures_of(coco, method.pictures)) for method in rows]
    follow(voice, (look.events() for look in looks), len(used) * len(looks))
    results = []
    for method, look in zip(rows, looks, strict=True):
        found = look.result()
        scores = score_detections(coco, found, categories, confidence)
        results.append(Row(method.name, pictures_of(coco, method.pictures), found, scores))
    report = DetectionReport(
        data=data or images.resolve().name,
        detector=f"{detector.name} ({head.value})",
        coco=coco,
        classes=names,
        confidence=confidence,
        rows=results,
        made=provenance(command_line(), ["numpy", "pillow", "onnxruntime", "faster-coco-eval"]),
    )
    make_folder(output)
    write_detection_report(report, output)
    if not quiet:
        _show(report)
        typer.echo(f"{output / FILES[0]}")


def _show(report: DetectionReport) -> None:
    from rich.console import Console
    from rich.table import Table

    from lightwell.evaluation.report.detection import COLUMNS, cells

    table = Table(title=f"{report.data}: {len(report.coco['images'])} pictures, in percent")
    table.add_column("pictures")
    for column, _, _ in COLUMNS:
        table.add_column(column, justify="right")
    for row in report.rows:
        table.add_row(row.name, *cells(row))
    Console().print(table)
