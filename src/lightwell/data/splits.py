"""Which pictures of LOL v1 are trained on, chosen by and reported, and which sets must not meet.

LOL v1's training half holds 66 groups of pictures with the same target at different exposures, and 14 of the 15 test
scenes occur in it too. The split keeps whole scenes apart: ``val_unseen`` scenes occur nowhere in ``train``;
``val_seen`` pictures have scene mates in ``train``, as most of ``eval15`` has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files

from lightwell.errors import DataError

__all__ = ["LOL_V1_SPLITS", "held_out_photographs", "lol_v1_split", "refuse_overlap"]

LOL_V1_SPLITS = ("train", "val_seen", "val_unseen", "eval15")


def lol_v1_split(split: str) -> list[str]:
    """Names (file stems) of one split of LOL v1.

    Args:
        split: one of ``LOL_V1_SPLITS``.

    Raises:
        DataError: for another name.
    """
    if split not in LOL_V1_SPLITS:
        raise DataError(f"there is no split {split!r}: choose one of {', '.join(LOL_V1_SPLITS)}")
    names: list[str] = json.loads(files("lightwell.data").joinpath("lol_v1_splits.json").read_text())[split]
    return names


def held_out_photographs() -> list[str]:
    """Names (file stems) of the forty photographs of the Berkeley segmentation set that no model is trained on."""
    names: list[str] = json.loads(files("lightwell.data").joinpath("photograph_splits.json").read_text())["held_out"]
    return names


def refuse_overlap(trained_on: Iterable[str], reported_on: Iterable[str]) -> None:
    """Stops a run whose score would be one of memory.

    LOL v1 and the real half of LOL v2 number the same photographs alike and split them differently.

    Args:
        trained_on: names of sets as in :func:`lightwell.data.public.find_set`.
        reported_on: the same.

    Raises:
        DataError: when a picture is in both.
    """
    for trained in trained_on:
        for reported in reported_on:
            if trained == reported:
                raise DataError(f"{trained} is both trained and reported on")
            shared = _lol_numbers(trained) & _lol_numbers(reported)
            if shared:
                raise DataError(
                    f"{len(shared)} pictures of {reported} are also in {trained}: numbers from such a run mean little; "
                    "take one of the two out, or set allow_overlap=true"
                )


def _lol_numbers(name: str) -> frozenset[int]:
    """The photographs of a set by the numbers that LOL v1 and v2 share."""
    match name.split(":"):
        case ["lol_v1", split]:
            return frozenset(map(int, lol_v1_split(split)))
        case ["lol_v2_real", "train"]:
            return frozenset(range(1, 690))
        case ["lol_v2_real", "test"]:
            return frozenset(range(690, 790))
    return frozenset()
