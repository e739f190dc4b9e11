"""Losses on discriminators' logits and between distributions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lightwell import losses


def normal(seed: int, *shape: int, scale: float = 0.3, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64) * scale + shift


def test_adversarial_losses_of_known_verdicts() -> None:
    real, made = torch.tensor([[0.0], [2.0]]), torch.tensor([[-1.0], [0.0]])

    def d(logit: float) -> float:
        return 1 / (1 + math.exp(-logit))

    expected = -(math.log(d(0)) + math.log(d(2))) / 2 - (math.log(1 - d(-1)) + math.log(1 - d(0))) / 2
    assert losses.criticism(real, made).item() == pytest.approx(expected)
    assert losses.deception(made).item() == pytest.approx(-(math.log(d(-1)) + math.log(d(0))) / 2)


def test_adversarial_losses_and_gradients_stay_finite_when_one_side_has_won() -> None:
    for loss in (losses.deception, lambda logits: losses.criticism(-logits, logits)):
        for verdict in (-1e4, 1e4):
            logits = torch.full((2, 1), verdict, requires_grad=True)
            value = loss(logits)
            (gradient,) = torch.autograd.grad(value, logits)
            assert torch.isfinite(value)
            assert torch.isfinite(gradient).all()
    lost = torch.full((2, 1), -1e4, requires_grad=True)
    losses.deception(lost).backward()
    assert lost.grad is not None
    assert (lost.grad < -0.4).all()  # half of -1: the loser still learns


def test_a_histogram_of_one_value_is_a_gaussian_around_it() -> None:
    # Four bins of width 0.5; the value lies at the centre of the third.
    found = losses.histogram(torch.full((1, 1, 2, 3), 0.25, dtype=torch.float64), bins=4)[0, 0]
    weights = [math.exp(-0.5 * offset**2) for offset in (-2, -1, 0, 1)]
    expected = [weight / sum(weights) for weight in weights]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


def test_a_histogram_forgets_places_and_keeps_channels_apart() -> None:
    x = normal(0, 2, 3, 6, 7)
    found = losses.histogram(x)
    assert found.shape == (2, 3, 64)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 3, dtype=torch.float64))
    torch.testing.assert_close(losses.histogram(x.flip(2).mT.contiguous()), found)
    torch.testing.assert_close(losses.histogram(x.flip(1)), found.flip(1))


def test_values_out_of_reach_do_not_break_a_histogram() -> None:
    x = torch.full((1, 3, 4, 4), 50.0, requires_grad=True)
    value = losses.kl_histogram(x, torch.zeros(1, 3, 4, 4))
    value.backward()
    assert torch.isfinite(value)
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_the_divergence_of_two_gaussians() -> None:
    # Wide against the bins, narrow against their range: ln(s2 / s1) + (s1^2 + d^2) / (2 s2^2) - 1/2, with the bins'
    # own variance of 1 / 32^2 on top of both.
    a, b = normal(1, 1, 1, 300, 300, scale=0.1), normal(2, 1, 1, 300, 300, scale=0.15, shift=0.1)
    v1, v2 = 0.1**2 + 1 / 32**2, 0.15**2 + 1 / 32**2
    expected = 0.5 * math.log(v2 / v1) + (v1 + 0.1**2) / (2 * v2) - 0.5
    assert losses.kl_histogram(a, b).item() == pytest.approx(expected, rel=0.05)
    other_way = 0.5 * math.log(v1 / v2) + (v2 + 0.1**2) / (2 * v1) - 0.5
    assert losses.kl_histogram(b, a).item() == pytest.approx(other_way, rel=0.05)


def test_the_divergence_of_two_elements() -> None:
    # softmax of (ln 3, 0) is (3/4, 1/4).
    a = torch.tensor([math.log(3), 0.0], dtype=torch.float64).view(1, 1, 1, 2)
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert losses.kl_elements(a, torch.zeros_like(a)).item() == pytest.approx(expected)
    assert losses.kl_elements(a, a + 0.3).item() == pytest.approx(0, abs=1e-12)
    assert losses.kl_histogram(a - 0.5, a - 0.2).item() > 0.1


@pytest.mark.parametrize("name", ["kl_histogram", "kl_elements"])
def test_divergences_are_zero_for_equals_and_else_positive(name: str) -> None:
    divergence = getattr(losses, name)
    a, b = normal(3, 2, 3, 5, 6), normal(4, 2, 3, 5, 6)
    assert divergence(a, a).item() == pytest.approx(0, abs=1e-12)
    assert divergence(a, b) > 1e-3


@pytest.mark.parametrize("name", ["kl_histogram", "kl_elements", "criticism"])
def test_gradients_of_both_sides(name: str) -> None:
    a, b = normal(5, 1, 2, 3, 4).requires_grad_(), normal(6, 1, 2, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(getattr(losses, name), (a, b), fast_mode=True)


def test_gradients_of_deception() -> None:
    assert torch.autograd.gradcheck(losses.deception, normal(7, 4, 1, scale=3.0).requires_grad_())
