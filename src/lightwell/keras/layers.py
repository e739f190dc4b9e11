"""The layers of DarkIR; all take and give channels-last pictures.

The same network as `lightwell.models.darkir`, and the names of weights follow from those there (see
`lightwell.keras.weights`). Gates beta and gamma start at zero, so an untrained block gives back its input.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from lightwell.keras.convolution import convolve, depthwise
from lightwell.keras.spectrum import irfft2, irfft2_by_matrices, rfft2, rfft2_by_matrices

__all__ = [
    "Configured",
    "Conv",
    "CropLike",
    "DarkIRDecoderBlock",
    "DarkIREncoderBlock",
    "DilatedBranch",
    "FreMLP",
    "PadToMultiple",
    "PairConv",
    "PixelShuffle",
    "SimpleGate",
]

Tensor = Any
Shape = tuple[int | None, ...]

TRANSFORMS = "fft", "matrix"

# Below this squared magnitude a spectrum's bin counts as zero: its square root has no usable gradient in float32.
_NULL_POWER = 1e-30

_register = keras.saving.register_keras_serializable(package="lightwell")


class Configured:
    """What keeps its constructor's arguments as attributes of the same names, which makes its configuration."""

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        # Not of the class: Keras' layers have a __new__ that takes anything.
        for name, argument in inspect.signature(type(self).__init__).parameters.items():
            if argument.kind is argument.POSITIONAL_OR_KEYWORD and name != "self":
                config.setdefault(name, getattr(self, name))
        return config


class Layer(Configured, keras.layers.Layer):
    """Gives back the shape it takes, unless a subclass says otherwise."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


def _uniform(fan_in: int) -> keras.initializers.Initializer:
    """How torch starts a convolution's kernel."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


def _cast(x: Tensor, dtype: str) -> Tensor:
    return x if keras.backend.standardize_dtype(x.dtype) == dtype else ops.cast(x, dtype)


@_register
class SimpleGate(Layer):
    """The first half of the channels times the second half (NAFNet, ECCV 2022, eq. 4).

    Shape:
        ``(..., 2C)`` to ``(..., C)``.

    Raises:
        ValueError: for an odd number of channels.
    """

    def build(self, input_shape: Shape) -> None:
        if input_shape[-1] is None or input_shape[-1] % 2:
            raise ValueError(f"SimpleGate halves the channels, so inputs need an even number: {input_shape[-1]}")

    def call(self, inputs: Tensor) -> Tensor:
        half = inputs.shape[-1] // 2
        return inputs[..., :half] * inputs[..., half:]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], (input_shape[-1] or 0) // 2)


@_register
class Conv(Layer):
    """A dense convolution.

    Args:
        filters: channels of the output.
        kernel_size: side of the kernel, odd where the stride is 1.
        stride: of rows and columns; above 1 nothing is padded.
        use_bias: add a bias.

    Shape:
        ``(N, H, W, C)`` to ``(N, H // stride, W // stride, filters)``.
    """

    def __init__(
        self, filters: int, kernel_size: int = 1, stride: int = 1, use_bias: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.stride, self.use_bias = filters, kernel_size, stride, use_bias

    def build(self, input_shape: Shape) -> None:
        channels, side = _channels(input_shape), self.kernel_size
        shape, start = (side, side, channels, self.filters), _uniform(side * side * channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=start, autocast=self.autocast)
        self.bias: Any = None
        if self.use_bias:
            own = {"shape": (self.filters,), "initializer": "zeros", "autocast": self.autocast}
            self.bias = self.add_weight(name="bias", **own)

    def call(self, inputs: Tensor) -> Tensor:
        bias = self.bias.value if self.use_bias else None
        return convolve(inputs, self.kernel.value, bias, self.stride)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sides = (side and side // self.stride for side in input_shape[1:3])
        return (input_shape[0], *sides, self.filters)


@_register
class DilatedBranch(Layer):
    """A depthwise 3x3 convolution whose taps lie ``dilation`` pixels apart.

    Args:
        dilation: 1 for neighbouring pixels.

    Shape:
        ``(N, H, W, C)`` to the same.
    """

    def __init__(self, dilation: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if dilation < 1:
            raise ValueError(f"dilation must be positive: {dilation}")
        self.dilation = int(dilation)

    def build(self, input_shape: Shape) -> None:
        channels = _channels(input_shape)
        self.kernel = self.add_weight(name="kernel", shape=(3, 3, channels, 1), initializer=_uniform(9))
        self.bias = self.add_weight(name="bias", shape=(channels,), initializer="zeros")

    def call(self, inputs: Tensor) -> Tensor:
        return depthwise(inputs, self.kernel.value, self.bias.value, self.dilation)


@_register
class PairConv(Layer):
    """A 3x3 convolution in groups of two channels, as two depthwise ones, for which every backend has a quick path.

    Shape:
        ``(N, H, W, C)`` to the same, C even.
    """

    def build(self, input_shape: Shape) -> None:
        channels = _channels(input_shape)
        if channels % 2:
            raise ValueError(f"PairConv takes channels in pairs, so inputs need an even number: {channels}")
        self.kernel = self.add_weight(name="kernel", shape=(3, 3, 2, channels), initializer=_uniform(18))
        self.bias = self.add_weight(name="bias", shape=(channels,), initializer="zeros")

    def call(self, inputs: Tensor) -> Tensor:
        channels = inputs.shape[-1]
        # Output channel 2g + o has one tap on input channel 2g + o itself and one on its partner.
        taps = ops.reshape(self.kernel.value, (3, 3, 2, channels // 2, 2))
        own = ops.stack((taps[:, :, 0, :, 0], taps[:, :, 1, :, 1]), axis=-1)
        other = ops.stack((taps[:, :, 1, :, 0], taps[:, :, 0, :, 1]), axis=-1)
        own, other = (ops.reshape(part, (3, 3, channels, 1)) for part in (own, other))
        _, height, width, _ = ops.shape(inputs)
        pairs = ops.reshape(inputs, (-1, height, width * channels // 2, 2))
        swapped = ops.reshape(ops.flip(pairs, axis=-1), (-1, height, width, channels))
        return depthwise(inputs, own, self.bias.value) + depthwise(swapped, other, None)


@_register
class FreMLP(Layer):
    """An MLP on the magnitude of the spectrum; the phase stays (paper, "Frequency Domain MLP").

    Computes in float32 whatever the precision around it: the spectrum, which is not normalised, overflows float16.

    Args:
        expand: the MLP's hidden channels per channel.
        transform: "fft", or "matrix" for a graph without complex numbers.
        fold: a divisor of every height it will meet, which makes "matrix" quicker.

    Shape:
        ``(N, H, W, C)`` to the same.
    """

    def __init__(self, expand: int = 2, transform: str = "fft", fold: int = 1, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if transform not in TRANSFORMS:
            raise ValueError(f"transform must be one of {', '.join(TRANSFORMS)}: {transform!r}")
        self.expand, self.transform, self.fold = expand, transform, fold

    def build(self, input_shape: Shape) -> None:
        channels = _channels(input_shape)
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        self.process1_0 = Conv(self.expand * channels, name="process1_0", dtype=dtype, autocast=False)
        self.process1_2 = Conv(channels, name="process1_2", dtype=dtype, autocast=False)
        self.process1_0.build(input_shape)
        self.process1_2.build((*input_shape[:-1], self.expand * channels))

    def call(self, inputs: Tensor) -> Tensor:
        x = _cast(inputs, self.process1_0.compute_dtype)
        by_fft = self.transform == "fft"
        real, imag = rfft2(x) if by_fft else rfft2_by_matrices(x, self.fold)
        power = real * real + imag * imag
        # The gradient of |F| divides by |F|, and squaring underflows long before |F| does, which makes it NaN. What
        # counts as zero gets magnitude 1, harmless to divide by, and phase 0: its new magnitude is its new real part.
        null = power < _NULL_POWER
        magnitude = ops.sqrt(ops.where(null, 1.0, power))
        hidden = ops.leaky_relu(self.process1_0.call(ops.where(null, 0.0, magnitude)), 0.1)
        mapped = self.process1_2.call(hidden)
        gain = mapped / magnitude
        real, imag = ops.where(null, mapped, real * gain), imag * gain
        width = ops.shape(inputs)[2]
        out = irfft2(real, imag, width) if by_fft else irfft2_by_matrices(real, imag, width, self.fold)
        return _cast(out, self.compute_dtype)


class _SpatialAttention(Layer):
    """What both kinds of block share: the gated sum of depthwise branches, scaled by the picture's pooled statistics.

    The parts have the block's precision and are run by ``call``: through Keras' ``__call__``, 200 times 0.2 ms, a small
    picture takes twice as long on torch.

    Args:
        dilations: one branch for each.
        extra_depth_wise: an extra 3x3 convolution.
    """

    def __init__(self, dilations: Sequence[int] = (1,), extra_depth_wise: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not dilations:
            raise ValueError("dilations needs at least one entry")
        self.dilations, self.extra_depth_wise = tuple(dilations), extra_depth_wise

    def build(self, input_shape: Shape) -> None:
        channels = _channels(input_shape)
        double = (*input_shape[:-1], 2 * channels)
        self.beta = self.add_weight(name="beta", shape=(channels,), initializer="zeros")
        self.gamma = self.add_weight(name="gamma", shape=(channels,), initializer="zeros")
        self.norm1 = self._part(keras.layers.LayerNormalization(epsilon=1e-6, **self._named("norm1")), input_shape)
        self.norm2 = self._part(keras.layers.LayerNormalization(epsilon=1e-6, **self._named("norm2")), input_shape)
        self.conv1 = self._part(Conv(2 * channels, **self._named("conv1")), input_shape)
        self.branches = [
            self._part(DilatedBranch(dilation, **self._named(f"branches_{number}")), double)
            for number, dilation in enumerate(self.dilations)
        ]
        self.gate = self._part(SimpleGate(**self._named("gate")), double)
        self.sca = self._part(Conv(channels, **self._named("sca")), input_shape)
        self.conv3 = self._part(Conv(channels, **self._named("conv3")), input_shape)

    def _named(self, name: str) -> dict[str, Any]:
        return {"name": name, "dtype": self.dtype_policy}

    def _part(self, layer: keras.layers.Layer, input_shape: Shape) -> keras.layers.Layer:
        layer.build(input_shape)
        return layer

    def expanded(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def attend(self, x: Tensor) -> Tensor:
        expanded = self.expanded(self.norm1.call(x))
        total = self.branches[0].call(expanded)
        for branch in self.branches[1:]:
            total = total + branch.call(expanded)
        gated = self.gate.call(total)
        # In float32: a float16 sum over a large picture ends at 65,504.
        pooled = ops.mean(_cast(gated, self.variable_dtype), axis=(1, 2), keepdims=True)
        return x + self.beta.value * self.conv3.call(gated * self.sca.call(_cast(pooled, self.compute_dtype)))


@_register
class DarkIREncoderBlock(_SpatialAttention):
    """Spatial attention, then a product with the `FreMLP` of the normalised features ("EBlock").

    Args:
        dilations: dilations of the branches, one for each.
        extra_depth_wise: an extra depthwise 3x3 convolution.
        transform: as for `FreMLP`.
        fold: as for `FreMLP`.

    Shape:
        ``(N, H, W, C)`` to the same.
    """

    def __init__(
        self,
        dilations: Sequence[int] = (1,),
        extra_depth_wise: bool = False,
        transform: str = "fft",
        fold: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(dilations, extra_depth_wise, **kwargs)
        self.transform, self.fold = transform, fold

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self.extra_depth_wise:
            self.extra_conv = self._part(DilatedBranch(**self._named("extra_conv")), input_shape)
        freq = FreMLP(transform=self.transform, fold=self.fold, **self._named("freq"))
        self.freq = self._part(freq, input_shape)

    def expanded(self, x: Tensor) -> Tensor:
        return self.conv1.call(self.extra_conv.call(x) if self.extra_depth_wise else x)

    def call(self, inputs: Tensor) -> Tensor:
        y = self.attend(inputs)
        return y + self.gamma.value * (y * self.freq.call(self.norm2.call(y)))


@_register
class DarkIRDecoderBlock(_SpatialAttention):
    """Spatial attention with dilated branches, then a gated feed-forward ("DBlock").

    Args:
        dilations: dilations of the branches, one for each.
        extra_depth_wise: an extra 3x3 convolution, in groups of two channels as in the public network.

    Shape:
        ``(N, H, W, C)`` to the same.
    """

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        channels = _channels(input_shape)
        if self.extra_depth_wise:
            self.extra_conv = self._part(PairConv(**self._named("extra_conv")), (*input_shape[:-1], 2 * channels))
        self.conv4 = self._part(Conv(2 * channels, **self._named("conv4")), input_shape)
        self.conv5 = self._part(Conv(channels, **self._named("conv5")), input_shape)

    def expanded(self, x: Tensor) -> Tensor:
        expanded = self.conv1.call(x)
        return self.extra_conv.call(expanded) if self.extra_depth_wise else expanded

    def call(self, inputs: Tensor) -> Tensor:
        y = self.attend(inputs)
        return y + self.gamma.value * self.conv5.call(self.gate.call(self.conv4.call(self.norm2.call(y))))


@_register
class PixelShuffle(Layer):
    """Four channels become a square of two by two pixels; channel ``(2 i + j) C + c`` goes to row i, column j.

    Shape:
        ``(N, H, W, 4C)`` to ``(N, 2H, 2W, C)``.
    """

    def call(self, inputs: Tensor) -> Tensor:
        _, height, width, channels = ops.shape(inputs)
        # Rows of the picture and of the batch stay as they are, so that no runtime meets more than four axes.
        squares = ops.reshape(inputs, (-1, width, 2, channels // 2))
        return ops.reshape(ops.transpose(squares, (0, 2, 1, 3)), (-1, 2 * height, 2 * width, channels // 4))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        return batch, height and 2 * height, width and 2 * width, (channels or 0) // 4


@_register
class PadToMultiple(Layer):
    """Zeros below and to the right, up to a multiple.

    Args:
        multiple: what height and width become a multiple of.

    Shape:
        ``(N, H, W, C)`` to ``(N, ceil(H / multiple) multiple, ceil(W / multiple) multiple, C)``.
    """

    def __init__(self, multiple: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, inputs: Tensor) -> Tensor:
        _, height, width, _ = ops.shape(inputs)
        # Not `-side % multiple`: exporters disagree on the remainder of a negative number.
        below, right = ((self.multiple - side % self.multiple) % self.multiple for side in (height, width))
        return ops.pad(inputs, ((0, 0), (0, below), (0, right), (0, 0)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        height, width = (side and side + -side % self.multiple for side in (height, width))
        return batch, height, width, channels


@_register
class CropLike(Layer):
    """The upper left part of the first picture, of the second one's size.

    Shape:
        ``[(N, H, W, C), (N, h, w, ...)]`` to ``(N, h, w, C)``.
    """

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        picture, like = inputs
        _, height, width, _ = ops.shape(like)
        return picture[:, :height, :width]

    def compute_output_shape(self, input_shape: Any) -> Shape:
        picture, like = input_shape
        return (picture[0], *like[1:3], picture[3])


def _channels(input_shape: Shape) -> int:
    channels = input_shape[-1]
    if channels is None:
        raise ValueError("the number of channels of inputs must be known")
    return channels
