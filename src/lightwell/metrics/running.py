"""A metric over many batches, in the manner of torchmetrics: ``update``, ``compute``, ``reset``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Running"]


class Running:
    """The mean of a metric over all pictures it was shown.

    Values are kept without gradients on the CPU, one for each picture, so that ``values`` can be tested in pairs.

    Args:
        metric: takes a batch of pictures and their targets and gives a value for each picture, ``(N,)``.

    Examples:
        >>> mean = Running(psnr)
        >>> for low, target in loader:
        ...     mean.update(net(low).clamp(0, 1), target)
        >>> mean.compute()
        tensor(22.4129, dtype=torch.float64)
    """

    def __init__(self, metric: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.metric = metric
        self._batches: list[Tensor] = []

    def __call__(self, restored: Tensor, target: Tensor) -> Tensor:
        """Counts a batch and gives its own values, ``(N,)``, with gradients where the metric has them."""
        values = self.metric(restored, target)
        self._batches.append(values.detach().cpu())
        return values

    def update(self, restored: Tensor, target: Tensor) -> None:
        """Counts a batch."""
        self(restored, target)

    @property
    def values(self) -> Tensor:
        """A value for each picture so far, in their order.

        Raises:
            ValueError: before the first batch.
        """
        import torch

        if not self._batches:
            raise ValueError("no pictures yet: call update with a batch first")
        return torch.cat(self._batches)

    def compute(self) -> Tensor:
        """The mean over the pictures so far.

        Raises:
            ValueError: before the first batch.
        """
        return self.values.mean()

    def reset(self) -> None:
        """Forgets all pictures."""
        self._batches = []
