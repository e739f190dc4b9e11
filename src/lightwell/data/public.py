"""Public sets of pairs, found in the folders that they are published as.

A set is named ``name:half``, ``lol_v1:train`` say, and lies in the folder ``name`` of the data folder. A name without a
colon is a folder of one's own with ``low`` and ``high`` in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from lightwell.data.folders import Pair, find_pairs, find_pictures
from lightwell.data.splits import held_out_photographs, lol_v1_split
from lightwell.errors import DataError

__all__ = ["ADAPTERS", "find_set"]


def _folder(root: Path, *names: str) -> Path:
    """A folder in ``root``, whatever its copies made of upper and lower case."""
    for name in names:
        there = sorted(root.iterdir()) if root.is_dir() else []
        root = next((path for path in there if path.name.casefold() == name.casefold()), root / name)
    return root


def _half(half: str, **folders: str) -> str:
    if half not in folders:
        raise DataError(f"there is no half {half!r}: choose one of {', '.join(folders)}")
    return folders[half]


def _lol_v1(root: Path, split: str) -> list[Pair]:
    """Wei et al.: "Deep Retinex Decomposition for Low-Light Enhancement", BMVC 2018."""
    names = lol_v1_split(split)
    half = root / ("eval15" if split == "eval15" else "our485")
    return find_pairs(half / "low", half / "high", names)


def _lol_v2_real(root: Path, half: str) -> list[Pair]:
    """Yang et al.: "Sparse Gradient Regularized Deep Retinex Network", IEEE TIP 2021; ``Real_captured``."""
    folder = _folder(root, _half(half, train="Train", test="Test"))
    return find_pairs(_folder(folder, "Low"), _folder(folder, "Normal"), prefixes=("low", "normal"))


def _lol_v2_synthetic(root: Path, half: str) -> list[Pair]:
    """The same paper's ``Synthetic``."""
    folder = _folder(root, _half(half, train="Train", test="Test"))
    return find_pairs(_folder(folder, "Low"), _folder(folder, "Normal"))


def _lol_blur(root: Path, half: str) -> list[Pair]:
    """Zhou et al.: "LEDNet: Joint Low-light Enhancement and Deblurring in the Dark", ECCV 2022."""
    folder = root / _half(half, train="train", test="test")
    return find_pairs(folder / "low_blur_noise", folder / "high_sharp_scaled")


def _lsrw(root: Path, half: str) -> list[Pair]:
    """Hai et al.: "R2RNet: Low-light Image Enhancement via Real-low to Real-normal Network", JVCIR 2023."""
    folder = _folder(root, _half(half, train="Training data", test="Eval"))
    cameras = (_folder(folder, camera) for camera in ("Huawei", "Nikon"))
    return [pair for camera in cameras for pair in find_pairs(_folder(camera, "low"), _folder(camera, "high"))]


def _same(root: Path, folder: str) -> list[Pair]:
    """Good photographs that are their own targets, without those that models are judged by."""
    held_out = set(held_out_photographs())
    found = find_pictures(root.parent / folder)
    return [Pair(name, path, path) for name, path in found.items() if path.stem not in held_out]


ADAPTERS: Mapping[str, Callable[[Path, str], list[Pair]]] = {
    "lol_v1": _lol_v1,
    "lol_v2_real": _lol_v2_real,
    "lol_v2_synthetic": _lol_v2_synthetic,
    "lol_blur": _lol_blur,
    "lsrw": _lsrw,
    "same": _same,
}


def find_set(data: Path, name: str) -> list[Pair]:
    """The pairs of a set.

    Args:
        data: the folder that holds the sets.
        name: ``lol_v1:train``, ``:val_seen``, ``:val_unseen`` or ``:eval15``; ``lol_v2_real``, ``lol_v2_synthetic``,
            ``lol_blur`` or ``lsrw`` with ``:train`` or ``:test``; ``same:FOLDER``, good photographs that are to stay as
            they are; or a folder with ``low`` and ``high`` in it.

    Raises:
        DataError: for an unknown set, and when a folder or a picture is missing.
    """
    public, colon, half = name.partition(":")
    if not colon or (data / name).is_dir():  # a folder's path may have a colon too
        return find_pairs(data / name / "low", data / name / "high")
    if public not in ADAPTERS:
        raise DataError(f"there is no set {public!r}: choose one of {', '.join(ADAPTERS)}, or name a folder")
    try:
        return ADAPTERS[public](data / public, half)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
