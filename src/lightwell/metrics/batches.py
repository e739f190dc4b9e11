"""Metrics of batches of torch tensors ``(N, C, H, W)``, C being 1 or 3, in [0, 1] or uint8: one value a picture.

PSNR and SSIM are computed in torch, on the tensors' device and with gradients; the other metrics go through numpy,
picture by picture, and have none. The values are those of the same pictures as arrays, to 1e-6. Torch is only imported
where tensors come in.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

    from lightwell.metrics.protocols import Protocol

__all__ = ["is_tensor", "picture_by_picture", "prepare", "psnr", "ssim"]

Metric = TypeVar("Metric", bound=Callable[..., Any])


def is_tensor(picture: object) -> bool:
    """Whether this is a torch tensor; nobody has one before torch is imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(picture, torch.Tensor)


def picture_by_picture(metric: Metric) -> Metric:
    """Lets a metric of arrays take batches of tensors, through numpy: ``(N,)``, without gradients."""

    @functools.wraps(metric)
    def of_either(*arguments: Any, **words: Any) -> Any:
        if not arguments or not is_tensor(arguments[0]):
            return metric(*arguments, **words)
        import torch

        batches = [_checked(argument) for argument in arguments if is_tensor(argument)]
        others = arguments[len(batches) :]
        if len({batch.shape for batch in batches}) > 1:
            shapes = " and ".join(str(tuple(batch.shape)) for batch in batches)
            raise ValueError(f"batches of {shapes}: shapes must be the same")
        arrays = [batch.detach().permute(0, 2, 3, 1).contiguous().cpu().numpy() for batch in batches]
        values = [metric(*pictures, *others, **words) for pictures in zip(*arrays, strict=True)]
        return torch.tensor(values, dtype=torch.float64, device=None if batches[0].is_mps else batches[0].device)

    return of_either  # type: ignore[return-value]


def psnr(restored: Tensor, target: Tensor) -> Tensor:
    """As `lightwell.metrics.psnr`, ``(N,)``."""
    restored, target = _levels(restored), _levels(target)
    _same(restored, target)
    mse = (restored - target).square().mean((1, 2, 3))
    return 10 * (255**2 / mse).log10()


def ssim(restored: Tensor, target: Tensor) -> Tensor:
    """As `lightwell.metrics.ssim`, ``(N,)``."""
    import torch

    from lightwell.losses.ssim import ssim as dissimilarity

    restored, target = _levels(restored) / 255, _levels(target) / 255
    _same(restored, target)
    if min(restored.shape[-2:]) < 11:
        height, width = restored.shape[-2:]
        raise ValueError(f"SSIM needs pictures of at least 11x11 pixels; these have {height}x{width}")
    # Variances do not depend on the offset, means do: both are exact enough in float64.
    return torch.stack([1 - dissimilarity(one[None], other[None]) for one, other in zip(restored, target, strict=True)])


def prepare(protocol: Protocol, restored: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """As `Protocol.prepare`; where a protocol rounds, what it gives has no gradient."""
    import torch

    from lightwell.metrics.levels import GRAY, LUMA

    def grays(levels: Tensor) -> Tensor:
        weights = levels.new_tensor(GRAY if levels.shape[1] == 3 else (1.0,))
        return levels.mean((2, 3)) @ weights

    def prepared(levels: Tensor, gain: Tensor | float) -> Tensor:
        levels = (levels * gain).clamp(max=255)
        if protocol.rounding:
            levels = (levels + 0.5).floor()
        if protocol.on_luma:
            weights = levels.new_tensor(LUMA if levels.shape[1] == 3 else (219 / 255,))
            levels = (levels.permute(0, 2, 3, 1) @ weights + 16)[:, None]
            if protocol.rounding:
                levels = (levels + 0.5).floor()
        return levels / 255

    restored, target = _levels(restored), _levels(target)
    _same(restored, target)
    gain: Tensor | float = 1.0
    if protocol.gain:
        own = grays(restored)
        gain = torch.where(own > 0, grays(target) / own.clamp_min(1e-300), 1.0)[:, None, None, None]
    return prepared(restored, gain), prepared(target, 1.0)


def _same(restored: Tensor, target: Tensor) -> None:
    if restored.shape != target.shape:
        shapes = f"restored is {tuple(restored.shape)}, target is {tuple(target.shape)}"
        raise ValueError(f"{shapes}: shapes must be the same")


def _levels(batch: Tensor) -> Tensor:
    """Levels from 0 to 255 in float64, in float32 on devices that have no float64."""
    import torch

    wide = torch.float32 if batch.is_mps else torch.float64
    batch = _checked(batch)
    return batch.to(wide) if batch.dtype == torch.uint8 else batch.to(wide) * 255


def _checked(batch: Tensor) -> Tensor:
    import torch

    if batch.ndim != 4 or batch.shape[1] not in (1, 3) or not batch.numel():
        raise ValueError(f"a batch has shape {tuple(batch.shape)}; taken are (N, 3, H, W) and (N, 1, H, W)")
    if batch.dtype == torch.uint8:
        return batch
    if not batch.is_floating_point():
        raise ValueError(f"a batch is of type {batch.dtype}; taken are uint8 and floats in [0, 1]")
    low, high = (float(end) for end in batch.detach().aminmax())
    if not (low >= 0 and high <= 1):  # NaN is neither
        what = f"a batch holds floats from {low:g} to {high:g}"
        raise ValueError(f"{what}; taken are floats in [0, 1]: .clamp(0, 1) what a network gives")
    return batch.float() if batch.dtype in (torch.float16, torch.bfloat16) else batch
