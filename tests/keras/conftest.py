"""The tests of lightwell.keras run on the backend that KERAS_BACKEND names, on torch where it names none."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

SMALL: dict[str, Any] = {
    "width": 4,
    "enc_blk_nums": [1],
    "dec_blk_nums": [1],
    "middle_blk_num_enc": 1,
    "middle_blk_num_dec": 1,
}


@pytest.fixture
def small() -> dict[str, Any]:
    """Arguments of a network that XLA compiles in seconds."""
    return dict(SMALL)


@pytest.fixture(autouse=True)
def _seed_and_policy() -> Iterator[None]:
    keras.utils.set_random_seed(7)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


def open_gates(model: keras.Model) -> keras.Model:
    """Untrained gates are zero, which hides everything behind them."""
    generator = np.random.default_rng(7)
    for weight in model.trainable_variables:
        if weight.path.endswith(("beta", "gamma")) and "norm" not in weight.path:
            weight.assign(generator.normal(0, 0.3, weight.shape).astype("float32"))
    return model


@pytest.fixture
def opened() -> Any:
    """A function that randomises a model's gates and returns the model."""
    return open_gates


@pytest.fixture
def pictures() -> Any:
    """A function that gives noise of a shape in [0, 1]."""
    return lambda *shape: np.random.default_rng(3).random(shape, np.float32)
