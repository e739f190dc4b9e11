"""What holds for every registered network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lightwell.errors import WeightsError
from lightwell.models import create_model, list_models, load_weights, save_weights
from lightwell.models.darkir import DarkIR, DarkIRConfig
from lightwell.models.registry import register_model

SMALL = ["darkir-s"]


def test_listing_takes_wildcards() -> None:
    assert {"darkir-s", "darkir-m", "darkir-l"} <= set(list_models())
    assert list_models("*-m") == ["darkir-m"]
    assert list_models("nothing*") == []


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="darkir-m"):
        create_model("darkir-xxl")


def test_weights_that_do_not_ship_are_named() -> None:
    with pytest.raises(WeightsError, match="darkir-xxl"):
        create_model("darkir-xxl", pretrained=True)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(17, 30), (16, 24)])
def test_any_size_comes_back_and_gradients_reach_the_input(name: str, size: tuple[int, int]) -> None:
    low = torch.rand(1, 3, *size, requires_grad=True)

    restored = create_model(name)(low)
    restored.mean().backward()

    assert restored.shape == low.shape
    assert low.grad is not None
    assert low.grad.abs().max() > 0


def test_weights_and_structure_survive_a_file(tmp_path: Path) -> None:
    net = DarkIR(DarkIRConfig(width=4, enc_blk_nums=(1, 0), dec_blk_nums=(0, 1), dilations=(2, 3)))

    save_weights(net, tmp_path / "net.safetensors")
    loaded = load_weights(tmp_path / "net.safetensors")

    assert isinstance(loaded, DarkIR)
    assert loaded.config == net.config
    for (key, a), b in zip(net.state_dict().items(), loaded.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, msg=key)
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_files_that_are_not_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("not weights")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    config = '{"width": 8, "dec_blk_nums": [1, 1, 1]}'
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors", {"network": "darkir", "config": config})
    save_file({}, tmp_path / "odd.safetensors", {"network": "darkir", "config": '{"height": 3}'})

    for name, reason in {
        "missing": "not a readable",
        "text": "not a readable",
        "foreign": "lightwell import",
        "other": "do not fit",
        "odd": "do not fit",
    }.items():
        with pytest.raises(WeightsError, match=reason):
            load_weights(tmp_path / f"{name}.safetensors")


def test_a_name_is_registered_once() -> None:
    before = list_models()

    def darkir_s() -> nn.Module:
        raise AssertionError

    with pytest.raises(ValueError, match="darkir-s"):
        register_model(darkir_s)
    assert list_models() == before
    assert isinstance(create_model("darkir-s"), DarkIR)
