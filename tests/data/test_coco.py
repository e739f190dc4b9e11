from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lightwell.cli.app import app
from lightwell.data.coco import darken_coco
from lightwell.data.degrade import Degradation
from lightwell.errors import DataError, PlanError


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    """Seven pictures, one gray, some in a folder of their own, with a box on each."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(1, 8):
        name = f"sub/{number}.png" if number % 2 else f"{number}.jpg"
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(90, 255, (32, 48, 3)).astype(np.uint8)
        Image.fromarray(pixels[..., 0] if number == 4 else pixels).save(path)
        images.append({"id": number * 10, "file_name": name, "width": 48, "height": 32, "coco_url": "x"})
        annotations.append({"id": number, "image_id": number * 10, "category_id": 1, "bbox": [1, 2, 3, number]})
    coco = {
        "info": {"year": 2017},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cat"}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(coco))
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pairs_with_their_annotations(bright, tmp_path):
    source = json.loads((bright / "annotations.json").read_text())
    darken_coco(bright / "annotations.json", bright / "images", tmp_path / "out", seed=3)
    made = json.loads((tmp_path / "out" / "annotations.json").read_text())
    for key in ("images", "annotations", "categories"):
        assert made[key] == source[key]
    assert made["info"]["year"] == 2017
    assert made["info"]["darkened"]["seed"] == 3
    assert files(tmp_path / "out" / "high") == files(bright / "images")
    for image in made["images"]:
        low, high = (np.asarray(Image.open(tmp_path / "out" / half / image["file_name"])) for half in ("low", "high"))
        assert low.shape == (32, 48, 3)
        assert low.mean() < high.mean()


def test_the_seed_decides_and_the_company_does_not(bright, tmp_path):
    def make(name: str, **options: int) -> dict[str, bytes]:
        darken_coco(bright / "annotations.json", bright / "images", tmp_path / name, **options)
        return files(tmp_path / name)

    once, again, other, few = make("a", seed=1), make("b", seed=1), make("c", seed=2), make("d", seed=1, count=3)
    assert once == again
    assert once != other
    kept = {name for name in few if name.startswith("low/")}
    assert len(kept) == 3
    assert all(few[name] == once[name] for name in kept)
    made = json.loads(few["annotations.json"])
    assert {image["id"] for image in made["images"]} == {a["image_id"] for a in made["annotations"]}
    assert {f"low/{image['file_name']}" for image in made["images"]} == kept


def test_the_degradation_can_be_chosen(bright, tmp_path):
    slight = replace(Degradation(), ev=(-0.1, -0.1), blur_chance=0, defocus_chance=0, jpeg_chance=0)
    deep = replace(slight, ev=(-6, -6))
    means = []
    for name, chosen in (("slight", slight), ("deep", deep)):
        darken_coco(bright / "annotations.json", bright / "images", tmp_path / name, settings=chosen)
        means.append(np.asarray(Image.open(tmp_path / name / "low" / "sub" / "1.png")).mean())
    assert means[0] > 100
    assert means[1] < 60


def test_what_does_not_fit_is_refused(bright, tmp_path):
    annotations = bright / "annotations.json"
    with pytest.raises(PlanError, match="8 pictures are asked for, 7 are annotated"):
        darken_coco(annotations, bright / "images", tmp_path / "out", count=8)
    with pytest.raises(PlanError, match="is not empty"):
        darken_coco(annotations, bright / "images", bright)
    coco = json.loads(annotations.read_text())
    coco["images"][0]["width"] = 47
    annotations.write_text(json.dumps(coco))
    with pytest.raises(DataError, match="is 48x32, annotated as 47x32"):
        darken_coco(annotations, bright / "images", tmp_path / "out")
    coco["images"][0]["file_name"] = "../../x.png"
    annotations.write_text(json.dumps(coco))
    with pytest.raises(DataError, match="missing"):
        darken_coco(annotations, bright / "images", tmp_path / "more")


def test_the_command(bright, tmp_path):
    words = ["degrade", str(bright / "images"), "--coco", str(bright / "annotations.json")]
    result = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "out"), "--seed", "1", "--count", "3"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == 3
    darken_coco(bright / "annotations.json", bright / "images", tmp_path / "same", seed=1, count=3)
    assert files(tmp_path / "out") == files(tmp_path / "same")
    # Without annotations the same seed gives the same pictures.
    plain = CliRunner().invoke(app, ["degrade", str(bright / "images"), "-o", str(tmp_path / "plain"), "--seed", "1"])
    assert plain.exit_code == 0
    for name, content in files(tmp_path / "out" / "low").items():
        assert files(tmp_path / "plain")[name] == content
    assert CliRunner().invoke(app, [*words, "-o", str(tmp_path / "x"), "--overwrite"]).exit_code == 2
    assert CliRunner().invoke(app, [*words[:2], "-o", str(tmp_path / "x"), "--count", "2"]).exit_code == 2
