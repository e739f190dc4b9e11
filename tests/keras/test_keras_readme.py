"""What the README of the Keras port shows, at sizes that XLA compiles in seconds on a CPU."""

# ruff: noqa: NPY002 (as it is written there)

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from lightwell.keras import CharbonnierLoss, SimpleGate, create_darkir_model, process_tiled


def test_quick_start() -> None:
    model = create_darkir_model(
        img_channels=3,
        width=4,
        enc_blk_nums=[1, 1, 1],
        dec_blk_nums=[1, 1, 1],
        dilations=[1, 4, 9],
        middle_blk_num_enc=1,
        middle_blk_num_dec=1,
    )
    model.compile(optimizer="adam", loss="mean_absolute_error")
    x_train = np.random.rand(4, 16, 16, 3).astype("float32")
    y_train = np.random.rand(4, 16, 16, 3).astype("float32")

    history = model.fit(x_train, y_train, epochs=2, batch_size=2, verbose=0)
    restored_img = model.predict(x_train[:1], verbose=0)

    assert history.history["loss"][1] < history.history["loss"][0]
    assert restored_img.shape == (1, 16, 16, 3)
    assert np.isfinite(restored_img).all()


def test_it_comes_compiled(small: dict[str, Any], pictures: Any) -> None:
    model = create_darkir_model(use_side_loss=False, extra_depth_wise=True, **small)

    assert isinstance(model.optimizer, keras.optimizers.AdamW)
    assert model.optimizer.weight_decay == pytest.approx(1e-4)
    low, target = pictures(2, 1, 16, 16, 3)
    distance = np.abs(model.predict_on_batch(low) - target).mean()
    assert float(model.train_on_batch(low, target)) == pytest.approx(distance, rel=1e-5)


def test_the_defaults_are_darkir_m() -> None:
    model = create_darkir_model()

    assert model.count_params() == pytest.approx(3.315e6, abs=1e3)
    assert model.input_shape == (None, None, None, 3)
    assert model.output_shape == (None, None, None, 3)


def test_tiny_model(capsys: pytest.CaptureFixture[str]) -> None:
    model = create_darkir_model(
        img_channels=3, width=16, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1], dilations=[1, 2], extra_depth_wise=False
    )
    model.summary()

    assert f"{model.count_params():,}" in capsys.readouterr().out


def test_deep_supervision(small: dict[str, Any], pictures: Any) -> None:
    model = create_darkir_model(img_channels=3, use_side_loss=True, **small)
    model.compile(optimizer="adam", loss=["mae", "mae"], loss_weights=[1.0, 0.5])
    x_train, y_train = pictures(2, 2, 15, 17, 3)

    before = model.get_layer("side_out").get_weights()[0]
    model.fit(x_train, [y_train, y_train], epochs=1, verbose=0)

    restored, side = model.predict_on_batch(x_train)
    assert restored.shape == side.shape == x_train.shape
    assert np.abs(model.get_layer("side_out").get_weights()[0] - before).max() > 0


def test_the_side_output_at_the_networks_own_size(small: dict[str, Any], pictures: Any) -> None:
    arguments = {**small, "enc_blk_nums": [1, 1, 1], "dec_blk_nums": [1, 1, 1], "use_side_loss": True}
    model = create_darkir_model(**arguments, full_size_side=False)

    restored, side = model.predict_on_batch(pictures(1, 17, 24, 3))

    assert restored.shape == (1, 17, 24, 3)
    assert side.shape == (1, 3, 3, 3)


def test_tiling_restores_a_constant_as_a_constant_and_a_small_picture_whole(
    small: dict[str, Any], pictures: Any, opened: Any
) -> None:
    model = opened(create_darkir_model(**small))
    image = pictures(20, 30, 3)

    whole = process_tiled(model, image, tile_size=32, overlap=8)
    np.testing.assert_allclose(whole, model.predict_on_batch(image[None])[0], atol=1e-6)

    model.get_layer("ending").set_weights([np.zeros((3, 3, 4, 3)), np.zeros(3)])  # now it gives its input back
    constant = np.full((20, 30, 3), 0.3, np.float32)
    np.testing.assert_allclose(process_tiled(model, constant, tile_size=16, overlap=4), constant, atol=1e-5)
    np.testing.assert_allclose(process_tiled(model, image, tile_size=16, overlap=4), image, atol=0.1)


def test_tiles_leave_no_seam(small: dict[str, Any], opened: Any) -> None:
    model = opened(create_darkir_model(**small))
    across = np.linspace(0.1, 0.9, 48, dtype=np.float32)
    ramp = np.broadcast_to(across[:, None, None], (48, 40, 3)).copy()

    jumps = np.abs(np.diff(process_tiled(model, ramp, tile_size=24, overlap=8), axis=0)).max(axis=(1, 2))

    # Tiles of 24 begin at rows 12 and 24; away from the picture's own border no row stands out.
    inner = jumps[4:-4]
    assert inner.max() < 4 * np.median(inner)


@pytest.mark.parametrize(("arguments", "word"), [({"overlap": 16}, "overlap"), ({"overlap": 0}, "overlap")])
def test_impossible_tiles_are_named(small: dict[str, Any], arguments: dict[str, int], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        process_tiled(create_darkir_model(**small), np.zeros((20, 20, 3)), tile_size=16, **arguments)
    with pytest.raises(ValueError, match="image"):
        process_tiled(create_darkir_model(**small), np.zeros((1, 20, 20, 3)))


def test_custom_dilations(small: dict[str, Any], pictures: Any, opened: Any) -> None:
    model = opened(create_darkir_model(dilations=[1, 6, 12, 18], **small))
    low = pictures(1, 40, 40, 3)

    reached = model.predict_on_batch(low)
    assert reached.shape == (1, 40, 40, 3)
    assert [len(layer.dilations) for layer in model.layers if layer.name.startswith("decoders")] == [4]


def test_mixed_precision(small: dict[str, Any], pictures: Any, opened: Any) -> None:
    low, target = pictures(2, 2, 16, 16, 3)
    exact = opened(create_darkir_model(**small))
    keras.mixed_precision.set_global_policy("mixed_float16")
    model = create_darkir_model(**small)
    model.set_weights(exact.get_weights())

    halved = model.predict_on_batch(low)
    assert model.get_layer("encoders_0_0").compute_dtype == "float16"
    assert halved.dtype == np.float32
    np.testing.assert_allclose(halved, exact.predict_on_batch(low), atol=0.02)

    model.compile(optimizer="adam", loss="mae")
    assert np.isfinite(model.fit(low, target, verbose=0).history["loss"][0])


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras takes torch.compile for it, which needs a compiler"
)
def test_jit_compile(small: dict[str, Any], pictures: Any, opened: Any) -> None:
    model = opened(create_darkir_model(**small))
    low, target = pictures(2, 1, 16, 16, 3)
    plain = model.predict_on_batch(low)

    model.compile(optimizer="adam", loss="mae", jit_compile=True)

    np.testing.assert_allclose(model.predict_on_batch(low), plain, atol=1e-5)
    assert np.isfinite(model.train_on_batch(low, target))


def test_save_and_load_in_another_process(small: dict[str, Any], pictures: Any, opened: Any, tmp_path: Path) -> None:
    model = opened(create_darkir_model(use_side_loss=True, encoder_dilations=[1, 2], **small))
    model.compile(optimizer="adamw", loss=CharbonnierLoss(1e-2))
    low = pictures(1, 14, 15, 3)
    np.save(tmp_path / "low.npy", low)
    model.save(tmp_path / "darkir_best.keras")

    code = """
import sys
import keras, numpy as np
import lightwell.keras
model = keras.models.load_model("darkir_best.keras")
assert model.loss.epsilon == 1e-2
np.savez("out.npz", *model.predict_on_batch(np.load("low.npy")))
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr

    loaded = np.load(tmp_path / "out.npz")
    for name, output in zip(loaded.files, model.predict_on_batch(low), strict=True):
        np.testing.assert_allclose(loaded[name], output, atol=1e-6)


def test_darkir_shapes() -> None:
    B, H, W, C = 2, 64, 64, 3
    model = create_darkir_model(width=16, enc_blk_nums=[1, 1, 1], dec_blk_nums=[1, 1, 1])

    x = np.random.normal(size=(B, H, W, C)).astype("float32")
    y = model(x)

    assert y.shape == (B, H, W, C)

    sg = SimpleGate()
    out = sg(np.random.normal(size=(1, 10, 10, 6)))
    assert out.shape[-1] == 3
