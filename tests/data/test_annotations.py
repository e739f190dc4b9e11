from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightwell.data.annotations import pictures_of, read_coco, read_exdark
from lightwell.errors import DataError

GOOD = {
    "images": [{"id": 1, "file_name": "a.jpg"}],
    "categories": [{"id": 1, "name": "cat"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "segmentation": [[1, 2, 3]]}],
    "licenses": ["CC"],
}


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_all_that_a_file_holds_is_kept(tmp_path):
    assert read_coco(write(tmp_path / "a.json", GOOD)) == GOOD


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ([], "not of COCO's format"),
        (GOOD | {"images": [{"id": 1}]}, "not of COCO's format"),
        (GOOD | {"images": []}, "images are missing"),
        (GOOD | {"images": [{"id": 1, "file_name": ""}]}, "images are missing, have no name"),
        (GOOD | {"images": [{"id": [1], "file_name": "a.jpg"}]}, r"an id is \[1\], not a whole number"),
        (GOOD | {"categories": [{"id": "1", "name": "cat"}]}, "an id is '1', not a whole number"),
        (GOOD | {"images": [{"id": 1, "file_name": "a.jpg", "width": 3}]}, "a width but no height"),
        (GOOD | {"info": 3}, "info is not"),
        (GOOD | {"categories": GOOD["categories"] * 2}, "categories .* share an id"),
        (GOOD | {"annotations": [{"image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4]}]}, "1 annotations"),
        (GOOD | {"annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3]}]}, "1 annotations"),
        (GOOD | {"annotations": [{"image_id": 1, "category_id": 1, "bbox": ["a", 2, 3, 4]}]}, "not of COCO's format"),
    ],
)
def test_what_is_not_cocos_format_is_refused(tmp_path, content, words):
    with pytest.raises(DataError, match=words):
        read_coco(write(tmp_path / "a.json", content))


def test_no_info_is_no_fault(tmp_path):
    assert read_coco(write(tmp_path / "a.json", GOOD | {"info": None})) == GOOD | {"info": {}}


def test_a_file_name_is_only_looked_up(tmp_path):
    there = {"a": tmp_path / "a.jpg", "sub/b": tmp_path / "sub" / "b.png"}
    coco = GOOD | {"images": [{"id": 7, "file_name": "sub/b.jpg"}, {"id": 9, "file_name": "a.jpg"}]}
    assert pictures_of(coco, there) == {7: there["sub/b"], 9: there["a"]}
    for name in ("../../etc/passwd.jpg", "/etc/passwd", "c.jpg"):
        with pytest.raises(DataError, match="1 annotated pictures are missing"):
            pictures_of(GOOD | {"images": [{"id": 1, "file_name": name}]}, there)
    with pytest.raises(DataError, match="one name"):
        pictures_of(GOOD | {"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.png"}]}, there)


def test_exdark(tmp_path):
    write(
        tmp_path / "Bicycle" / "2015_00001.png.txt",
        "% bbGt version=3\nBicycle 204 28 271 193 0 0 0 0 0 0 0\nPeople 10 20 30 40 0 0 0 0 0 0 0\n",
    )
    write(tmp_path / "Table" / "2015_07000.jpg.txt", "% bbGt version=3\nTable 1 2 3 4 0 0 0 0 0 0 0\n")
    pictures = {
        "Bicycle/2015_00001": tmp_path / "Bicycle" / "2015_00001.png",
        "2015_07000": tmp_path / "2015_07000.jpg",
    }
    coco = read_exdark(tmp_path, pictures)
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert len(names) == 12
    assert [(a["image_id"], names[a["category_id"]], a["bbox"]) for a in coco["annotations"]] == [
        (1, "bicycle", [204, 28, 271, 193]),
        (1, "person", [10, 20, 30, 40]),
        (2, "dining table", [1, 2, 3, 4]),
    ]
    assert pictures_of(coco, pictures) == {1: pictures["Bicycle/2015_00001"], 2: pictures["2015_07000"]}

    with pytest.raises(DataError, match=r"1 pictures have no annotations in .*: other\.png"):
        read_exdark(tmp_path, {"other": tmp_path / "other.png"})
    write(tmp_path / "Table" / "2015_07000.jpg.txt", "% bbGt version=3\nUnicorn 1 2 3 4\n")
    with pytest.raises(DataError, match="Unicorn"):
        read_exdark(tmp_path, pictures)
    write(tmp_path / "People" / "2015_07000.jpg.txt", "")
    with pytest.raises(DataError, match="are for one picture"):
        read_exdark(tmp_path, pictures)
