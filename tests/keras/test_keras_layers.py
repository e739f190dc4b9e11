"""The layers of lightwell.keras and their errors."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from lightwell.keras import (
    DarkIRDecoderBlock,
    DarkIREncoderBlock,
    DilatedBranch,
    FreMLP,
    SimpleGate,
    by_matrices,
    create_darkir_model,
)
from lightwell.keras.layers import PixelShuffle

LAYERS = [
    SimpleGate(),
    DilatedBranch(3),
    FreMLP(expand=3, transform="matrix", fold=2),
    DarkIREncoderBlock([1, 2], True, "matrix", 4),
    DarkIRDecoderBlock((1, 5), True, name="deep"),
]


def values(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_layer_is_made_again_from_its_configuration(layer: keras.layers.Layer, pictures: Any) -> None:
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))

    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    x = pictures(1, 8, 12, 6)
    expected = values(layer(x))
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_allclose(values(again(x)), expected, atol=1e-6)


def test_simple_gate_multiplies_the_halves() -> None:
    np.testing.assert_array_equal(values(SimpleGate()(np.array([[2.0, 3.0, 5.0, 7.0]], np.float32))), [[10, 21]])


def test_dilated_branch_reaches_as_far_as_its_dilation() -> None:
    impulse = np.zeros((1, 25, 25, 2), np.float32)
    impulse[0, 12, 12] = 1
    branch = DilatedBranch(9)
    branch.build(impulse.shape)
    branch.set_weights([np.ones((3, 3, 2, 1)), np.zeros(2)])

    assert {tuple(at) for at in np.argwhere(values(branch(impulse))[0, :, :, 0])} == {
        (row, column) for row in (3, 12, 21) for column in (3, 12, 21)
    }


def test_pixel_shuffle_by_hand() -> None:
    x = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)

    np.testing.assert_array_equal(values(PixelShuffle()(x))[0, :, :, 0], [[0, 1, 4, 5], [2, 3, 6, 7]])


@pytest.mark.parametrize("size", [(8, 8), (12, 7), (4, 10)])
def test_fremlp_keeps_the_phase(size: tuple[int, int], pictures: Any) -> None:
    x = pictures(1, *size, 3)
    for transform in ("fft", "matrix"):
        layer = FreMLP(transform=transform, fold=4)
        layer.build(x.shape)
        # Hidden channels are the magnitudes and zeros; the result is twice the magnitude.
        first, second = np.eye(3, 6), 2 * np.eye(6, 3)
        layer.set_weights([first[None, None], np.zeros(6), second[None, None], np.zeros(3)])
        np.testing.assert_allclose(values(layer(x)), 2 * x, atol=1e-5)


@pytest.mark.parametrize("transform", ["fft", "matrix"])
def test_spectra_above_the_largest_float16(transform: str) -> None:
    x = np.full((1, 16, 16, 2), 300, np.float32)  # sums to 76,800
    exact = FreMLP(transform=transform)
    wanted = values(exact(x))
    keras.config.set_dtype_policy("mixed_float16")
    layer = FreMLP(transform=transform)
    layer.build(x.shape)
    layer.set_weights(exact.get_weights())

    out = layer(x.astype("float16"))

    assert keras.backend.standardize_dtype(out.dtype) == "float16"
    np.testing.assert_allclose(values(out), wanted, rtol=2e-3, atol=1)


@pytest.mark.parametrize("transform", ["fft", "matrix"])
def test_gradients_are_finite_where_the_spectrum_is_zero(transform: str, small: dict[str, Any], opened: Any) -> None:
    model = opened(create_darkir_model(**small, transform=transform))
    model.compile(optimizer="sgd", loss="mae")
    flat, target = np.full((1, 16, 16, 3), 0.5, np.float32), np.ones((1, 16, 16, 3), np.float32)

    model.train_on_batch(flat, target)
    model.train_on_batch(np.zeros_like(flat), target)

    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_matrices_give_what_the_fft_gives(small: dict[str, Any], pictures: Any, opened: Any) -> None:
    model = opened(create_darkir_model(**{**small, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}))
    low = pictures(1, 17, 22, 3)

    by_fft, matrices = model.predict_on_batch(low), by_matrices(model).predict_on_batch(low)

    assert np.abs(by_fft - low).max() > 0.05
    np.testing.assert_allclose(matrices, by_fft, atol=1e-5)
    assert model.get_layer("encoders_0_0").transform == "fft"


def test_an_odd_number_of_channels_at_a_gate_is_named() -> None:
    with pytest.raises(ValueError, match=r"SimpleGate.*even number: 5"):
        SimpleGate()(np.zeros((1, 4, 4, 5)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"enc_blk_nums": [1, 2], "dec_blk_nums": [1]}, "enc_blk_nums and dec_blk_nums"),
        ({"width": 0}, "width"),
        ({"img_channels": 0}, "img_channels"),
        ({"dilations": []}, "dilations"),
        ({"encoder_dilations": [0]}, "encoder_dilations"),
        ({"middle_blk_num_enc": -1}, "middle_blk_num_enc"),
        ({"transform": "dct"}, "transform.*fft, matrix"),
    ],
)
def test_arguments_that_make_no_network_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        create_darkir_model(**arguments)
