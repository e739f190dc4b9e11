from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms

import lightwell
from graphs import save
from lightwell import Picture, Restorer
from lightwell.errors import PictureError, WeightsError
from lightwell.pictures.space import linear_to_srgb, rgb_profile, srgb_to_linear
from lightwell.restoring.controls import Controls
from lightwell.restoring.restorer import parse_bytes
from profiles import build, gamma_curve, srgb_curve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    for kind in ("identity", "gamma", "exposure"):
        save(folder / f"{kind}.onnx", kind)  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="module")
def identity(folder: Path) -> Restorer:
    return Restorer(folder / "identity.onnx")


@pytest.fixture(scope="module")
def gamma(folder: Path) -> Restorer:
    return Restorer(folder / "gamma.onnx")


def arrays() -> st.SearchStrategy[np.ndarray]:
    shapes = st.one_of(
        st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)), st.tuples(st.integers(1, 20), st.integers(1, 20))
    )
    kinds = st.sampled_from([np.uint8, np.uint16, np.float16, np.float32, np.float64])
    unit = {"min_value": 0, "max_value": 1}
    return kinds.flatmap(
        lambda kind: hnp.arrays(kind, shapes, elements=unit if np.issubdtype(kind, np.floating) else None)
    )


@settings(deadline=None, max_examples=60)
@given(array=arrays(), strength=st.sampled_from([0, 0.3, 1]))
def test_same_shape_and_type_come_back_and_nothing_changes_where_the_model_changes_nothing(
    identity: Restorer, array: np.ndarray, strength: float
) -> None:
    before = array.copy()
    restored = identity(array, strength=strength)
    assert restored.dtype == array.dtype
    np.testing.assert_array_equal(array, before)
    steps = np.iinfo(array.dtype).max if array.dtype.kind == "u" else 1
    # A gray picture goes through the model as three channels and comes back as their weighted mean.
    np.testing.assert_allclose(restored / steps, array / steps, atol=2e-3 if array.dtype == np.float16 else 2e-5)


@settings(deadline=None, max_examples=30)
@given(array=arrays())
def test_strength_zero_gives_the_input(gamma: Restorer, array: np.ndarray) -> None:
    restored = gamma(array, strength=0)
    np.testing.assert_array_equal(restored, array)
    assert restored is not array


def test_values_by_hand(gamma: Restorer) -> None:
    pixels = np.array([[[0, 64, 255]]], np.uint8)
    np.testing.assert_array_equal(gamma(pixels), [[[0, 128, 255]]])  # 255 * sqrt(64 / 255) = 127.75
    floats = gamma(np.array([[[0, 0.25, 1]]], np.float64))
    np.testing.assert_allclose(floats, [[[0, 0.5, 1]]], atol=1e-6)


def test_strength_mixes_light_not_code_values(gamma: Restorer) -> None:
    # Code value 0.25 is 0.05088 of the light, 0.5 is 0.21404; half of each is 0.13246, encoded 0.39942.
    half = gamma(np.full((2, 2, 3), 0.25, np.float32), strength=0.5)
    np.testing.assert_allclose(half, 0.39942, atol=2e-5)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 4), np.uint8), r"takes \(H, W, 3\) or \(H, W\).*this is \(4, 4, 4\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), "this is"),
        (np.zeros(4, np.uint8), "this is"),
        (np.zeros((0, 4, 3), np.uint8), "at least one pixel"),
        (np.zeros((4, 4, 3), np.int32), "takes uint8, uint16 or floats.*int32"),
        (np.zeros((4, 4), bool), "bool"),
        (np.full((4, 4, 3), 255.0), r"floats are in \[0, 1\].*255"),
        (np.full((4, 4, 3), np.nan), "nan"),
        (np.full((4, 4, 3), -0.1), "-0.1"),
        ([[1, 2]], "list"),
    ],
)
def test_wrong_arrays_are_value_errors_that_say_what_came(identity: Restorer, array: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        identity(array)


def test_wrong_settings(folder: Path, identity: Restorer) -> None:
    for strength in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            identity(np.zeros((2, 2, 3)), strength=strength)
    with pytest.raises(ValueError, match="preview is True or False"):
        identity(np.zeros((2, 2, 3)), preview=0.5)
    with pytest.raises(TypeError, match="strenght"):
        identity(np.zeros((2, 2, 3)), strenght=0.5)
    for tile in ("big", 0, 16):
        with pytest.raises(ValueError, match="tile is auto, off or"):
            Restorer(folder / "identity.onnx", tile=tile)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2G or 800M"):
        Restorer(folder / "identity.onnx", max_memory="plenty")
    with pytest.raises(WeightsError, match="no model"):
        Restorer("no-such-model")
    with pytest.raises(WeightsError, match="no model file"):
        Restorer("no-such-model.onnx")


def test_settings_come_whole_or_by_name(gamma: Restorer, folder: Path, tmp_path: Path) -> None:
    dark = np.full((4, 4, 3), 30, np.uint8)
    half = gamma(dark, strength=0.5, brightness=2)
    np.testing.assert_array_equal(gamma(dark, Controls(0.5, 2)), half)
    np.testing.assert_array_equal(gamma(dark, Controls(0.5), brightness=2), half)
    np.testing.assert_array_equal(gamma(dark, Controls(0.9, 2), strength=0.5), half)
    assert (half != gamma(dark)).any()
    Picture(dark).write(tmp_path / "dark.png")
    for number, asked in enumerate(({"controls": Controls(0.5, 2)}, {"strength": 0.5, "brightness": 2})):
        target = tmp_path / f"{number}.png"
        lightwell.restore(tmp_path / "dark.png", target, model=folder / "gamma.onnx", threads=1, **asked)
        np.testing.assert_array_equal(lightwell.read(target).pixels, half)


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ("2G", 2**31),
        ("1.5 GiB", 3 * 2**29),
        ("800m", 800 * 2**20),
        ("64KB", 2**16),
        ("7", 7),
        (12, 12),
        ("1T", 2**40),
        (1.5e9, 1_500_000_000),
    ],
)
def test_sizes_in_memory(words: int | str, size: int) -> None:
    assert parse_bytes(words) == size


@pytest.mark.parametrize("size", [-5, 0, "0G", "-1G", float("nan"), float("inf"), None, "2 apples"])
def test_what_is_no_size_in_memory(size: Any) -> None:
    with pytest.raises(ValueError, match="a size in memory is"):
        parse_bytes(size)


@pytest.mark.parametrize("kind", ["u2", "f4", "f8"])
def test_either_order_of_bytes(gamma: Restorer, kind: str) -> None:
    native = np.arange(12).reshape(2, 2, 3).astype(kind)
    native = native * 3000 if kind == "u2" else native / 12
    swapped = native.astype(native.dtype.newbyteorder())
    restored = gamma(swapped)
    assert restored.dtype == swapped.dtype
    np.testing.assert_array_equal(restored.astype(native.dtype), gamma(native))


def test_errors_of_a_file_name_it(folder: Path, tmp_path: Path) -> None:
    for name, reason in (("gone.jpg", "no such file"), ("words.jpg", "is not a picture")):
        (tmp_path / "words.jpg").write_text("no picture at all")
        with pytest.raises(PictureError, match=rf"{name}: .*{reason}"):
            lightwell.restore(tmp_path / name, tmp_path / "out.jpg", model=folder / "gamma.onnx")


def test_what_may_take_more_than_the_bound_is_refused(folder: Path) -> None:
    restorer = Restorer(folder / "gamma.onnx", max_memory="100M")
    with pytest.raises(PictureError, match=r"6x4 pixels may take \d+ MB to restore, more than the bound of 100 MB"):
        restorer(np.zeros((4, 6, 3), np.uint8))
    whole = Restorer(folder / "gamma.onnx", tile="off", max_memory="1G")
    whole.refuse_too_large(100, 100)
    with pytest.raises(PictureError, match="more than the bound"):
        whole.refuse_too_large(10_000, 10_000)


def test_tiles_follow_the_memory(folder: Path) -> None:
    sides = []
    for memory in ("512M", "1G", "2G", "8G"):
        restorer = Restorer(folder / "identity.onnx", max_memory=memory)
        side = restorer.tile_for(4000, 6000)
        assert side is not None
        sides.append(side)
        if memory not in ("512M",):
            assert restorer.memory_for(4000, 6000) <= parse_bytes(memory)
    assert sides == sorted(sides)
    assert sides[0] < sides[-1]
    assert Restorer(folder / "identity.onnx", tile="off").tile_for(4000, 6000) is None
    assert Restorer(folder / "identity.onnx", tile=256).tile_for(4000, 6000) == 256


def test_tiles_side_by_side_change_nothing_and_stay_within_the_memory(folder: Path) -> None:
    picture = np.random.default_rng(0).random((500, 700, 3), np.float32) * 0.3
    alone = Restorer(folder / "exposure.onnx", threads=1, tile=128)
    several = Restorer(folder / "exposure.onnx", threads=5, tile=128)
    np.testing.assert_array_equal(several(picture), alone(picture))
    assert several.memory_for(500, 700, 4) > alone.memory_for(500, 700, 4)
    for memory in ("400M", "512M", "1G"):
        one, many = (Restorer(folder / "identity.onnx", threads=n, max_memory=memory) for n in (1, 200))
        assert many.tile_for(4000, 6000) == one.tile_for(4000, 6000)
        assert one.memory_for(4000, 6000) <= many.memory_for(4000, 6000)
        assert many.memory_for(4000, 6000) <= max(parse_bytes(memory), one.memory_for(4000, 6000))


def test_large_pictures_go_in_tiles_that_agree_with_the_whole(folder: Path) -> None:
    y, x = np.mgrid[:300, :500].astype(np.float32)
    light = 0.05 + x / 2000 + 0.02 * np.sin(y / 9) * np.sin(x / 7)
    picture = light[..., None] * np.float32([1, 0.8, 0.6])
    whole = Restorer(folder / "exposure.onnx", tile="off")(picture)
    tiled = Restorer(folder / "exposure.onnx", tile=128)(picture)
    assert -10 * np.log10(np.mean((tiled - whole) ** 2)) > 34
    assert not np.array_equal(tiled, whole)


def test_calls_from_many_threads_do_not_mix(folder: Path) -> None:
    restorer = Restorer(folder / "exposure.onnx", threads=1, tile=128)
    pictures = [np.random.default_rng(k).random((140 + k, 150, 3), np.float32) * 0.3 for k in range(8)]
    alone = [restorer(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        for expected, got in zip(alone, pool.map(restorer, pictures), strict=True):
            np.testing.assert_array_equal(got, expected)


# ---- pictures


def noise(shape: tuple[int, ...], dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_keeps_everything_but_its_light(gamma: Restorer, dtype: type, channels: int) -> None:
    picture = Picture(
        noise((9, 7, channels), dtype),
        noise((9, 7), dtype),
        None,
        None,
        b"<x/>",
        (72, 72),
        "TIFF",
        0,
        False,
        {"Title": "t"},
    )
    restored = gamma(picture, strength=0.8)
    assert restored.pixels.shape == picture.pixels.shape
    assert restored.pixels.dtype == dtype
    assert (restored.pixels >= picture.pixels).all()
    np.testing.assert_array_equal(restored.alpha, picture.alpha)
    assert (restored.xmp, restored.dpi, restored.format, restored.text) == (b"<x/>", (72, 72), "TIFF", {"Title": "t"})
    assert restored.software == f"lightwell {lightwell.__version__} (model gamma, strength 0.8)"


def littlecms(pixels: np.ndarray, source: bytes) -> np.ndarray:
    srgb = ImageCms.createProfile("sRGB")
    image = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(source)),
        srgb,
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    assert image is not None
    return np.asarray(image)


PROFILES = {
    "display-p3": build("display-p3", srgb_curve()),
    "adobe-rgb": build("adobe-rgb", gamma_curve(2.19921875)),
    "linear": build("srgb", gamma_curve(1.0)),
}


@pytest.mark.parametrize("name", PROFILES)
def test_colours_are_converted_as_littlecms_does(name: str) -> None:
    pixels = noise((64, 64, 3))
    profile = rgb_profile(PROFILES[name])
    assert profile is not None
    assert not profile.is_srgb()
    ours = linear_to_srgb(np.clip(profile.to_linear_srgb(pixels / 255), 0, 1)) * 255
    theirs = littlecms(pixels, PROFILES[name]).astype(float)
    # LittleCMS rounds to 8 bits, also inside.
    assert np.abs(ours - theirs).max() < 2.5
    assert np.abs(ours - theirs).mean() < 0.4
    back = profile.from_linear_srgb(profile.to_linear_srgb(pixels / 255))
    np.testing.assert_allclose(back, pixels / 255, atol=1e-4)


def test_srgb_under_any_name_is_left_alone() -> None:
    for icc in (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), build("srgb", srgb_curve())):
        profile = rgb_profile(icc)
        assert profile is not None
        assert profile.is_srgb()


def test_other_profiles_are_not_taken_for_rgb() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for icc in (b"", b"x" * 200, lab, PROFILES["display-p3"][:150], PROFILES["display-p3"][:300]):
        assert rgb_profile(icc) is None


@given(values=hnp.arrays(np.float64, 20, elements={"min_value": -1, "max_value": 2}))
def test_the_srgb_curve_and_its_inverse(values: np.ndarray) -> None:
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-6)


@pytest.mark.parametrize("name", PROFILES)
def test_the_model_sees_srgb_and_the_result_is_in_the_pictures_profile(folder: Path, name: str) -> None:
    random = np.random.default_rng(0).random
    pixels = (random((16, 16, 1)) * 30000 + 20000 + random((16, 16, 3)) * 6000).astype(np.uint16)  # all within sRGB
    picture = Picture(pixels, icc=PROFILES[name])

    same = Restorer(folder / "identity.onnx")(picture)
    brighter = Restorer(folder / "gamma.onnx")(picture)

    assert same.icc == picture.icc
    assert np.abs(same.pixels.astype(int) - pixels).max() <= 8  # of 65535
    expected = np.sqrt(littlecms((pixels / 257).round().astype(np.uint8), PROFILES[name]) / 255)
    seen = littlecms((brighter.pixels / 257).round().astype(np.uint8), PROFILES[name]) / 255
    assert np.abs(seen - expected).max() < 4 / 255


def test_a_profile_that_cannot_be_read_is_kept_with_a_word(identity: Restorer) -> None:
    tables = PROFILES["display-p3"].replace(b"rTRC", b"A2B0")
    picture = Picture(noise((4, 4, 3)), icc=tables)
    restored = identity(picture)
    assert restored.icc == tables
    assert "taken for sRGB" in restored.warnings[0]
    np.testing.assert_array_equal(restored.pixels, picture.pixels)


def test_blending_keeps_colours_outside_srgb(identity: Restorer) -> None:
    green = np.zeros((2, 2, 3), np.uint16)
    green[..., 1] = 60000
    half = identity(Picture(green, icc=PROFILES["display-p3"]), strength=0.5).pixels.astype(int)
    whole = identity(Picture(green, icc=PROFILES["display-p3"])).pixels.astype(int)
    assert whole[0, 0, 0] > half[0, 0, 0] > 0  # the model's result is inside sRGB, so less saturated


# ---- files


def test_restore_writes_a_file_and_refuses_to_replace_one(folder: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "night.png", tmp_path / "restored.png"
    Image.fromarray(noise((8, 8, 3))).save(source)
    before = source.read_bytes()

    assert lightwell.restore(source, target, model=folder / "gamma.onnx", tile="off") == target
    np.testing.assert_array_equal(lightwell.read(target).pixels, Restorer(folder / "gamma.onnx")(noise((8, 8, 3))))

    for existing in (target, source):
        with pytest.raises(PictureError, match="exists"):
            lightwell.restore(source, existing, model=folder / "gamma.onnx")
    lightwell.restore(source, target, model=folder / "gamma.onnx", overwrite=True, strength=0)
    np.testing.assert_array_equal(lightwell.read(target).pixels, noise((8, 8, 3)))
    assert source.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [source, target]
