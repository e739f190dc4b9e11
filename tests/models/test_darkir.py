"""DarkIR against the values of the public implementation, kept as fixtures beside the repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from lightwell.models import create_model
from lightwell.models.darkir import DarkIR, DarkIRConfig, DecoderBlock, EncoderBlock, FreMLP

NETS = {
    "net_default_w8": ["64x80", "61x75", "32x48"],
    "net_variant_w12": ["64x48", "61x75"],
    "net_depth4_gray_w4": ["64x32", "37x53"],
}

Find = Callable[[str], Path]


def reference_net(path: Path) -> DarkIR:
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
    config["img_channels"] = config.pop("img_channel")
    net = DarkIR(DarkIRConfig(**config)).double()
    net.load_state_dict(load_file(path))
    return net


def randomise_gates(net: nn.Module) -> nn.Module:
    """Untrained gates are zero, which makes the network the identity whatever is inside."""
    generator = torch.Generator().manual_seed(7)
    for name, parameter in net.named_parameters():
        if name.rsplit(".", 1)[-1] in ("beta", "gamma"):
            nn.init.normal_(parameter, std=0.3, generator=generator)
    return net


@pytest.mark.parametrize(("name", "size"), [(name, size) for name, sizes in NETS.items() for size in sizes])
def test_output_and_side_agree_with_the_public_network(reference: Find, name: str, size: str) -> None:
    net = reference_net(reference(f"darkir/{name}.safetensors"))
    values = np.load(reference(f"darkir/{name}_{size}.npz"))
    low = torch.from_numpy(values["input"]).double()

    with torch.inference_mode():
        restored, side = net(low, side=True)
        restored32 = net.float()(low.float())

    np.testing.assert_allclose(restored, values["output_f64"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(side, values["side_f64"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(restored32, values["output"], rtol=0, atol=1e-4 * np.ptp(values["output"]))


def test_gradients_agree_with_the_public_network(reference: Find) -> None:
    net = reference_net(reference("darkir/net_default_w8.safetensors")).float()
    values = np.load(reference("darkir/net_default_w8_29x42_grads.npz"))
    low = torch.from_numpy(values["input"]).requires_grad_()

    restored, side = net(low, side=True)
    (restored * torch.from_numpy(values["cot_output"])).sum().add(
        (side * torch.from_numpy(values["cot_side"])).sum()
    ).backward()

    wanted = {"input": (low, "grad_input")}
    for key in values.files:
        if key.startswith("grad/"):
            wanted[key] = (net.get_parameter(key.removeprefix("grad/").replace("/", ".")), key)
    assert len(wanted) > 5
    for tensor, key in wanted.values():
        assert tensor.grad is not None
        np.testing.assert_allclose(tensor.grad, values[key], rtol=0, atol=1e-4 * np.abs(values[key]).max(), err_msg=key)


BLOCKS = {
    "fremlp_even": lambda: FreMLP(6),
    "fremlp_odd": lambda: FreMLP(6),
    "fremlp_expand3": lambda: FreMLP(4, expand=3),
    "eblock_extra": lambda: EncoderBlock(6, extra_depth_wise=True),
    "eblock_noextra": lambda: EncoderBlock(6),
    "eblock_dil_1_4": lambda: EncoderBlock(6, (1, 4), extra_depth_wise=True),
    "dblock_default": lambda: DecoderBlock(6, (1, 4, 9), extra_depth_wise=True),
    "dblock_noextra_d2_5": lambda: DecoderBlock(6, (2, 5)),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_and_their_gradients_agree(reference: Find, name: str) -> None:
    values = np.load(reference("darkir/blocks.npz"))
    weights = load_file(reference("darkir/blocks.safetensors"))
    block = BLOCKS[name]()
    block.load_state_dict(
        {k.removeprefix(f"{name}."): v for k, v in weights.items() if k.startswith(f"{name}.")}, strict=True
    )
    x = torch.from_numpy(values[f"{name}/input"]).requires_grad_()

    out = block(x)
    out.backward(torch.from_numpy(values[f"{name}/cotangent"]))

    assert x.grad is not None
    np.testing.assert_allclose(out.detach(), values[f"{name}/output"], rtol=0, atol=2e-5)
    scale = np.abs(values[f"{name}/grad_input"]).max()
    np.testing.assert_allclose(x.grad, values[f"{name}/grad_input"], rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("case", ["zero_input", "impulse_input"])
def test_empty_bins_of_the_spectrum_have_phase_zero(reference: Find, case: str) -> None:
    values = np.load(reference("darkir/blocks.npz"))
    weights = load_file(reference("darkir/blocks.safetensors"))
    block = FreMLP(6)
    block.load_state_dict(
        {k.removeprefix("fremlp_even."): v for k, v in weights.items() if k.startswith("fremlp_even.")}
    )

    out = block(torch.from_numpy(values[f"fremlp_even/{case}"])).detach()

    wanted = values["fremlp_even/" + ("zero_input_output" if case == "zero_input" else "impulse_output")]
    np.testing.assert_allclose(out, wanted, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "parameters"), [("darkir-s", 868_115), ("darkir-m", 3_314_723), ("darkir-l", 12_943_427)]
)
def test_presets_have_the_published_size(name: str, parameters: int) -> None:
    net = create_model(name)

    assert sum(p.numel() for key, p in net.named_parameters() if not key.startswith("side_out.")) == parameters


def test_names_are_those_of_the_public_checkpoints(reference: Find) -> None:
    lines = reference("darkir/keys.txt").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("# DarkIR-m"))
    public = {}
    for line in lines[start:]:
        if line.startswith("# DarkIR-l"):
            break
        key, _, shape = line.partition("\t")
        if shape:
            public[key] = json.loads(shape)

    ours = {key: list(value.shape) for key, value in create_model("darkir-m").state_dict().items()}

    assert ours == public


def test_a_fresh_network_gives_its_input_back() -> None:
    net = DarkIR(DarkIRConfig(width=4))
    nn.init.zeros_(net.ending.weight)
    assert net.ending.bias is not None
    nn.init.zeros_(net.ending.bias)
    low = torch.rand(1, 3, 9, 14)

    torch.testing.assert_close(net(low), low)


@pytest.mark.parametrize("size", [(1, 1), (3, 17), (8, 8), (25, 40)])
def test_padding_is_with_zeros_at_the_right_and_bottom(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = randomise_gates(DarkIR(DarkIRConfig(width=4)))
    low = torch.rand(1, 3, *size)
    height, width = size
    padded = torch.zeros(1, 3, -(-height // 8) * 8, -(-width // 8) * 8)
    padded[..., :height, :width] = low

    with torch.inference_mode():
        restored = net(low)

        assert restored.shape == low.shape
        torch.testing.assert_close(restored, net(padded)[..., :height, :width])


def test_half_precision_keeps_the_spectrum_in_float32() -> None:
    # 256x256 pixels of 1 have a spectrum whose first bin, 65536, is infinite in float16.
    torch.manual_seed(0)
    block = FreMLP(4).to(torch.bfloat16).float()
    x = torch.ones(1, 4, 256, 256, dtype=torch.float16)

    out = block(x)

    assert out.dtype == torch.float16
    assert torch.isfinite(out).all()


def test_autocast_gives_finite_gradients_everywhere() -> None:
    torch.manual_seed(0)
    net = randomise_gates(DarkIR(DarkIRConfig(width=4, encoder_dilations=(1, 2))))

    with torch.autocast("cpu", torch.bfloat16):
        restored, side = net(torch.rand(1, 3, 24, 32), side=True)
    (restored.float().square().mean() + side.float().square().mean()).backward()

    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def one_block_config(**changes: object) -> dict[str, object]:
    return {"enc_blk_nums": (1,), "dec_blk_nums": (1,), "middle_blk_num_enc": 1, "middle_blk_num_dec": 1} | changes


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dec_blk_nums": (1, 1)}, "enc_blk_nums and dec_blk_nums"),
        ({"width": 0}, "width"),
        ({"dilations": ()}, "dilations"),
        ({"encoder_dilations": (0,)}, "encoder_dilations"),
    ],
)
def test_a_wrong_structure_is_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        DarkIRConfig(**one_block_config(**changes))  # type: ignore[arg-type]


def test_black_and_constant_pictures_train() -> None:
    torch.manual_seed(0)
    net = randomise_gates(DarkIR(DarkIRConfig(width=4)))
    low: Tensor = torch.zeros(2, 3, 16, 16)
    low[1] = 0.5

    net(low).square().mean().backward()

    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
