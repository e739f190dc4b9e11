"""Loss, metrics, augmentation and pictures of lightwell.keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from lightwell.errors import DataError
from lightwell.keras import (
    PSNR,
    SSIM,
    AugmentedPairs,
    BeforeAfter,
    CharbonnierLoss,
    FolderPairs,
    create_darkir_model,
    process_tiled,
)
from lightwell.metrics import psnr, ssim


def test_charbonnier_by_hand() -> None:
    loss = CharbonnierLoss(epsilon=4.0)

    value = loss(np.zeros((1, 2, 1, 1), np.float32), np.array([3.0, 0.0], np.float32).reshape(1, 2, 1, 1))

    assert float(value) == pytest.approx((5 + 4) / 2)


@pytest.mark.parametrize(("metric", "reference"), [(PSNR, psnr), (SSIM, ssim)])
@pytest.mark.parametrize("channels", [1, 3])
def test_metrics_are_the_packages_own(metric: Any, reference: Any, channels: int, pictures: Any) -> None:
    target = pictures(2, 21, 17, channels)
    restored = np.clip(target + 0.2 * (pictures(2, 21, 17, channels)[:, ::-1] - 0.5), 0, 1)
    measure = metric()

    measure.update_state(target[:1], restored[:1])
    measure.update_state(target[1:], restored[1:])

    wanted = np.mean([reference(r, t) for r, t in zip(restored, target, strict=True)])
    assert float(measure.result()) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(("metric", "best"), [(PSNR, 100), (SSIM, 1)])
def test_metrics_of_equal_pictures(metric: Any, best: float, pictures: Any) -> None:
    measure = metric(max_val=255.0)
    picture = 255 * pictures(1, 12, 12, 3)

    measure.update_state(picture, picture)

    assert float(measure.result()) == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("made", [CharbonnierLoss(epsilon=0.1), PSNR(max_val=2.0), SSIM(name="similar")])
def test_loss_and_metrics_are_made_again_from_their_configuration(made: Any) -> None:
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))

    assert type(again) is type(made)
    assert again.get_config() == made.get_config()


def test_fit_with_everything(small: dict[str, Any], pictures: Any, tmp_path: Path) -> None:
    target = pictures(3, 24, 20, 3)
    pairs = AugmentedPairs(0.2 * target, target, crop=16, batch_size=2, outputs=2)
    model = create_darkir_model(use_side_loss=True, **small)
    model.compile(
        optimizer=keras.optimizers.AdamW(1e-3, weight_decay=1e-4),
        loss=[CharbonnierLoss(), CharbonnierLoss()],
        loss_weights=[1.0, 0.5],
        metrics=[[PSNR(), SSIM()], []],
    )

    history = model.fit(
        pairs, epochs=2, callbacks=[BeforeAfter(0.2 * target[:1], tmp_path / "seen", every=2)], verbose=0
    )

    assert any(name.endswith("psnr") for name in history.history)
    assert [path.name for path in (tmp_path / "seen").iterdir()] == ["0002_0.png"]
    pixels = np.asarray(Image.open(tmp_path / "seen" / "0002_0.png"))
    assert pixels.shape == (24, 40, 3)
    np.testing.assert_array_equal(pixels[:, :20], np.round(0.2 * target[0] * 255).astype(np.uint8))
    after = np.clip(model.predict_on_batch(0.2 * target[:1])[0][0], 0, 1) * 255
    np.testing.assert_allclose(pixels[:, 20:], after, atol=1)


def test_both_pictures_of_a_pair_are_augmented_alike(pictures: Any) -> None:
    low = [pictures(20, 30, 3), pictures(16, 16, 3), pictures(40, 18, 3)]
    pairs = AugmentedPairs(low, [1 - picture for picture in low], crop=16, batch_size=2, seed=3)

    assert len(pairs) == 2
    batches = [pairs[index] for index in range(2)]
    assert [dark.shape for dark, _ in batches] == [(2, 16, 16, 3), (1, 16, 16, 3)]
    for dark, bright in batches:
        np.testing.assert_allclose(dark + bright, 1, atol=1e-6)


def test_crops_are_turned_and_mirrored_in_all_eight_ways_and_repeat_with_the_seed() -> None:
    corner = np.zeros((4, 4, 1), np.float32)
    corner[0, 1] = 1  # its eight images under turns and mirrors differ
    low = np.repeat(corner[None], 64, axis=0)
    pairs, again = (AugmentedPairs(low, low, crop=4, batch_size=64, seed=1) for _ in range(2))

    first = pairs[0][0]
    assert len(np.unique(first.reshape(64, -1), axis=0)) == 8
    np.testing.assert_array_equal(first, again[0][0])
    pairs.on_epoch_end()
    assert not np.array_equal(first, pairs[0][0])


@pytest.mark.parametrize(
    ("low", "target", "words"),
    [
        (np.zeros((2, 16, 16, 3)), np.zeros((1, 16, 16, 3)), "low and target"),
        (np.zeros((1, 16, 16, 3)), np.zeros((1, 16, 18, 3)), "pair 0"),
        (np.zeros((1, 8, 16, 3)), np.zeros((1, 8, 16, 3)), "crop is 16"),
    ],
)
def test_pairs_that_do_not_fit_are_named(low: Any, target: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AugmentedPairs(low, target, crop=16)


@pytest.mark.parametrize("wrong", [{"crop": 0}, {"batch_size": 0}])
def test_sizes_of_pairs_that_cannot_be_are_named(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="crop and batch_size must be positive"):
        AugmentedPairs(np.zeros((1, 16, 16, 3)), np.zeros((1, 16, 16, 3)), **{"crop": 8, **wrong})


def test_whole_numbers_are_pictures_too(small: dict[str, Any], opened: Any, pictures: Any) -> None:
    model = opened(create_darkir_model(**small))
    low = (pictures(1, 13, 18, 3) * 255).astype(np.uint8)
    wanted = model.predict(low.astype(np.float32) / np.float32(255), verbose=0)
    np.testing.assert_allclose(model.predict(low, verbose=0), wanted, atol=1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(low)), wanted, atol=1e-5)
    for whole in (low, low.astype(np.uint16) * 257):
        np.testing.assert_allclose(process_tiled(model, whole[0]), wanted[0], atol=1e-5)
        pairs = AugmentedPairs(whole, whole, crop=8, batch_size=1)
        assert 0.9 < pairs[0][0].max() <= 1
    for kind in (np.uint16, np.int64):
        with pytest.raises(ValueError, match="divide 16 bits by 65535"):
            model(low.astype(kind))


def test_a_saved_model_still_takes_whole_numbers(small: dict[str, Any], opened: Any, tmp_path: Path) -> None:
    model = opened(create_darkir_model(**small))
    model.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras", compile=False)
    low = np.full((1, 8, 8, 3), 51, np.uint8)
    np.testing.assert_allclose(loaded.predict(low, verbose=0), model.predict(low, verbose=0), atol=1e-6)


def test_pairs_come_from_folders(tmp_path: Path) -> None:
    for number, size in enumerate([(20, 30), (16, 16), (40, 18)]):
        for half, level in (("low", 20), ("high", 200)):
            path = tmp_path / half / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB" if number else "L", size[::-1], (level,) * 3 if number else level).save(path)
    pairs = FolderPairs(tmp_path, crop=16, batch_size=2, seed=3)
    assert [low.shape for low, _ in (pairs[0], pairs[1])] == [(2, 16, 16, 3), (1, 16, 16, 3)]
    low, high = pairs[0]
    np.testing.assert_allclose(low, 20 / 255, atol=1e-6)
    np.testing.assert_allclose(high, 200 / 255, atol=1e-6)
    (tmp_path / "low" / "1.png").rename(tmp_path / "low" / "5.png")
    with pytest.raises(DataError, match=r"without a partner in .*low or .*high: 1, 5$"):
        FolderPairs(tmp_path)
