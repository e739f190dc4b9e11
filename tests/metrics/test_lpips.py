"""LPIPS against nets built from torch's own layers; the weights are random, the published ones are not at hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from lightwell.errors import WeightsError
from lightwell.metrics import load_lpips, lpips

Array = NDArray[Any]


def _alexnet() -> tuple[nn.Sequential, list[int]]:
    """Layers numbered as in torchvision, and the numbers after which features are compared."""
    layers = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    return layers, [1, 4, 7, 9, 11]


def _vgg16() -> tuple[nn.Sequential, list[int]]:
    layers: list[nn.Module] = []
    inputs = 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()] if width else [nn.MaxPool2d(2, 2)]
        inputs = width or inputs
    return nn.Sequential(*layers), [3, 8, 15, 22, 29]


NETS = {"alex": _alexnet, "vgg": _vgg16}


@pytest.fixture(scope="module", params=["alex", "vgg"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """A net's name, its backbone's and its linear weights' file."""
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(3)
    layers, after = NETS[request.param]()
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    torch.save({f"features.{name}": value for name, value in layers.state_dict().items()}, folder / "backbone.pth")
    widths = [layers[number - 1].out_channels for number in after]
    torch.save({f"lin{k}.model.1.weight": torch.rand(1, c, 1, 1) for k, c in enumerate(widths)}, folder / "linear.pth")
    return request.param, folder / "backbone.pth", folder / "linear.pth"


def _plain(net: str, backbone: Path, linear: Path, a: Array, b: Array) -> float:
    """Equation 1 of the paper, the scaling of the authors' program before it."""
    layers, after = NETS[net]()
    layers.load_state_dict({name[9:]: value for name, value in torch.load(backbone, weights_only=True).items()})
    weights = torch.load(linear, weights_only=True)
    x = torch.stack([torch.from_numpy(p.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1 for p in (a, b)])
    mean, deviation = torch.tensor([-0.03, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.45])
    x = (x - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
    total = 0.0
    with torch.no_grad():
        for number in range(after[-1] + 1):
            x = layers[number](x)
            if number in after:
                unit = x / x.norm(dim=1, keepdim=True)
                weight = weights[f"lin{after.index(number)}.model.1.weight"][0]
                total += float(((unit[0] - unit[1]) ** 2 * weight).sum(0).mean())
    return total


@pytest.mark.parametrize("shape", [(32, 32), (45, 70)])
def test_distance_is_that_of_the_paper(
    files: tuple[str, Path, Path], photo: Array, worse: Array, shape: tuple[int, int]
) -> None:
    a, b = (picture[: shape[0], : shape[1]] for picture in (worse, photo))
    assert lpips(a, b, load_lpips(*files)) == pytest.approx(_plain(*files, a, b), rel=1e-4)


def test_equal_symmetric_gray_and_mixed_depths(files: tuple[str, Path, Path], photo: Array, worse: Array) -> None:
    model = load_lpips(*files)
    a, b = worse[:40, :40], photo[:40, :40]
    expected = lpips(a, b, model)
    assert expected > 0
    assert lpips(a, a, model) == 0
    assert lpips(b, a, model) == pytest.approx(expected)
    assert lpips(a / 255, b.astype(np.uint16) * 257, model) == pytest.approx(expected, rel=1e-4)
    gray = [np.repeat(x[:, :, :1], 3, 2) for x in (a, b)]
    assert lpips(a[:, :, 0], b[:, :, 0], model) == pytest.approx(lpips(*gray, model))
    flat = np.full((40, 40, 3), 9, np.uint8)
    assert lpips(flat, flat, model) == 0


def test_safetensors_give_the_same(files: tuple[str, Path, Path], tmp_path: Path, photo: Array, worse: Array) -> None:
    net, *paths = files
    for path in paths:
        save_file(torch.load(path, weights_only=True), tmp_path / f"{path.stem}.safetensors")
    same = load_lpips(net, tmp_path / "backbone.safetensors", tmp_path / "linear.safetensors")
    a, b = worse[:32, :32], photo[:32, :32]
    assert lpips(a, b, same) == lpips(a, b, load_lpips(*files))


def test_small_and_bad_pictures(files: tuple[str, Path, Path]) -> None:
    model = load_lpips(*files)
    with pytest.raises(ValueError, match="32x32"):
        lpips(np.zeros((1, 1, 3)), np.zeros((1, 1, 3)), model)
    with pytest.raises(ValueError, match="NaN"):
        lpips(np.full((40, 40), np.nan), np.zeros((40, 40)), model)


def test_absent_weights_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTWELL_CACHE", str(tmp_path))
    for net, name in (("alex", "alexnet-owt-7be5be79.pth"), ("vgg", "vgg16-397923af.pth")):
        with pytest.raises(WeightsError, match=f"python -m lightwell.metrics download {name}"):
            load_lpips(net)
    with pytest.raises(ValueError, match="alex, vgg"):
        load_lpips("squeeze")


def test_other_weights_are_refused(files: tuple[str, Path, Path], tmp_path: Path) -> None:
    net, backbone, linear = files
    with pytest.raises(WeightsError, match="is missing"):
        load_lpips(net, linear, linear)
    other = torch.load(linear, weights_only=True)
    other["lin4.model.1.weight"] = torch.zeros(1, 7, 1, 1)
    torch.save(other, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"has shape \(1, 7, 1, 1\)"):
        load_lpips(net, backbone, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_lpips(net, backbone, tmp_path / "text.pth")


def test_torch_is_loaded_only_with_a_model() -> None:
    command = "import sys; from lightwell.metrics import lpips, load_lpips; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", command], check=True)
