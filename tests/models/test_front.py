"""Fronts before networks whose effect is known, from weights to graphs to pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from skimage import data
from torch import Tensor, nn
from typer.testing import CliRunner

from lightwell import Restorer
from lightwell.cli.app import app
from lightwell.data.degrade import to_linear, to_srgb
from lightwell.errors import WeightsError
from lightwell.export import cached_graph
from lightwell.models import bare, create_model, load_weights, save_weights, with_front
from lightwell.models.darkir import DarkIR, DarkIRConfig
from lightwell.models.drgn import LWDRGN, LWDRGNConfig
from lightwell.models.light_and_detail import mean_level
from lightwell.models.registry import register_network
from lightwell.restoring import lighting
from lightwell.restoring.grids import reduce_area
from lightwell.restoring.strategies import GuidedTiles


@dataclass(frozen=True)
class TintConfig:
    red: float = 0.1


@register_network(TintConfig)
class Tint(nn.Module):
    """What it is shown, a little redder: no pixel knows of another."""

    def __init__(self, config: TintConfig | None = None) -> None:
        super().__init__()
        self.config = config or TintConfig()
        self.tint = nn.Parameter(torch.tensor([self.config.red, 0.0, 0.0]).reshape(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.tint


def photo(height: int = 200, width: int = 300) -> np.ndarray:
    return np.ascontiguousarray(data.coffee()[:height, 100 : 100 + width])


def batch(picture: np.ndarray) -> Tensor:
    return torch.tensor(picture.astype(np.float32) / 255).permute(2, 0, 1)[None]


@pytest.mark.parametrize("stops", [-5.0, -2.0, 0.0])
def test_a_normalised_network_sees_one_scene_alike_at_any_exposure(stops: float) -> None:
    torch.manual_seed(0)
    net = with_front(LWDRGN(LWDRGNConfig(width=4, groups=1, blocks=1)), "normalised").eval()
    # Nothing in it is black or white, which exposure would not move.
    scene = 0.1 + 0.4 * to_linear(batch(photo(60, 90)))
    with torch.inference_mode():
        one, other = net(to_srgb(scene)), net(to_srgb(scene * 2**stops))
        assert (bare(net)(to_srgb(scene)) - bare(net)(to_srgb(scene / 8))).abs().mean() > 0.02
    # The level that is left over in black moves a scene that is five stops down by a hundredth of its light.
    torch.testing.assert_close(one, other, atol=0.05, rtol=0)


def test_a_part_is_shown_as_the_whole_is() -> None:
    net, whole = with_front(Tint(), "normalised"), batch(photo()) / 8
    part = whole[..., 20:60, 30:80]
    torch.testing.assert_close(net(part, mean_level(whole).flatten()), net(whole)[..., 20:60, 30:80])
    torch.testing.assert_close(net(part, torch.zeros(1)), net(part))
    assert (net(part) - net(whole)[..., 20:60, 30:80]).abs().mean() > 0.02


def test_the_level_is_one_thing_in_numpy_and_torch() -> None:
    picture = photo()
    assert lighting.mean_level(picture.astype(np.float32) / 255) == pytest.approx(float(mean_level(batch(picture))))
    assert lighting.mean_level(np.full((2, 2, 3), 1, np.float32)) == pytest.approx(1)
    assert lighting.mean_level(np.zeros((2, 2, 3), np.float32)) == pytest.approx(1e-6 ** (1 / 2.2))


@pytest.mark.parametrize("front", ["normalised", "lit"])
def test_weights_keep_their_front(front: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = with_front(LWDRGN(LWDRGNConfig(width=4, groups=1, blocks=1)), front).eval()
    save_weights(net, tmp_path / "net.safetensors")
    with safe_open(tmp_path / "net.safetensors", "pt") as file:
        said = file.metadata()
    assert said["network"] == front
    assert json.loads(said["config"]) == {
        "network": "lwdrgn",
        "config": {"width": 4, "groups": 1, "blocks": 1, "reduction": 16},
    }
    again = load_weights(tmp_path / "net.safetensors").eval()
    assert (again.channels, again.multiple) == (3, 2)  # type: ignore[attr-defined]
    low = batch(photo(40, 50)) / 8
    with torch.inference_mode():
        torch.testing.assert_close(again(low), net(low))


def gray() -> nn.Module:
    return DarkIR(DarkIRConfig(img_channels=1, width=4, enc_blk_nums=(1,), dec_blk_nums=(1,)))


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (lambda: create_model("detail-s"), "does not fit Detail: it is a part of a model of light-then-detail"),
        (lambda: create_model("light-s"), "does not fit Light: it is a part"),
        (gray, "does not fit DarkIR: it does not take and give pictures of 3 channels"),
        (lambda: with_front(Tint(), "normalised"), "does not fit Normalised: it has a front already"),
    ],
)
@pytest.mark.parametrize("front", ["normalised", "lit"])
def test_networks_that_no_front_fits_are_refused_by_name(net: object, words: str, front: str) -> None:
    with pytest.raises(WeightsError, match=f"the front {front} {words}"):
        with_front(net(), front)  # type: ignore[operator]


def test_other_fronts_are_answered() -> None:
    with pytest.raises(ValueError, match="none, normalised or lit, not 'bright'"):
        with_front(Tint(), "bright")
    net = Tint()
    assert with_front(net, "none") is net


def saved(front: str, folder: Path) -> nn.Module:
    net = with_front(Tint(TintConfig(0.05)), front)
    save_weights(net, folder / "best.safetensors")
    return net


def test_tiles_are_shown_as_the_whole_picture_is(tmp_path: Path) -> None:
    net = saved("normalised", tmp_path)
    low = photo(300, 400) // 6
    graph = cached_graph(tmp_path)
    assert graph == tmp_path / "best.onnx"
    with torch.inference_mode():
        expected = net(batch(low))[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    assert np.abs(Restorer(graph, device="cpu", tile="off")(low) - expected).max() < 0.6
    tiles = Restorer(graph, device="cpu", tile=128)
    assert np.abs(tiles(low) - expected).mean() < 1  # tiles are corrected to the guide besides, which costs a little
    assert isinstance(tiles.strategy, GuidedTiles)
    assert tiles.strategy.of_parts is not None
    picture = low.astype(np.float32) / 255
    reduced = reduce_area(lambda rows, columns: picture[rows, columns], (300, 400), (120, 160))
    part = tiles.strategy.of_parts(reduced)(picture[40:140, 200:300])
    assert np.abs(np.clip(part, 0, 1) * 255 - expected[40:140, 200:300]).mean() < 0.8
    alone = tiles.strategy.restore(picture[40:140, 200:300])
    assert np.abs(np.clip(alone, 0, 1) * 255 - expected[40:140, 200:300]).mean() > 3


def test_the_torch_engine_shows_tiles_as_onnxruntime_does(tmp_path: Path) -> None:
    saved("normalised", tmp_path)
    graph = cached_graph(tmp_path)
    low = photo(300, 400) // 6
    for tile in ("off", 128):
        restored = Restorer(graph, device="torch", tile=tile, threads=1)(low)  # type: ignore[arg-type]
        expected = Restorer(graph, device="cpu", tile=tile, threads=1)(low)  # type: ignore[arg-type]
        assert np.abs(restored.astype(int) - expected).max() <= 1
        assert restored.mean() > 1.5 * low.mean()


def test_a_lit_run_is_a_model_of_two_graphs(tmp_path: Path) -> None:
    run = tmp_path / "mine"
    run.mkdir()
    net = saved("lit", run)
    told: list[str] = []
    card = cached_graph(run, told.append)
    assert card == run / "mine.json"
    assert cached_graph(run, told.append) == card
    assert len(told) == 1
    low = photo(200, 300) // 6
    with torch.inference_mode():
        expected = net(batch(low))[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    restored = Restorer(card, device="cpu", tile="off")(low)
    assert np.abs(restored - expected).max() < 0.6
    # An even tint is light, which is not the network's: behind this front it changes nothing.
    lit = Restorer("lightwell-s-lol", device="cpu", tile="off")(low, preview=True)
    assert np.abs(restored.astype(float) - lit).max() < 2
    assert lit.mean() > 2 * low.mean()


@pytest.mark.parametrize("front", ["normalised", "lit"])
def test_the_commands_take_it(front: str, tmp_path: Path) -> None:
    run, out = tmp_path / "mine", tmp_path / "out"
    run.mkdir()
    net = with_front(LWDRGN(LWDRGNConfig(width=4, groups=1, blocks=1)), front)
    save_weights(net, run / "best.safetensors")
    Image.fromarray(photo(40, 60) // 6).save(tmp_path / "night.png")
    result = CliRunner().invoke(app, ["restore", str(tmp_path / "night.png"), "-m", str(run), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert np.asarray(Image.open(tmp_path / "night_restored.png")).shape == (40, 60, 3)
    target = out if front == "lit" else tmp_path / "mine.onnx"
    result = CliRunner().invoke(app, ["export", str(run), "-o", str(target)])
    assert result.exit_code == 0, result.output
    model = out / "mine.json" if front == "lit" else target
    picture = photo(40, 60) // 6
    assert np.array_equal(Restorer(model, device="cpu")(picture), Restorer(cached_graph(run), device="cpu")(picture))
