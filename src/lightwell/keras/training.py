"""What training a restoration network needs beside the network: loss, metrics, augmentation, pictures on the way."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from lightwell.data.folders import find_pairs
from lightwell.keras.layers import Configured
from lightwell.pictures import Picture, read_named

__all__ = ["PSNR", "SSIM", "AugmentedPairs", "BeforeAfter", "CharbonnierLoss", "FolderPairs", "Resume", "as_floats"]

Tensor = Any
Array = NDArray[Any]

_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03
# Equal pictures have an infinite PSNR, which no mean survives; they count as 100 dB.
_LEAST_ERROR = 1e-10

_register = keras.saving.register_keras_serializable(package="lightwell")


@_register
class CharbonnierLoss(Configured, keras.losses.Loss):
    """``sqrt(difference^2 + epsilon^2)``, an L1 that is smooth at zero.

    Charbonnier et al.: "Two Deterministic Half-Quadratic Regularization Algorithms for Computed Imaging", ICIP 1994.

    Args:
        epsilon: where it leads over from square to absolute.
    """

    def __init__(self, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(**{"name": "charbonnier", **kwargs})
        self.epsilon = epsilon

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        difference = y_pred - ops.cast(y_true, y_pred.dtype)
        return ops.mean(ops.sqrt(difference * difference + self.epsilon**2), axis=-1)


class _PictureMean(Configured, keras.metrics.Mean):
    """The mean over pictures of a measure of each.

    Args:
        max_val: the value of white; restored pictures are clipped to [0, max_val], but not rounded.
    """

    def __init__(self, max_val: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**{"name": type(self).__name__.lower(), **kwargs})
        self.max_val = max_val

    def measured(self, target: Tensor, restored: Tensor) -> Tensor:
        """``(N,)`` from two ``(N, H, W, C)`` in [0, 1]."""
        raise NotImplementedError

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Any:
        target, restored = (ops.cast(ops.convert_to_tensor(x), "float32") / self.max_val for x in (y_true, y_pred))
        return super().update_state(self.measured(target, ops.clip(restored, 0.0, 1.0)), sample_weight)


@_register
class PSNR(_PictureMean):
    """Peak signal-to-noise ratio in dB, per picture, then the mean; equal pictures count as 100 dB."""

    def measured(self, target: Tensor, restored: Tensor) -> Tensor:
        error = ops.mean(ops.square(restored - target), axis=(1, 2, 3))
        return -10 * ops.log10(ops.maximum(error, _LEAST_ERROR))


@_register
class SSIM(_PictureMean):
    """Structural similarity as `lightwell.metrics.ssim` takes it: Gaussian window of 11x11 pixels, per channel.

    Wang, Bovik, Sheikh, Simoncelli: "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004.
    Pictures need at least 11x11 pixels.
    """

    def measured(self, target: Tensor, restored: Tensor) -> Tensor:
        channels = target.shape[-1]
        # Variances do not depend on the offset; without the middle they keep more digits in float32.
        x, y = target - 0.5, restored - 0.5
        maps = ops.concatenate([x, y, x * x, y * y, x * y], axis=-1)
        at = np.arange(_WINDOW) - _WINDOW // 2
        taps = np.exp(-0.5 * (at / _SIGMA) ** 2)
        taps = np.tile((taps / taps.sum())[:, None, None, None], (1, 1, 5 * channels, 1)).astype("float32")
        maps = ops.depthwise_conv(ops.depthwise_conv(maps, taps), taps.swapaxes(0, 1))
        mean_x, mean_y, xx, yy, xy = (maps[..., k * channels : (k + 1) * channels] for k in range(5))
        both = xx - mean_x * mean_x + yy - mean_y * mean_y
        covariance = xy - mean_x * mean_y
        mean_x, mean_y = mean_x + 0.5, mean_y + 0.5
        above = (2 * mean_x * mean_y + _K1**2) * (2 * covariance + _K2**2)
        below = (mean_x * mean_x + mean_y * mean_y + _K1**2) * (both + _K2**2)
        return ops.mean(above / below, axis=(1, 2, 3))


class AugmentedPairs(keras.utils.PyDataset):
    """Random square crops of pairs of pictures, flipped and turned by quarter turns, both of a pair alike.

    What an epoch holds depends on seed and epoch alone, whatever the number of workers.

    Args:
        low: the pictures to restore, each ``(H, W, C)``, of one size or several: floats in [0, 1], uint8 or uint16.
        target: the truths, of the same shapes.
        crop: side of the crops in pixels.
        batch_size: pairs in a batch; the last of an epoch may have fewer.
        outputs: how often the target is given: 2 for a model with a side output.
        seed: of crops and order.

    Raises:
        ValueError: when pictures of a pair differ in size, or are smaller than the crop, which must be positive.
    """

    def __init__(
        self,
        low: Sequence[Array] | Array,
        target: Sequence[Array] | Array,
        crop: int = 128,
        batch_size: int = 8,
        outputs: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if crop < 1 or batch_size < 1:
            raise ValueError(f"crop and batch_size must be positive: {crop} and {batch_size}")
        if len(low) != len(target) or not len(low):
            raise ValueError(f"low and target need one picture per pair each: {len(low)} and {len(target)}")
        for number, (dark, bright) in enumerate(zip(low, target, strict=True)):
            if dark.shape != bright.shape:
                raise ValueError(f"low and target of pair {number} differ in shape: {dark.shape} and {bright.shape}")
            if min(dark.shape[:2]) < crop:
                raise ValueError(f"crop is {crop}, more than pair {number} has: {dark.shape}")
        self.low, self.target, self.crop, self.batch_size = low, target, crop, batch_size
        self.outputs, self.seed, self.epoch = outputs, seed, 0

    def __len__(self) -> int:
        return -(-len(self.low) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Array, Array | tuple[Array, ...]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.low))
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        dice = np.random.default_rng((self.seed, self.epoch, index))
        pairs = [self._crop(self.low[number], self.target[number], dice) for number in chosen]
        low, target = (np.stack(pictures) for pictures in zip(*pairs, strict=True))
        return low, target if self.outputs == 1 else (target,) * self.outputs

    def _crop(self, low: Array, target: Array, dice: np.random.Generator) -> tuple[Array, Array]:
        top, left = (dice.integers(side - self.crop + 1) for side in low.shape[:2])
        turns, mirrored = int(dice.integers(4)), dice.integers(2)
        both = []
        for picture in (low, target):
            piece = np.rot90(as_floats(np.asarray(picture[top : top + self.crop, left : left + self.crop])), turns)
            both.append(piece[:, ::-1] if mirrored else piece)
        return both[0], both[1]

    def on_epoch_end(self) -> None:
        """Goes on to the next epoch's crops."""
        self.epoch += 1


def as_floats(picture: Array) -> Array:
    """A picture in [0, 1]: uint8 and uint16 by their white, floats as they are.

    Raises:
        ValueError: for whole numbers of other kinds.
    """
    if picture.dtype in (np.uint8, np.uint16):
        return picture.astype(np.float32) / np.float32(np.iinfo(picture.dtype).max)
    if not np.issubdtype(picture.dtype, np.floating):
        raise ValueError(f"pictures are floats in [0, 1], uint8 or uint16, not {picture.dtype}")
    return picture


class _Files(Sequence[Array]):
    """Pictures that are read when they are asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        pixels = read_named(self.paths[index]).pixels
        return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


class FolderPairs(AugmentedPairs):
    """`AugmentedPairs` of a folder with ``low``, dark pictures, and ``high``, the same scenes well lit, by name.

    Pictures are read as they are needed; ``workers`` and ``use_multiprocessing`` of ``keras.utils.PyDataset`` read
    ahead. All are read once before, so that a broken one is named now.

    Args:
        folder: with ``low`` and ``high`` in it.
        options: as of `AugmentedPairs`.

    Raises:
        DataError: when a folder or a partner is missing.
        PictureError: when a picture cannot be read.
        ValueError: when pictures of a pair differ in size, or are smaller than the crop.
    """

    def __init__(self, folder: str | os.PathLike[str], **options: Any) -> None:
        pairs = find_pairs(Path(folder, "low"), Path(folder, "high"))
        super().__init__(_Files([pair.low for pair in pairs]), _Files([pair.high for pair in pairs]), **options)


class Resume(keras.callbacks.BackupAndRestore):
    """Lets the same call of ``fit`` go on after a stop, and end with the weights of one that was not stopped.

    After every epoch the model's and the optimiser's state go into a folder, which is removed at the end. Keras' own
    ``BackupAndRestore`` does this too, but begins again with the crops of the first epoch. Give ``fit`` shuffle=False:
    the pairs are drawn in an order of their own, and Keras would put the batches into another one each time.

    Args:
        folder: of the state; made if missing.
        pairs: what is fitted.
    """

    def __init__(self, folder: str | os.PathLike[str], pairs: AugmentedPairs) -> None:
        super().__init__(os.fspath(folder))
        self.pairs = pairs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 (as Keras calls it)
        """Takes the pairs to this epoch's crops."""
        self.pairs.epoch = epoch


class BeforeAfter(keras.callbacks.Callback):
    """Writes ``EPOCH_NUMBER.png``, before and after side by side, while training goes on.

    Args:
        low: pictures to restore, ``(N, H, W, 1 or 3)``, floats in [0, 1], uint8 or uint16.
        folder: where to; made if missing.
        every: epochs from one time to the next.
    """

    def __init__(self, low: Array, folder: str | os.PathLike[str], every: int = 1) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be positive: {every}")
        self.low, self.folder, self.every = as_floats(np.asarray(low)), Path(folder), every

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 (as Keras calls it)
        """Writes the pictures if it is time."""
        if (epoch + 1) % self.every:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, low in enumerate(self.low):
            outputs = self.model.predict_on_batch(low[None])
            restored = (outputs[0] if isinstance(outputs, list | tuple) else outputs)[0]
            both = np.concatenate([low, restored], axis=1)
            pixels = np.round(np.clip(both, 0, 1) * 255).astype(np.uint8)
            Picture(pixels).write(self.folder / f"{epoch + 1:04}_{number}.png")
