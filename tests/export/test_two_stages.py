"""A model of two networks from weights to graphs to pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lightwell import Restorer
from lightwell.errors import WeightsError
from lightwell.export.onnx import export_model
from lightwell.models import save_weights
from lightwell.models.darkir import DarkIRConfig, DecoderBlock, EncoderBlock
from lightwell.models.light_and_detail import Detail, DetailConfig, Light
from lightwell.restoring.strategies import LightThenDetail, Network
from lightwell.zoo import read_card

CARD = {
    "name": "pair",
    "summary": "Two small networks.",
    "good_at": "tests",
    "default": False,
    "parameters": 1,
    "spec": {"strategy": "light-then-detail", "thumbnail": 24, "bytes_per_pixel": 500},
    "numbers": [],
    "sha256": {},
}


def as_function(net: nn.Module) -> Network:
    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            out = net(torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)[None])))
        return out[0].numpy().transpose(1, 2, 0)

    return run


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LightThenDetail]:
    """The exported model's card, and the same networks in torch."""
    weights, graphs = tmp_path_factory.mktemp("weights"), tmp_path_factory.mktemp("graphs")
    torch.manual_seed(0)
    config = DarkIRConfig(width=4, enc_blk_nums=(1, 1), dec_blk_nums=(1, 1), dilations=(1, 4))
    nets = {
        "light": Light(config).eval(),
        "detail": Detail(DetailConfig(**vars(config), patch=2, local=True, window=16)).eval(),
    }
    for role, net in nets.items():
        for module in net.modules():
            if isinstance(module, EncoderBlock | DecoderBlock):
                nn.init.normal_(module.beta, 0, 0.2)
                nn.init.normal_(module.gamma, 0, 0.2)
        nn.init.normal_(net.ending.weight, 0, 0.05 if role == "light" else 0.01)
        save_weights(net, weights / f"pair.{role}.safetensors")
    (weights / "pair.json").write_text(json.dumps(CARD))
    files = export_model(read_card(weights / "pair.json"), graphs)
    assert [path.name for path in files] == ["pair.light.onnx", "pair.detail.onnx", "pair.json"]
    return files[-1], LightThenDetail(as_function(nets["light"]), as_function(nets["detail"]), thumbnail=24)


@pytest.mark.parametrize("size", [(60, 90), (31, 45), (7, 200), (1, 1)])
def test_graphs_and_torch_agree(pair: tuple[Path, LightThenDetail], size: tuple[int, int]) -> None:
    card, strategy = pair
    picture = np.random.default_rng(1).random((*size, 3), np.float32) * np.float32(0.2)
    restorer = Restorer(card, tile="off")
    expected = restorer(picture)
    restorer.strategy = strategy
    assert np.abs(restorer(picture) - expected).max() < 1e-4


def test_tiles_have_the_light_of_the_whole(pair: tuple[Path, LightThenDetail]) -> None:
    y, x = np.mgrid[:260, :330].astype(np.float32)
    picture = (0.05 + x / 4000 + 0.02 * np.sin(y / 9) * np.sin(x / 7))[..., None] * np.float32([1, 0.8, 0.6])
    whole, tiled = Restorer(pair[0], tile="off")(picture), Restorer(pair[0], tile=128)(picture)
    assert -10 * np.log10(np.mean((whole - tiled) ** 2)) > 45
    previews = [Restorer(pair[0], tile=tile)(picture, preview=True) for tile in ("off", 128)]
    np.testing.assert_allclose(*previews, atol=1e-5)


def test_one_of_the_graphs_alone_is_no_model(pair: tuple[Path, LightThenDetail]) -> None:
    with pytest.raises(WeightsError, match="give the model's card"):
        Restorer(pair[0].with_name("pair.light.onnx"))


def test_graphs_that_were_changed_are_refused(pair: tuple[Path, LightThenDetail], tmp_path: Path) -> None:
    for path in pair[0].parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "pair.detail.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(WeightsError, match=r"damaged \(pair\.detail\.onnx"):
        Restorer(tmp_path / "pair.json")
