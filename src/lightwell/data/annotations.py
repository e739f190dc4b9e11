"""Boxes of objects on pictures: COCO's format, and ExDark's brought into it.

Annotations are COCO's own structure as `json` gives it, so that what a file holds beyond the boxes is carried along:
``images`` (``id``, ``file_name``, ``width``, ``height``), ``annotations`` (``image_id``, ``category_id``, ``bbox`` as
left, top, width, height in pixels) and ``categories`` (``id``, ``name``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from lightwell.errors import DataError
from lightwell.folders import walk

__all__ = ["EXDARK_CLASSES", "Coco", "pictures_of", "read_coco", "read_exdark"]

Coco = dict[str, Any]

# Loh and Chan, "Getting to Know Low-light Images with the Exclusively Dark Dataset", CVIU 2019: in the data set's
# order, with the name that detectors trained on COCO have for the class.
EXDARK_CLASSES = {
    "Bicycle": "bicycle",
    "Boat": "boat",
    "Bottle": "bottle",
    "Bus": "bus",
    "Car": "car",
    "Cat": "cat",
    "Chair": "chair",
    "Cup": "cup",
    "Dog": "dog",
    "Motorbike": "motorcycle",
    "People": "person",
    "Table": "dining table",
}


def read_coco(path: Path) -> Coco:
    """Annotations of a COCO-format JSON file.

    Raises:
        DataError: the file cannot be read or is not of that format.
    """
    try:
        coco = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
    try:
        images = [_id(image) for image in coco["images"] if image["file_name"] and isinstance(image["file_name"], str)]
        categories = [_id(category) for category in coco["categories"] if isinstance(category["name"], str)]
        sizes = [[float(image[side]) for side in ("width", "height") if side in image] for image in coco["images"]]
        if not isinstance(coco.get("info") or {}, dict):
            raise TypeError("info is not a set of names and values")
        boxes = [(a["image_id"], a["category_id"], [float(side) for side in a["bbox"]]) for a in coco["annotations"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not of COCO's format ({type(error).__name__}: {error})") from error
    for kind, ids in (("images", images), ("categories", categories)):
        if not ids or len(ids) != len(coco[kind]) or len(set(ids)) != len(ids):
            raise DataError(f"{path}: {kind} are missing, have no name, or share an id")
    if any(len(size) == 1 for size in sizes):
        raise DataError(f"{path}: an image has a width but no height, or a height but no width")
    known, classes = set(images), set(categories)
    wrong = sum(image not in known or kind not in classes or len(box) != 4 for image, kind, box in boxes)
    if wrong:
        raise DataError(
            f"{path}: {wrong} annotations name an unknown image or category, or have no box of four numbers"
        )
    return {**coco, "info": coco.get("info") or {}} if "info" in coco else dict(coco)


def _id(entry: Mapping[str, Any]) -> int:
    """A number, which COCO's evaluation needs."""
    if type(entry["id"]) is not int:
        raise TypeError(f"an id is {entry['id']!r}, not a whole number")
    return entry["id"]


def read_exdark(folder: Path, pictures: Mapping[str, Path]) -> Coco:
    """ExDark's annotations: a text file for each picture, such as ``Bicycle/2015_00001.png.txt``.

    The first line is a comment; the others hold a class and left, top, width, height in pixels; what follows is unused.

    Args:
        folder: of the text files, with or without the folders of the classes.
        pictures: those to take, as `find_pictures` gives them.

    Raises:
        DataError: a file is missing, not of that format, or there are two for one picture.
    """
    files: dict[str, Path] = {}
    for inner in walk(folder, lambda name: name.endswith(".txt")):
        if inner.error:
            raise DataError(f"{inner.path}: {inner.error}")
        for path in (Path(inner.path, name) for name in inner.names):
            if path.stem in files:
                raise DataError(f"{files[path.stem]} and {path} are for one picture")
            files[path.stem] = path
    missing = [path.name for path in pictures.values() if path.name not in files]
    if missing:
        raise DataError(f"{len(missing)} pictures have no annotations in {folder}: {', '.join(missing[:10])}")
    numbers = {name: number for number, name in enumerate(EXDARK_CLASSES, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (name, picture) in enumerate(pictures.items(), 1):
        images.append({"id": image_id, "file_name": name + picture.suffix})
        file = files[picture.name]
        for line in file.read_text("utf-8", "replace").splitlines():
            if not line.strip() or line.startswith("%"):
                continue
            kind, *fields = line.split()
            try:
                box = [float(field) for field in fields[:4]]
                category = numbers[kind]
            except (KeyError, ValueError):
                box = []
            if len(box) != 4:
                raise DataError(f"{file}: not a line of ExDark's annotations: {line[:80]!r}")
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, "category_id": category, "bbox": box})
    categories = [{"id": numbers[name], "name": common} for name, common in EXDARK_CLASSES.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def pictures_of(coco: Coco, pictures: Mapping[str, Path]) -> dict[int, Path]:
    """The picture of each image id, looked up by its file name without suffix.

    Only looked up: a file name in an annotation file never becomes a path.

    Args:
        coco: the annotations.
        pictures: as `find_pictures` gives them.

    Raises:
        DataError: lists what is missing, or names that are not unique.
    """
    names = {image["id"]: PurePosixPath(image["file_name"]).with_suffix("").as_posix() for image in coco["images"]}
    missing = [name for name in names.values() if name not in pictures]
    if missing:
        shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        raise DataError(f"{len(missing)} annotated pictures are missing: {shown}")
    if len(set(names.values())) < len(names):
        raise DataError("several annotated pictures have one name")
    return {image_id: pictures[name] for image_id, name in names.items()}
