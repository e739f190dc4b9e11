"""What holds for every registered network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lightwell.errors import WeightsError
from lightwell.models import (
    create_model,
    find_weights,
    import_networks,
    list_models,
    load_model,
    load_weights,
    registry,
    save_weights,
)
from lightwell.models.darkir import DarkIR, DarkIRConfig
from lightwell.models.registry import register_model

# Other tests register networks of their own.
PUBLISHED = sorted(
    build.__name__.replace("_", "-")
    for build in registry._BUILDERS.values()
    if build.__module__.startswith("lightwell.models")
)


def test_listing_takes_wildcards() -> None:
    assert {"darkir-s", "darkir-m", "darkir-l"} <= set(list_models())
    assert list_models("*-m") == ["darkir-m"]
    assert list_models("nothing*") == []


def test_listing_names_what_ships() -> None:
    assert {"darkir-s-lol", "darkir-l"} <= set(list_models())
    shipped = list_models(pretrained=True)
    assert {"darkir-s", "darkir-s-lol"} <= set(shipped)
    assert "darkir-l" not in shipped
    assert isinstance(create_model("darkir-s-lol"), DarkIR)


def test_settings_change_a_network() -> None:
    assert create_model("darkir-s", width=4, dilations=(1,)).config == DarkIRConfig(width=4, dilations=(1,))
    with pytest.raises(ValueError, match=r"no setting wdith: there are img_channels, width"):
        create_model("darkir-s", wdith=4)
    with pytest.raises(WeightsError, match="another configuration"):
        create_model("darkir-s", pretrained=True, width=4)


def test_pretrained_takes_a_file_and_a_runs_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(WeightsError, match="no run's folder"):
        find_weights(run)
    small = {"width": 4, "enc_blk_nums": (1,), "dec_blk_nums": (1,)}
    last, best = create_model("darkir-s", **small), create_model("darkir-s", **small)
    save_weights(last, run / "last.safetensors")
    assert find_weights(run) == run / "last.safetensors"
    save_weights(best, run / "best.safetensors")
    for net in (load_model(run), create_model("darkir-s", run, **small), create_model("darkir-s", run, **small)):
        assert all(torch.equal(value, best.state_dict()[key]) for key, value in net.state_dict().items())
    named = create_model("darkir-s", pretrained=run / "last.safetensors", **small)
    assert torch.equal(named.intro.weight, last.intro.weight)
    with pytest.raises(WeightsError, match="does not fit darkir-s"):
        create_model("darkir-s", pretrained=run)
    for wrong in (tmp_path / "gone.safetensors", "darkir-xs", tmp_path / "net.onnx"):
        with pytest.raises(WeightsError, match=str(wrong)):
            load_model(wrong)


OWN = """
from dataclasses import dataclass
from torch import nn
from lightwell.models.registry import _BUILDERS, register_model, register_network

@dataclass(frozen=True)
class OwnConfig:
    width: int = 5

@register_network(OwnConfig)
class Own(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.body = nn.Conv2d(3, config.width, 1)

@register_model
def own_s():
    return Own(OwnConfig())
"""


def test_a_network_of_ones_own_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for table in ("_BUILDERS", "_NETWORKS", "_IMPORTED"):
        monkeypatch.setattr(registry, table, getattr(registry, table).copy())
    (tmp_path / "broken.py").write_text(OWN + "\n1 / 0\n")
    with pytest.raises(WeightsError, match=r"broken\.py: ZeroDivisionError"):
        import_networks(tmp_path / "broken.py")
    assert "own-s" not in list_models()
    (tmp_path / "own.py").write_text(OWN)
    import_networks(tmp_path / "own.py")
    import_networks(tmp_path / "own.py")
    net = create_model("own-s", width=7)
    save_weights(net, tmp_path / "own.safetensors")
    assert load_model(tmp_path / "own.safetensors").body.weight.shape[0] == 7
    monkeypatch.delitem(registry._NETWORKS, "own")
    with pytest.raises(WeightsError, match=r"a network 'own'.*--import FILE\.py"):
        load_model(tmp_path / "own.safetensors")


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="darkir-m"):
        create_model("darkir-xxl")


def test_weights_that_do_not_ship_are_named() -> None:
    with pytest.raises(WeightsError, match="darkir-xxl"):
        create_model("darkir-xxl", pretrained=True)


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("size", [(17, 30), (16, 24)])
def test_any_size_comes_back_and_gradients_reach_the_input(name: str, size: tuple[int, int]) -> None:
    net = create_model(name)
    low = torch.rand(1, getattr(net, "channels", 3), *size, requires_grad=True)

    restored = net(low)
    restored.mean().backward()

    assert restored.shape == (1, 3, *size)
    assert low.grad is not None
    assert low.grad.abs().max() > 0


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_network_survives_a_file(name: str, tmp_path: Path) -> None:
    net = create_model(name)
    save_weights(net, tmp_path / "net.safetensors")
    loaded = load_weights(tmp_path / "net.safetensors")
    assert type(loaded) is type(net)
    assert loaded.config == net.config
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in net.state_dict().items())


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
