"""Paired dark detection sets out of any set with COCO-format annotations.

As COCO24700 and COCO1000 of the DRGN paper (Jiang et al., AAAI 2022, section 3), with a model of a camera in the dark
in place of the paper's learned degradation.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

import lightwell
from lightwell.data.annotations import Coco, pictures_of, read_coco
from lightwell.data.degrade import Degradation
from lightwell.data.folders import find_pictures
from lightwell.data.night import night_of
from lightwell.errors import DataError, PlanError
from lightwell.files import make_folder, whole_file
from lightwell.pictures import format_of_name, read_named

__all__ = ["darken_coco"]


def darken_coco(
    annotations: Path,
    images: Path,
    output: Path,
    *,
    seed: int = 0,
    count: int | None = None,
    settings: Degradation | None = None,
    done: Callable[[str], None] = lambda _: None,
) -> Coco:
    """Writes ``low/``, dark copies, ``high/``, the pictures as they are, and at the end ``annotations.json``.

    Names and formats stay, so the annotations fit both; all they hold is carried over, and ``info`` notes the seed and
    the degradation. The same seed gives the same set: what befalls a picture depends on the seed and its name alone.

    Args:
        annotations: COCO-format JSON.
        images: folder of the annotated pictures.
        output: a new or empty folder.
        seed: of the choice of pictures and of the degradation.
        count: how many of the pictures to take, drawn by the seed; all by default.
        settings: ranges of the degradation.
        done: called with a picture's name once it is written.

    Returns:
        The annotations as written.

    Raises:
        DataError: the annotations are not of COCO's format, a picture is missing or of another size than annotated.
        PlanError: there are fewer than ``count``, or the output folder is not empty.
        PictureError: a picture cannot be read, or not be written in its format.
        FileError: the disk refuses.
    """
    settings = settings or Degradation()
    coco = _chosen(read_coco(annotations), count, seed)
    pictures = pictures_of(coco, find_pictures(images))
    if output.exists() and any(output.iterdir()):
        raise PlanError(f"{output} is not empty: name a new folder")
    for image in coco["images"]:
        source = pictures[image["id"]]
        place = source.relative_to(images)
        picture = read_named(source)
        height, width = picture.size
        if (image.get("width", width), image.get("height", height)) != (width, height):
            raise DataError(
                f"{source} is {width}x{height}, annotated as {image['width']}x{image['height']}: its boxes do not fit"
            )
        for half in ("low", "high"):
            make_folder((output / half / place).parent)
        with whole_file(output / "low" / place, like=source) as stream:
            night_of(picture, seed, source.name, settings).write(stream, format=format_of_name(place))
        with whole_file(output / "high" / place, like=source) as stream, source.open("rb") as original:
            shutil.copyfileobj(original, stream)
        done(place.as_posix())
    darkened = {"seed": seed, "degradation": asdict(settings), "lightwell": lightwell.__version__}
    coco["info"] = {**coco.get("info", {}), "darkened": darkened}
    with whole_file(output / "annotations.json") as stream:
        stream.write(json.dumps(coco).encode())
    return coco


def _chosen(coco: Coco, count: int | None, seed: int) -> Coco:
    """Some of the images with their annotations, in their own order."""
    images = coco["images"]
    if count is None:
        return coco
    if count > len(images):
        raise PlanError(f"{count} pictures are asked for, {len(images)} are annotated")
    kept = np.sort(np.random.default_rng(seed).choice(len(images), count, replace=False))
    chosen = [images[place] for place in kept]
    ids = {image["id"] for image in chosen}
    return {**coco, "images": chosen, "annotations": [a for a in coco["annotations"] if a["image_id"] in ids]}
