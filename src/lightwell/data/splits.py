"""Which pictures of LOL v1 are trained on, chosen by and reported.

LOL v1's training half holds 66 groups of pictures with the same target at different exposures, and 14 of the 15 test
scenes occur in it too. The split keeps whole scenes apart: ``val_unseen`` scenes occur nowhere in ``train``;
``val_seen`` pictures have scene mates in ``train``, as most of ``eval15`` has.
"""

from __future__ import annotations

import json
from importlib.resources import files

__all__ = ["LOL_V1_SPLITS", "lol_v1_split"]

LOL_V1_SPLITS = ("train", "val_seen", "val_unseen", "eval15")


def lol_v1_split(split: str) -> list[str]:
    """Names (file stems) of one split of LOL v1.

    Args:
        split: one of ``LOL_V1_SPLITS``.

    Raises:
        ValueError: for another name.
    """
    if split not in LOL_V1_SPLITS:
        raise ValueError(f"unknown split {split!r}: choose one of {', '.join(LOL_V1_SPLITS)}")
    names: list[str] = json.loads(files("lightwell.data").joinpath("lol_v1_splits.json").read_text())[split]
    return names
