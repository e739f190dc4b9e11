from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, get_args, get_origin

import pytest

from lightwell.cli.cluster import cluster
from lightwell.cli.restore import restore
from lightwell.cli.video import video
from lightwell.restoring.controls import Controls

SETTINGS = {field.name: field.default for field in fields(Controls)}


@pytest.mark.parametrize("command", [restore, cluster, video])
def test_commands_take_the_controls_with_their_defaults_and_bounds(command: Callable[..., None]) -> None:
    taken = inspect.signature(command, eval_str=True).parameters
    assert SETTINGS.keys() <= taken.keys()
    for name, default in SETTINGS.items():
        assert taken[name].default == default
        assert get_origin(taken[name].annotation) is Annotated
        kind, option = get_args(taken[name].annotation)
        if kind is bool:
            continue
        for bound, beyond in ((option.min, -0.01), (option.max, 0.01)):
            Controls(**{name: bound})
            with pytest.raises(ValueError, match=name):
                Controls(**{name: bound + beyond})
