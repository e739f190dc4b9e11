"""FRLIE against the values of the public implementation, kept as fixtures beside the repository."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lightwell.models import create_model
from lightwell.models.frlie import FRLIE, FRLIEConfig
from lightwell.training.objectives import feature_restoration, reconstruction
from lightwell.training.recipe import Batch, Nets

Find = Callable[[str], Path]


def narrow_net(reference: Find) -> FRLIE:
    net = FRLIE(FRLIEConfig(width=8)).eval()
    net.load_state_dict(load_file(reference("frlie/weights_base8.safetensors")))
    return net


def full_net(reference: Find) -> FRLIE:
    """The full-size reference weights are not stored but drawn; their digest is."""
    facts = json.loads(reference("frlie/weights_recipe.json").read_text())["full"]
    net = FRLIE().eval()
    state = net.state_dict()
    noise = np.random.default_rng(facts["seed"])
    digest = hashlib.sha256()
    for key in sorted(state):
        shape = tuple(state[key].shape)
        if key.endswith("num_batches_tracked"):
            value = np.array(facts["seed"], np.int64)
        else:
            drawn = noise.standard_normal(shape)
            if key.endswith("running_var"):
                drawn = 0.5 + np.abs(drawn)
            elif key.endswith("running_mean"):
                drawn = 0.2 * drawn
            elif len(shape) == 4:
                gain = 0.6 if key.startswith("feature_processor.") else 1.6
                drawn = drawn * (gain / np.sqrt(np.prod(shape[1:])))
            elif key.endswith("weight"):
                drawn = 1 + 0.2 * drawn
            else:
                drawn = 0.05 * drawn
            value = drawn.astype(np.float32)
        digest.update(key.encode() + b"\0" + value.tobytes())
        state[key] = torch.from_numpy(value)
    assert digest.hexdigest() == facts["sha256"]
    net.load_state_dict(state)
    return net


def assert_close(found: Tensor, expected: np.ndarray, what: str) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=1e-4, err_msg=what)


@pytest.mark.parametrize(("file", "build"), [("io_base8", narrow_net), ("io", full_net)])
@pytest.mark.parametrize("tag", ["even", "odd"])
def test_every_part_agrees_with_the_public_network(reference: Find, file: str, build: object, tag: str) -> None:
    net: FRLIE = build(reference)  # type: ignore[operator]
    values = np.load(reference(f"frlie/{file}.npz"))
    low = torch.from_numpy(values[f"{tag}.input"])

    with torch.inference_mode():
        features = net.encoder(low)
        restored = net.feature_processor(features)
        assert_close(features, values[f"{tag}.enc_feat"], "features")
        assert_close(restored, values[f"{tag}.restored_feat"], "restored features")
        assert_close(net.decoder(features), values[f"{tag}.recon"], "reconstruction")
        assert_close(net.decoder(restored), values[f"{tag}.enhanced"], "enhanced")
        if tag == "even":
            assert_close(net(low), values["even.enhanced"], "forward")
        else:
            # The public test run pads with black and crops.
            padded = nn.functional.pad(low, (0, 1, 0, 3))
            assert_close(net(padded)[..., :45, :51], values["odd.padded.enhanced_cropped"], "padded")


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (5, 9), (16, 20), (31, 18)])
def test_any_size_comes_back_as_it_went_in(height: int, width: int) -> None:
    torch.manual_seed(0)
    net = FRLIE(FRLIEConfig(width=4, blocks=1)).eval()
    low = torch.rand(2, 3, height, width)
    restored = net(low)
    assert restored.shape == low.shape
    assert ((restored > 0) & (restored < 1)).all()


def test_published_parameter_counts() -> None:
    counts = {
        name: sum(parameter.numel() for parameter in part.parameters())
        for name, part in create_model("frlie").named_children()
    }
    assert counts == {"encoder": 132_224, "decoder": 130_371, "feature_processor": 2_591_872}


def stage(reference: Find) -> tuple[FRLIE, Batch, dict[str, np.ndarray]]:
    values = dict(np.load(reference("frlie/train_base8.npz")))
    net = narrow_net(reference)
    return net, Batch(torch.from_numpy(values["low"]), torch.from_numpy(values["high"])), values


def assert_gradients(net: nn.Module, values: dict[str, np.ndarray], prefix: str) -> None:
    wanted = [key for key in values if key.startswith(prefix)]
    assert wanted
    # A bias in front of a batch norm has no gradient but rounding errors, so the scale is that of its whole part.
    scale = max(float(np.abs(values[key]).max()) for key in wanted)
    for key in wanted:
        gradient = net.get_parameter(key.removeprefix(prefix)).grad
        assert gradient is not None, key
        assert_close(gradient / scale, values[key] / scale, key)


def test_a_step_of_the_first_stage_is_the_public_one(reference: Find) -> None:
    net, batch, values = stage(reference)
    net.encoder.train()
    net.decoder.train()

    loss = 100 * reconstruction(Nets(net), batch, {"l2": 100.0})["l2"]
    loss.backward()

    assert loss.item() == pytest.approx(float(values["stage1.loss"]), rel=1e-5)
    for key, value in values.items():
        if key.startswith("stage1.after."):
            assert_close(net.get_buffer(key.removeprefix("stage1.after.")), value, key)
    assert_gradients(net, values, "stage1.grad.")


def test_a_step_of_the_second_stage_is_the_papers(reference: Find) -> None:
    net, batch, values = stage(reference)
    weights = {"l2": 100.0, "features": 0.2, "ssim": 0.5, "hue": 0.05}

    losses = feature_restoration(Nets(net), batch, weights)
    found = [losses[name].item() for name in weights]
    total = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
    total.backward()

    *terms, whole = values["stage2.paper.terms_l2_fm_ssim_hue_total"]
    np.testing.assert_allclose([*found, total.item()], [*terms, whole], rtol=1e-4)
    assert_gradients(net.feature_processor, values, "stage2.paper.grad.")
