"""lightwell.keras against the torch network, and its weights in files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

from lightwell import zoo
from lightwell.errors import WeightsError
from lightwell.keras import create_darkir, create_darkir_model, from_torch, to_torch
from lightwell.models import create_model
from lightwell.models.darkir import DarkIR, DarkIRConfig
from lightwell.models.registry import load_weights, save_weights

CONFIGS = {
    "defaults": DarkIRConfig(width=4),
    "shallow": DarkIRConfig(
        img_channels=1,
        width=6,
        enc_blk_nums=(1, 0),
        dec_blk_nums=(0, 1),
        middle_blk_num_enc=1,
        middle_blk_num_dec=0,
        dilations=(2, 3),
        encoder_dilations=(1, 6),
        extra_depth_wise=False,
    ),
}


def torch_net(config: DarkIRConfig) -> nn.Module:
    """A network no parameter of which is at its start, where gates are zero and norms do nothing."""
    generator = torch.Generator().manual_seed(7)
    net = DarkIR(config)
    for name, parameter in net.named_parameters():
        if name.endswith(("beta", "gamma")):
            nn.init.normal_(parameter, std=0.3, generator=generator)
        elif parameter.ndim == 1:
            parameter.data.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return net


@pytest.fixture(params=CONFIGS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[nn.Module, Path]:
    net = torch_net(CONFIGS[request.param])
    save_weights(net, tmp_path / "torch.safetensors")
    return net, tmp_path / "torch.safetensors"


@pytest.mark.parametrize("transform", ["fft", "matrix"])
def test_output_and_side_are_torchs(pair: tuple[nn.Module, Path], transform: str, pictures: Any) -> None:
    net, path = pair
    model = create_darkir(weights=path, use_side_loss=True, full_size_side=False, transform=transform)
    low = pictures(2, 27, 33, net.config.img_channels)

    with torch.inference_mode():
        wanted = net(torch.from_numpy(low).permute(0, 3, 1, 2), side=True)

    for output, reference in zip(model.predict_on_batch(low), wanted, strict=True):
        np.testing.assert_allclose(output, reference.permute(0, 2, 3, 1), rtol=0, atol=1e-4)
    assert model.count_params() == sum(parameter.numel() for parameter in net.parameters())


def test_without_a_side_output_the_count_is_torchs_without_its(pair: tuple[nn.Module, Path]) -> None:
    net, path = pair

    model = create_darkir(weights=path)

    wanted = sum(parameter.numel() for name, parameter in net.named_parameters() if not name.startswith("side_out"))
    assert model.count_params() == wanted


def test_a_gradient_step_is_torchs(tmp_path: Path, pictures: Any) -> None:
    config = DarkIRConfig(width=4, enc_blk_nums=(1,), dec_blk_nums=(1,), middle_blk_num_enc=1, middle_blk_num_dec=1)
    net = torch_net(config)
    save_weights(net, tmp_path / "before.safetensors")
    model = create_darkir(weights=tmp_path / "before.safetensors")
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    low, target = pictures(2, 1, 19, 22, 3)

    model.train_on_batch(low, target)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    restored = net(torch.from_numpy(low).permute(0, 3, 1, 2))
    nn.functional.mse_loss(restored, torch.from_numpy(target).permute(0, 3, 1, 2)).backward()
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    optimizer.step()

    to_torch(model, tmp_path / "after.safetensors")
    after = load_file(tmp_path / "after.safetensors")
    for name, parameter in net.named_parameters():
        if not name.startswith("side_out"):
            step = (parameter - before[name]).detach().numpy()
            np.testing.assert_allclose(
                after[name] - before[name].numpy(), step, rtol=0, atol=1e-3 * np.abs(step).max() + 2e-7, err_msg=name
            )


def test_weights_go_there_and_back(pair: tuple[nn.Module, Path], tmp_path: Path) -> None:
    net, path = pair
    model = create_darkir(weights=path, use_side_loss=True)

    to_torch(model, tmp_path / "keras.safetensors")
    again = load_weights(tmp_path / "keras.safetensors")

    assert asdict(again.config) == asdict(net.config)
    state = net.state_dict()
    for name, value in again.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_without_a_side_output_its_weights_are_written_as_zeros(pair: tuple[nn.Module, Path], tmp_path: Path) -> None:
    _, path = pair
    to_torch(create_darkir(weights=path), tmp_path / "keras.safetensors")

    assert not load_weights(tmp_path / "keras.safetensors").side_out.weight.any()


@pytest.mark.parametrize("name", ["darkir-s", "darkir-m", "darkir-l"])
def test_names_are_torchs(name: str) -> None:
    net = create_model(name)

    side = sum(parameter.numel() for parameter in net.side_out.parameters())
    assert create_darkir(name).count_params() == sum(parameter.numel() for parameter in net.parameters()) - side


@pytest.mark.parametrize("card", [card for card in zoo.cards() if card.name.startswith("darkir")], ids=lambda c: c.name)
def test_shipped_weights_load_by_name(card: zoo.Card, pictures: Any) -> None:
    low = 0.2 * pictures(1, 24, 32, 3)
    with torch.inference_mode():
        wanted = create_model(card.name, pretrained=True).eval()(torch.from_numpy(low).permute(0, 3, 1, 2))

    model = create_darkir(weights=card.name)

    np.testing.assert_allclose(model.predict_on_batch(low), wanted.permute(0, 2, 3, 1), rtol=0, atol=1e-4)


def test_weights_that_do_not_ship_are_named_with_those_that_do() -> None:
    with pytest.raises(WeightsError, match=r"'darkir-xxl'.*darkir-s"):
        create_darkir(weights="darkir-xxl")


def test_weights_of_another_width_leave_the_model_as_it_was(small: dict[str, Any]) -> None:
    model = create_darkir_model(width=8)
    before = model.get_weights()

    with pytest.raises(WeightsError, match=r"shape.*width"):
        from_torch(model, "darkir-s")

    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    with pytest.raises(WeightsError, match=r"darkir-s\.safetensors"):
        from_torch(create_darkir_model(**small), "darkir-s")


def test_files_that_are_no_darkir_are_named(tmp_path: Path) -> None:
    path = tmp_path / "noise.safetensors"
    path.write_bytes(b"noise")
    with pytest.raises(WeightsError, match=r"noise\.safetensors"):
        create_darkir(weights=path)
    save_file({"x": np.zeros(3, np.float32)}, path)
    with pytest.raises(WeightsError, match="lightwell import"):
        create_darkir(weights=path)
    save_file({"x": np.zeros(3, np.float32)}, path, {"network": "darkir", "config": '{"wide": 3}'})
    with pytest.raises(WeightsError, match="configuration"):
        create_darkir(weights=path)


def test_a_name_or_weights_are_needed() -> None:
    with pytest.raises(ValueError, match="name must be one of darkir-s"):
        create_darkir("darkir-xxl")
    with pytest.raises(ValueError, match="name, weights or both"):
        create_darkir()
