"""DRGN and LW-DRGN. No code of theirs was published: sizes and costs are checked against the paper's Table 2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightwell.models import create_model, load_weights, save_weights
from lightwell.models.drgn import (
    DRGN,
    LWDRGN,
    Critics,
    DRGNConfig,
    FusionGenerator,
    Generator,
    LWDRGNConfig,
    TwoSteps,
    transfer,
)


def tiny(kind: str) -> TwoSteps:
    torch.manual_seed(0)
    match kind:
        case "drgn":
            return DRGN(DRGNConfig(width=4, blocks=(1, 2, 1), reduction=1))
        case "lw":
            return LWDRGN(LWDRGNConfig(width=4, groups=2, blocks=1, reduction=1))
        case "one-step":
            return DRGN(DRGNConfig(width=4, blocks=(1, 1, 1), degradation=False))
        case _:
            return DRGN(DRGNConfig(width=4, blocks=(2,)))


TINY = ["drgn", "lw", "one-step", "one-scale"]


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def multiply_accumulates(net: nn.Module, side: int) -> int:
    """Of convolutions and transposed convolutions, whose weights see every output and every input pixel."""
    total = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        seen = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        total += module.weight.numel() * seen.shape[-2] * seen.shape[-1]  # type: ignore[operator, union-attr]

    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(add)
    net.to("meta")(torch.empty(1, 3, side, side, device="meta"))
    return total


@pytest.mark.parametrize(("name", "millions", "within"), [("drgn", 4.773, 0.03), ("drgn-lw", 0.660, 0.05)])
def test_both_generators_have_the_papers_parameters(name: str, millions: float, within: float) -> None:
    assert count(create_model(name)) == pytest.approx(millions * 1e6, rel=within)


def test_the_cost_is_the_papers() -> None:
    # Table 2 at 384x384. Of DRGN it can only mean one generator, of LW-DRGN both: see the module's docstring.
    refine = create_model("drgn").refine
    assert isinstance(refine, Generator)
    assert multiply_accumulates(refine, 384) == pytest.approx(110.59e9, rel=0.15)
    assert multiply_accumulates(create_model("drgn-lw"), 384) == pytest.approx(18.15e9, rel=0.15)


def test_the_ablations_cost_about_as_much() -> None:
    whole = multiply_accumulates(create_model("drgn"), 96)
    for name in ("drgn-one-step", "drgn-one-scale"):
        assert multiply_accumulates(create_model(name), 96) == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize("kind", TINY)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (5, 9), (16, 20), (31, 18)])
def test_any_size_comes_back_as_it_went_in(kind: str, height: int, width: int) -> None:
    low = torch.rand(2, 3, height, width)
    restored = tiny(kind).eval()(low)
    assert restored.shape == low.shape
    assert torch.isfinite(restored).all()


@pytest.mark.parametrize("kind", TINY)
def test_every_parameter_has_a_gradient(kind: str) -> None:
    net = tiny(kind)
    for name, parameter in net.named_parameters():  # an attention's few hidden units may be dead at first
        if name.endswith("squeeze.bias"):
            nn.init.ones_(parameter)
    net(torch.rand(2, 3, 12, 16)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("kind", ["drgn", "lw"])
def test_what_is_refined_is_the_picture_without_its_degradation(kind: str) -> None:
    net = tiny(kind).eval()
    low = torch.rand(1, 3, 9, 13)
    assert net.degrade is not None
    torch.testing.assert_close(net(low), net.refine(low - net.degrade(low)))
    for module in net.degrade.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    torch.testing.assert_close(net(low), net.refine(low))


def test_every_level_hears_of_all_finer_ones_and_adds_to_the_result() -> None:
    torch.manual_seed(0)
    net = FusionGenerator(DRGNConfig(width=4, blocks=(1, 1, 1)))
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        before = net(x)
        for level in range(3):
            silenced = FusionGenerator(DRGNConfig(width=4, blocks=(1, 1, 1)))
            silenced.load_state_dict(net.state_dict())
            nn.init.zeros_(silenced.initial[level].weight)  # type: ignore[arg-type]
            assert not torch.allclose(silenced(x), before)
        coarse = []
        net.body[2].register_forward_hook(lambda _, inputs, __: coarse.append(inputs[0]))
        net(x)
        nn.init.zeros_(net.initial[0].weight)  # type: ignore[arg-type]
        net(x)
    assert not torch.allclose(*coarse)


def test_the_pyramid_is_blurred_and_keeps_a_flat_picture_flat() -> None:
    torch.manual_seed(0)
    net = FusionGenerator(DRGNConfig(width=4, blocks=(1, 1)))
    seen: list[Tensor] = []
    net.initial[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    dot = torch.zeros(1, 3, 8, 8)
    dot[..., 4, 4] = 1
    net(torch.full((1, 3, 8, 8), 0.3))
    net(dot)
    torch.testing.assert_close(seen[0], torch.full((1, 3, 4, 4), 0.3))
    # The binomial's middle tap is 6 / 16, the taps two pixels off are 1 / 16.
    row = torch.tensor([0.0, 1.0, 6.0, 1.0]) / 16
    torch.testing.assert_close(seen[1][0, 0], torch.outer(row, row))


def test_a_transferred_degradation_is_added_and_clipped_but_its_gradient_is_not() -> None:
    degradation = torch.tensor([-0.5, -0.1, 0.4]).view(1, 3, 1, 1).requires_grad_()
    made = transfer(degradation, torch.tensor([0.2, 0.6, 0.9]).view(1, 3, 1, 1))
    torch.testing.assert_close(made.flatten(), torch.tensor([0.0, 0.5, 1.0]))
    made.sum().backward()
    torch.testing.assert_close(degradation.grad, torch.ones(1, 3, 1, 1))


def test_critics_judge_pictures_of_any_size_one_by_one() -> None:
    torch.manual_seed(0)
    critics = Critics(width=4).eval()
    pictures = torch.rand(3, 3, 13, 18)
    verdicts = critics.low(pictures)
    assert verdicts.shape == (3, 1)
    torch.testing.assert_close(verdicts[1:2], critics.low(pictures[1:2]))
    assert not torch.allclose(verdicts, critics.degradation(pictures))


@pytest.mark.parametrize("kind", TINY)
def test_weights_come_back_from_their_file(kind: str, tmp_path: Path) -> None:
    net = tiny(kind).eval()
    save_weights(net, tmp_path / "net.safetensors")
    again = load_weights(tmp_path / "net.safetensors").eval()
    low = torch.rand(1, 3, 8, 12)
    np.testing.assert_array_equal(net(low).detach(), again(low).detach())
    assert again.config == net.config


def test_a_structure_without_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        DRGNConfig(blocks=())
    with pytest.raises(ValueError, match="must be positive"):
        LWDRGNConfig(width=0)
