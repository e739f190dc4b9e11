"""DarkIR as a functional Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from lightwell.keras.layers import (
    TRANSFORMS,
    Conv,
    CropLike,
    DarkIRDecoderBlock,
    DarkIREncoderBlock,
    PadToMultiple,
    PixelShuffle,
)

__all__ = ["DarkIRModel", "by_matrices", "create_darkir_model"]


@keras.saving.register_keras_serializable(package="lightwell")
class DarkIRModel(keras.Model):
    """A functional model that also takes pictures as most files hold them: uint8 is brought to [0, 1].

    Raises:
        ValueError: when it is called on other whole numbers. Not every backend has uint16, so it cannot be told apart.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        kind = keras.backend.standardize_dtype(getattr(inputs, "dtype", "float32"))
        if kind == "uint8":
            inputs = ops.cast(inputs, "float32") / 255.0
        elif kind.startswith(("int", "uint", "bool")):
            raise ValueError(f"pictures are floats in [0, 1] or uint8, not {kind}; divide 16 bits by 65535")
        return super().call(inputs, training=training, mask=mask)


def create_darkir_model(
    img_channels: int = 3,
    width: int = 32,
    enc_blk_nums: Sequence[int] = (1, 2, 3),
    dec_blk_nums: Sequence[int] = (3, 1, 1),
    dilations: Sequence[int] = (1, 4, 9),
    extra_depth_wise: bool = True,
    use_side_loss: bool = False,
    middle_blk_num_enc: int = 2,
    middle_blk_num_dec: int = 2,
    encoder_dilations: Sequence[int] = (1,),
    *,
    full_size_side: bool = True,
    transform: str = "fft",
    name: str = "darkir",
) -> keras.Model:
    """A DarkIR with fresh weights, compiled with AdamW (weight decay 1e-4) and the mean absolute error.

    Takes ``(N, H, W, img_channels)`` of any height and width, floats in [0, 1] or uint8, and gives floats, not
    clipped.

    Args:
        img_channels: channels of the picture.
        width: channels of the first level; every level below has twice as many.
        enc_blk_nums: encoder blocks per level, from the picture down.
        dec_blk_nums: decoder blocks per level, from the deepest up; as many levels as the encoder.
        dilations: dilations of the decoder blocks' branches.
        extra_depth_wise: an extra 3x3 convolution in every block.
        use_side_loss: also give the side output, a guess at the picture from the bottom of the network:
            ``[restored, side]``.
        middle_blk_num_enc: encoder blocks at the bottom.
        middle_blk_num_dec: decoder blocks at the bottom.
        encoder_dilations: as dilations, for the encoder blocks; the published networks have one branch.
        full_size_side: enlarge the side output to the picture's size, so that one target serves both; else it has
            ``ceil(H / m)`` rows and ``ceil(W / m)`` columns, m being 2 to the number of levels.
        transform: "fft", or "matrix" for a graph without complex numbers (see `by_matrices`).
        name: the model's.

    Raises:
        ValueError: for an argument that makes no network; the message names it.
    """
    levels = len(enc_blk_nums)
    if levels != len(dec_blk_nums):
        raise ValueError(
            "enc_blk_nums and dec_blk_nums need one entry per level each: "
            f"{list(enc_blk_nums)} and {list(dec_blk_nums)}"
        )
    for argument, count in {"img_channels": img_channels, "width": width}.items():
        if count < 1:
            raise ValueError(f"{argument} must be positive: {count}")
    for argument, counts in {
        "enc_blk_nums": enc_blk_nums,
        "dec_blk_nums": dec_blk_nums,
        "middle_blk_num_enc": [middle_blk_num_enc],
        "middle_blk_num_dec": [middle_blk_num_dec],
    }.items():
        if any(count < 0 for count in counts):
            raise ValueError(f"{argument} must not be negative: {counts}")
    for argument, distances in {"dilations": dilations, "encoder_dilations": encoder_dilations}.items():
        if not distances or min(distances) < 1:
            raise ValueError(f"{argument} needs at least one entry, all positive: {list(distances)}")
    if transform not in TRANSFORMS:
        raise ValueError(f"transform must be one of {', '.join(TRANSFORMS)}: {transform!r}")
    multiple = 2**levels

    def encoder(x: Any, count: int, level: int, stage: str) -> Any:
        for number in range(count):
            block = DarkIREncoderBlock(
                encoder_dilations, extra_depth_wise, transform, 2 ** (levels - level), name=f"{stage}_{number}"
            )
            x = block(x)
        return x

    def decoder(x: Any, count: int, stage: str) -> Any:
        for number in range(count):
            x = DarkIRDecoderBlock(dilations, extra_depth_wise, name=f"{stage}_{number}")(x)
        return x

    inputs = keras.Input((None, None, img_channels), name="low")
    padded = PadToMultiple(multiple, name="pad")(inputs)
    features = Conv(width, 3, name="intro")(padded)
    skips = []
    for level, count in enumerate(enc_blk_nums):
        features = encoder(features, count, level, f"encoders_{level}")
        skips.append(features)
        features = Conv(2 * features.shape[-1], 2, 2, name=f"downs_{level}")(features)
    bottom = encoder(features, middle_blk_num_enc, levels, "middle_blks_enc")
    features = keras.layers.Add(name="bottom")([bottom, decoder(bottom, middle_blk_num_dec, "middle_blks_dec")])
    for step, (count, skip) in enumerate(zip(dec_blk_nums, reversed(skips), strict=True)):
        features = Conv(2 * features.shape[-1], use_bias=False, name=f"ups_{step}")(features)
        features = PixelShuffle(name=f"shuffle_{step}")(features)
        features = keras.layers.Add(name=f"skip_{step}")([features, skip])
        features = decoder(features, count, f"decoders_{step}")
    change = Conv(img_channels, 3, name="ending")(features)
    # Outputs are float32 under a float16 policy too: pictures near 1 have steps of 1/1024 there.
    restored = keras.layers.Add(name="residual", dtype=_output_dtype())([change, padded])
    restored = CropLike(name="restored", dtype=_output_dtype())([restored, inputs])
    outputs = restored
    if use_side_loss:
        side = Conv(img_channels, 3, name="side_out")(bottom)
        if full_size_side:
            side = keras.layers.UpSampling2D(multiple, interpolation="bilinear", name="side_full")(side)
            side = CropLike(name="side", dtype=_output_dtype())([side, inputs])
        outputs = [restored, side]
    model = DarkIRModel(inputs, outputs, name=name)
    model.compile(optimizer=keras.optimizers.AdamW(weight_decay=1e-4), loss="mae")
    return model


def _output_dtype() -> str:
    return str(keras.config.dtype_policy().variable_dtype)


def by_matrices(model: keras.Model) -> keras.Model:
    """The same model with its Fourier transforms as products of real matrices: for export, not for speed.

    Args:
        model: any Keras model that holds DarkIR's layers; it stays as it is.
    """

    def real(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if "transform" in config:
            config["transform"] = "matrix"
        return type(layer).from_config(config)

    clone = keras.models.clone_model(model, clone_function=real)
    clone.set_weights(model.get_weights())
    return clone
