"""Metrics of torch tensors are those of the same pictures as arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lightwell.metrics import PROTOCOLS, Running, ciede2000, fsim, fsimc, hue_error, load_niqe, niqe, psnr, score, ssim


def batch(seed: int, channels: int = 3, height: int = 40, width: int = 52) -> Tensor:
    return torch.rand(3, channels, height, width, generator=torch.Generator().manual_seed(seed)) * 0.8


def arrays(x: Tensor) -> list[np.ndarray[Any, Any]]:
    return list(x.detach().permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize("metric", [psnr, ssim, fsim, fsimc, ciede2000, hue_error])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_tensors_score_as_arrays(metric: Callable[..., Any], dtype: torch.dtype) -> None:
    a, b = batch(0), batch(1)
    if dtype == torch.uint8:
        a, b = (a * 255).byte(), (b * 255).byte()
    values = metric(a, b)
    assert values.shape == (3,)
    expected = [metric(one, other) for one, other in zip(arrays(a), arrays(b), strict=True)]
    np.testing.assert_allclose(values.numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("channels", [1, 3])
def test_protocols_prepare_tensors_as_arrays(name: str, channels: int) -> None:
    a, b = batch(2, channels) * 0.4, batch(3, channels)
    a[0] = 0  # all black: no gain makes it lighter
    found = score(a, b, name)
    expected = [score(one, other, name) for one, other in zip(arrays(a), arrays(b), strict=True)]
    np.testing.assert_allclose(found.psnr.numpy(), [value.psnr for value in expected], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.ssim.numpy(), [value.ssim for value in expected], rtol=0, atol=1e-6)


def test_a_metric_without_truth_takes_a_batch() -> None:
    model = load_niqe("lightwell-bsds300")
    x = torch.nn.functional.interpolate(batch(4, height=50, width=60), (200, 240), mode="bicubic").clamp(0, 1)
    expected = [niqe(picture, model) for picture in arrays(x)]
    np.testing.assert_allclose(niqe(x, model).numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_gradients_lead_to_a_better_value(metric: Callable[..., Any]) -> None:
    target = batch(5)
    restored = batch(6).requires_grad_()
    before = metric(restored, target)
    before.sum().backward()
    assert restored.grad is not None
    step = 0.01 / restored.grad.abs().max()
    after = metric((restored.detach() + step * restored.grad).clamp(0, 1), target)
    assert (after > before).all()


def test_equal_pictures_are_infinitely_alike() -> None:
    assert torch.isinf(psnr(batch(7), batch(7))).all()
    torch.testing.assert_close(ssim(batch(7), batch(7)), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.rand(3, 20, 20), "taken are (N, 3, H, W)"),
        (torch.rand(1, 3, 20, 20) + 0.5, ".clamp(0, 1) what a network gives"),
        (torch.full((1, 3, 20, 20), float("nan")), "from nan"),
        (torch.zeros(1, 3, 20, 20, dtype=torch.int64), "uint8 and floats"),
        (torch.rand(1, 3, 10, 20), "at least 11x11"),
    ],
)
def test_what_is_no_batch_of_pictures_is_told(x: Tensor, words: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the words are compared below)
        ssim(x, x)
    assert words in str(caught.value)


def test_unequal_batches_are_refused() -> None:
    for metric in (psnr, ssim, fsim):
        with pytest.raises(ValueError, match="shapes must be the same"):
            metric(batch(0), batch(0)[:2])


def test_a_running_mean_counts_pictures_not_batches() -> None:
    generator = torch.Generator().manual_seed(0)
    restored, target = torch.rand(2, 5, 3, 16, 20, generator=generator)
    mean = Running(psnr)
    with pytest.raises(ValueError, match="no pictures yet"):
        mean.compute()
    mean.update(restored[:4], target[:4])
    last = mean(restored[4:].requires_grad_(), target[4:])
    assert last.requires_grad
    arrays = zip(restored.detach().numpy(), target.numpy(), strict=True)
    each = [psnr(a.transpose(1, 2, 0), b.transpose(1, 2, 0)) for a, b in arrays]
    assert mean.values.tolist() == pytest.approx(each, abs=1e-6)
    assert float(mean.compute()) == pytest.approx(sum(each) / 5, abs=1e-6)
    mean.reset()
    mean.update(restored[:1], target[:1])
    assert float(mean.compute()) == pytest.approx(each[0], abs=1e-6)
