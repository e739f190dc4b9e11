from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightwell.data.folders import find_pairs, find_pictures
from lightwell.data.paired import load_pair, load_picture
from lightwell.data.public import find_set
from lightwell.data.splits import LOL_V1_SPLITS, lol_v1_split, refuse_overlap
from lightwell.errors import DataError
from lightwell.pictures import Picture
from lightwell.pictures.space import named_profile


def paint(path: Path, value: int = 100, size: tuple[int, int] = (5, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value + 1, value + 2)).save(path)


def test_pairs_go_by_name_not_by_order(tmp_path: Path) -> None:
    for index, name in enumerate(("10", "2", "b/1")):
        paint(tmp_path / "low" / f"{name}.png", index)
        paint(tmp_path / "high" / f"{name}.webp", 100 + index)
    paint(tmp_path / "low" / ".hidden.png")
    pairs = find_pairs(tmp_path / "low", tmp_path / "high")
    assert [pair.name for pair in pairs] == ["2", "10", "b/1"]
    assert all(pair.low.stem == pair.high.stem for pair in pairs)
    assert [pair.name for pair in find_pairs(tmp_path / "low", tmp_path / "high", ["10"])] == ["10"]


def test_hidden_folders_are_left_out_and_order_is_natural(tmp_path: Path) -> None:
    for name in ("img10", "img9", "b/1", ".cache/2", "b/.trash/3"):
        paint(tmp_path / f"{name}.png")
    assert list(find_pictures(tmp_path)) == ["img9", "img10", "b/1"]
    assert list(find_pictures(tmp_path, "img")) == ["9", "10", "b/1"]


def test_what_is_wrong_with_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        find_pictures(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        find_pictures(tmp_path / "empty")
    paint(tmp_path / "low" / "1.png")
    paint(tmp_path / "low" / "2.png")
    paint(tmp_path / "high" / "1.png")
    with pytest.raises(DataError, match=r"partner.*: 2$"):
        find_pairs(tmp_path / "low", tmp_path / "high")
    with pytest.raises(DataError, match=r": 3$"):
        find_pairs(tmp_path / "low", tmp_path / "high", ["1", "3"])
    paint(tmp_path / "low" / "1.jpg")
    with pytest.raises(DataError, match="same name"):
        find_pictures(tmp_path / "low")


def test_a_broken_or_odd_pair_is_named(tmp_path: Path) -> None:
    paint(tmp_path / "low" / "1.png")
    paint(tmp_path / "high" / "1.png", size=(4, 5))
    (pair,) = find_pairs(tmp_path / "low", tmp_path / "high")
    with pytest.raises(DataError, match="5x4 and 4x5"):
        load_pair(pair)
    pair.high.write_bytes(pair.high.read_bytes()[:40])
    with pytest.raises(DataError, match=r"high/1\.png"):
        load_pair(pair)


def test_a_pair_is_six_channels_of_bytes(tmp_path: Path) -> None:
    paint(tmp_path / "low" / "1.png", 10)
    paint(tmp_path / "high" / "1.png", 200)
    both = load_pair(find_pairs(tmp_path / "low", tmp_path / "high")[0])
    assert both.shape == (4, 5, 6)
    assert both[0, 0].tolist() == [10, 11, 12, 200, 201, 202]


def test_wide_colours_are_trained_on_as_srgb(tmp_path: Path) -> None:
    green = Picture(np.broadcast_to(np.array([60, 200, 60], np.uint8), (4, 4, 3)).copy(), icc=named_profile(12, 13))
    green.write(tmp_path / "green.png")
    red = load_picture(tmp_path / "green.png")[0, 0, 0]
    assert red < 5  # Display P3's green is outside sRGB, which has no red left to take away


def test_gray_and_16_bit_pictures_become_8_bit_rgb(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 257 * 7 + 100, np.uint16)).save(tmp_path / "gray.png")
    assert load_picture(tmp_path / "gray.png").unique().tolist() == [7]


LAYOUTS = {
    "lol_v1:train": ("our485/low/2.png", "our485/high/2.png"),
    "lol_v1:eval15": ("eval15/low/1.png", "eval15/high/1.png"),
    "lol_v2_real:train": ("Train/Low/low00001.png", "Train/Normal/normal00001.png"),
    "lol_v2_real:test": ("test/Low/low00690.png", "test/Normal/normal00690.png"),
    "lol_v2_synthetic:test": ("Test/Low/r01.png", "Test/Normal/r01.png"),
    "lol_blur:train": ("train/low_blur_noise/0012/0001.png", "train/high_sharp_scaled/0012/0001.png"),
    "lsrw:train": ("Training data/Huawei/low/1.jpg", "Training data/Huawei/high/1.jpg"),
    "lsrw:test": ("Eval/Nikon/low/3001.jpg", "Eval/Nikon/high/3001.jpg"),
}


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_public_sets_are_found_as_published(name: str, tmp_path: Path) -> None:
    root = tmp_path / name.split(":")[0]
    low, high = LAYOUTS[name]
    files = [(low, high)]
    if name.startswith("lol_v1"):
        own = Path(low)
        files = [
            (str(own.with_name(f"{stem}.png")), str(Path(high).with_name(f"{stem}.png")))
            for stem in lol_v1_split(name.split(":")[1])
        ]
    if name.startswith("lsrw"):
        other = ("Huawei", "Nikon") if "Huawei" in low else ("Nikon", "Huawei")
        files.append((low.replace(*other), high.replace(*other)))
    for pair in files:
        for file in pair:
            paint(root / file)
    pairs = find_set(tmp_path, name)
    assert {(pair.low, pair.high) for pair in pairs} == {(root / low, root / high) for low, high in files}


def test_a_folder_of_ones_own_is_a_set(tmp_path: Path) -> None:
    paint(tmp_path / "mine" / "low" / "a.png")
    paint(tmp_path / "mine" / "high" / "a.png")
    assert [pair.name for pair in find_set(tmp_path, "mine")] == ["a"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("lol_v9:train", "lol_v1, lol_v2_real"), ("lol_v1:tarin", "train, val_seen"), ("lsrw:eval", "train, test")],
)
def test_misspelt_sets_are_answered_with_the_choice(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        find_set(tmp_path, name)


def test_the_split_covers_lol_v1_once() -> None:
    names = [name for split in LOL_V1_SPLITS for name in lol_v1_split(split)]
    assert len(names) == len(set(names)) == 500
    assert [len(lol_v1_split(split)) for split in LOL_V1_SPLITS] == [449, 16, 20, 15]


def test_the_split_is_the_published_one(shared: Path) -> None:
    splits = json.loads((shared / "data/lol_v1/splits.json").read_text())
    theirs = (splits["train"], splits["val_seen_scenes"], splits["val_unseen_scenes"], splits["eval15"])
    for split, expected in zip(LOL_V1_SPLITS, theirs, strict=True):
        assert set(lol_v1_split(split)) == {str(name).removesuffix(".png") for name in expected}


@pytest.mark.parametrize(
    ("trained", "reported"),
    [
        ("lol_v1:train", "lol_v2_real:test"),
        ("lol_v2_real:train", "lol_v1:eval15"),
        ("lsrw:test", "lsrw:test"),
    ],
)
def test_sets_that_share_pictures_are_refused(trained: str, reported: str) -> None:
    with pytest.raises(DataError, match=r"pictures of|both trained"):
        refuse_overlap([trained, "mine"], ["lol_blur:test", reported])


def test_sets_that_share_none_pass() -> None:
    refuse_overlap(["lol_v1:train", "lol_blur:train"], ["lol_v1:val_seen", "lol_v1:eval15", "lol_blur:test"])
    refuse_overlap(["lol_v2_real:train"], ["lol_v2_real:test"])
