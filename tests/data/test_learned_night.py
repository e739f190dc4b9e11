"""`lightwell degrade --learned`: the degradation that a DRGN finds in dark photographs, carried over to good ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from lightwell.cli.app import app
from lightwell.data.night import learned_night_of, load_degradation
from lightwell.errors import WeightsError
from lightwell.models import save_weights
from lightwell.models.drgn import DRGN, LWDRGN, DRGNConfig, LWDRGNConfig
from lightwell.models.frlie import FRLIE, FRLIEConfig
from lightwell.pictures import Picture, read


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A network whose degradations are about -0.25, less or more as the dark picture says."""
    torch.manual_seed(0)
    net = LWDRGN(LWDRGNConfig(width=4, groups=1, blocks=1))
    assert net.degrade is not None
    nn.init.normal_(net.degrade.reconstruct.weight, std=0.2)
    nn.init.constant_(net.degrade.reconstruct.bias, -0.25)
    save_weights(net, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Good photographs of 24x32 pixels, and dark ones that are smaller, larger and upright."""
    noise = np.random.default_rng(0)
    good, dark = tmp_path / "good", tmp_path / "dark"
    for folder, shapes, top in ((good, [(24, 32), (24, 32)], 256), (dark, [(12, 15), (60, 90), (70, 20)], 60)):
        folder.mkdir()
        for number, shape in enumerate(shapes):
            pixels = noise.integers(0, top, (*shape, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return good, dark


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["degrade", *map(str, words)])
    return result.exit_code, " ".join(result.output.replace("│", " ").split())


def test_a_flat_degradation_is_added(tmp_path: Path) -> None:
    net = LWDRGN(LWDRGNConfig(width=4, groups=1, blocks=1))
    assert net.degrade is not None
    nn.init.zeros_(net.degrade.reconstruct.weight)
    nn.init.constant_(net.degrade.reconstruct.bias, -51 / 255)
    good = np.arange(0, 256, 3, dtype=np.uint8)[:84].reshape(4, 7, 3)
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "dark.png")
    night = learned_night_of(Picture(good), 0, "a.png", net.degrade, [tmp_path / "dark.png"])
    np.testing.assert_array_equal(night.pixels, np.maximum(good.astype(int) - 51, 0))
    deep = learned_night_of(Picture(good.astype(np.uint16) * 257), 0, "a.png", net.degrade, [tmp_path / "dark.png"])
    np.testing.assert_array_equal(deep.pixels, night.pixels)


def test_of_a_dark_photograph_of_the_same_size_all_is_taken(weights: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(1)
    good, dark = (noise.integers(low, low + 60, (10, 14, 3), dtype=np.uint8) for low in (120, 0))
    Image.fromarray(dark).save(tmp_path / "dark.png")
    generator = load_degradation(str(weights))
    night = learned_night_of(Picture(good), 3, "a.png", generator, [tmp_path / "dark.png"])
    with torch.no_grad():
        found = generator(torch.tensor(dark).permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0).numpy()
    expected = np.rint((good / 255 + found).clip(0, 1) * 255)
    np.testing.assert_allclose(night.pixels, expected, atol=1)
    assert found.std() > 0.02


def test_copies_keep_their_names_and_repeat(weights: Path, folders: tuple[Path, Path], tmp_path: Path) -> None:
    good, dark = folders
    made = {}
    for name, sources, seed in (("one", good, 3), ("two", good / "0.png", 3), ("other", good, 4)):
        code, _ = run(sources, "--learned", weights, "--like", dark, "-o", tmp_path / name, "--seed", seed)
        assert code == 0
        made[name] = read(tmp_path / name / "0.png").pixels
    assert made["one"].shape == (24, 32, 3)
    assert made["one"].mean() < read(good / "0.png").pixels.mean() - 20
    np.testing.assert_array_equal(made["one"], made["two"])
    assert (made["one"] != made["other"]).any()
    assert (tmp_path / "one/1.png").exists()


def test_what_cannot_be_done_is_said_in_a_line(folders: tuple[Path, Path], weights: Path, tmp_path: Path) -> None:
    good, dark = folders
    night = tmp_path / "night"
    for words in (("--learned", weights), ("--like", dark)):
        code, output = run(good, "-o", night, *words)
        assert code == 2
        assert "--learned and --like go together" in output
    (dark / "3.png").write_bytes(b"no picture")
    for path in dark.glob("[012].png"):
        path.unlink()
    code, output = run(good, "-o", night, "--learned", weights, "--like", dark)
    assert code == 1
    assert f"{dark / '3.png'}" in output
    assert not list(night.glob("*"))


def test_only_a_drgn_has_learnt_a_degradation(tmp_path: Path) -> None:
    nets = {"frlie": FRLIE(FRLIEConfig(width=4, blocks=1)), "one": DRGN(DRGNConfig(4, (1,), degradation=False))}
    for name, net in nets.items():
        save_weights(net, tmp_path / f"{name}.safetensors")
        with pytest.raises(WeightsError, match="has learnt no degradation: take a drgn"):
            load_degradation(str(tmp_path / f"{name}.safetensors"))
    with pytest.raises(WeightsError, match="no model 'drgnn' ships"):
        load_degradation("drgnn")
    with pytest.raises(WeightsError, match=r"gone\.safetensors: not a readable"):
        load_degradation(str(tmp_path / "gone.safetensors"))
