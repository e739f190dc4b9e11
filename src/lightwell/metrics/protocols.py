"""What is done to a picture before PSNR and SSIM are taken, by name: a number without its protocol means little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, overload

import numpy as np

from lightwell.metrics import batches
from lightwell.metrics.levels import Array, check_pair, gray, levels, luma, round_half_up
from lightwell.metrics.psnr import psnr
from lightwell.metrics.ssim import ssim

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PROTOCOLS", "Protocol", "Scores", "score"]

_STRIP = 1 << 16  # values at a time, so that they stay near the processor


Value = TypeVar("Value")


class Scores(NamedTuple, Generic[Value]):
    """PSNR in dB and SSIM of one pair; ``(N,)`` each of a batch of tensors."""

    psnr: Value
    ssim: Value


@dataclass(frozen=True)
class Protocol:
    """One way to prepare a pair of pictures, in the order of the fields.

    Attributes:
        name: what stands beside every number.
        meaning: one line for reports.
        gain: one gain for the restored picture, the truth's mean gray over its own, then clipped.
        rounding: both pictures to 8 bits.
        on_luma: both to BT.601 luma, 16 to 235, rounded as MATLAB's rgb2ycbcr; the data range stays 255.
    """

    name: str
    meaning: str
    gain: bool = False
    rounding: bool = True
    on_luma: bool = False

    def prepare(self, restored: Array, target: Array) -> tuple[Array, Array]:
        """The two pictures as the protocol compares them.

        An all-black restored picture has no gain and is left as it is. Gray is ``0.299 R + 0.587 G + 0.114 B``.

        Shape:
            ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)`` each, the same; returns ``(H, W, C)``, or ``(H, W, 1)`` on luma.

        Raises:
            ValueError: as `lightwell.metrics.psnr`.
        """
        restored, target = check_pair(restored, target)
        own = _mean_gray(restored) if self.gain else 0
        return self._prepare(restored, _mean_gray(target) / own if own else 1), self._prepare(target, 1)

    def _prepare(self, picture: Array, gain: float) -> Array:
        if gain == 1 and not self.on_luma and (not self.rounding or picture.dtype == np.uint8):
            return picture
        height, width, channels = picture.shape
        prepared = np.empty((height, width, 1 if self.on_luma else channels), np.uint8 if self.rounding else np.float64)
        count = max(1, _STRIP // (width * channels))
        for top in range(0, height, count):
            values = np.minimum(levels(picture[top : top + count]) * gain, 255)
            if self.rounding:
                values = round_half_up(values)
            if self.on_luma:
                values = luma(values)[:, :, None]
            prepared[top : top + count] = round_half_up(values) if self.rounding else values / 255
        return prepared


def _mean_gray(picture: Array) -> float:
    """On 0 to 1; gray is linear in the channels, so their means are enough."""
    white = np.iinfo(picture.dtype).max if np.issubdtype(picture.dtype, np.integer) else 1
    return gray(picture.mean((0, 1), np.float64, keepdims=True)).item() / white


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol("strict", "rounded to 8 bits, no change of any kind; over RGB"),
            Protocol(
                "gtmean-gray",
                "as strict after one gain per picture: the truth's mean gray over the output's",
                gain=True,
            ),
            Protocol("y", "as strict on the BT.601 luma, rounded, as MATLAB's rgb2ycbcr", on_luma=True),
            Protocol("float", "as given, not rounded; for debugging only", rounding=False),
        )
    }
)


@overload
def score(restored: Array, target: Array, protocol: Protocol | str) -> Scores[float]: ...


@overload
def score(restored: Tensor, target: Tensor, protocol: Protocol | str) -> Scores[Tensor]: ...


def score(restored: Array | Tensor, target: Array | Tensor, protocol: Protocol | str) -> Scores[Any]:
    """PSNR and SSIM of one pair under a protocol.

    Over several pictures the mean of the scores is taken, never the score of the mean error.

    Args:
        restored: uint8, uint16 or float in [0, 1]; or torch tensors ``(N, C, H, W)``, which give ``(N,)`` on their
            device. What a network gives is to be clamped first. A protocol that rounds leaves no gradient: all but
            ``float`` do.
        target: the truth, of the same shape; its type may differ.
        protocol: a protocol or the name of one of `PROTOCOLS`.

    Raises:
        ValueError: no such protocol, or as `lightwell.metrics.ssim`.
    """
    if isinstance(protocol, str):
        if protocol not in PROTOCOLS:
            raise ValueError(f"no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
        protocol = PROTOCOLS[protocol]
    if batches.is_tensor(restored):
        prepared = batches.prepare(protocol, restored, target)  # type: ignore[arg-type]
        return Scores(batches.psnr(*prepared), batches.ssim(*prepared))
    pair = protocol.prepare(restored, target)  # type: ignore[arg-type]
    return Scores(psnr(*pair), ssim(*pair))
