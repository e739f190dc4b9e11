from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dng import BLACK, dng, exposed
from PIL import ExifTags, Image

from lightwell.errors import PictureError
from lightwell.pictures import format_of_name, read, result_name, size_of, to_8_bits
from lightwell.pictures.metadata import exif_of_raw

pytest.importorskip("rawpy", reason="needs the extra [raw]")

INSIDE = slice(8, -8)  # away from the border, where a demosaic guesses


def srgb(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


def linear(encoded: np.ndarray) -> np.ndarray:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def smooth_scene() -> np.ndarray:
    """Linear light of three hues, up to 0.75."""
    y, x = np.mgrid[0:96, 0:128]
    waves = np.sin(x / 23 + y / 31), np.sin(x / 37 - y / 19), np.cos(x / 29 + y / 41)
    return 0.4 + 0.35 * np.stack(waves, axis=2)


def scene_of_a_wide_range() -> np.ndarray:
    """Linear light from 0.001 to 0.8, as a night with a lamp has it."""
    y, x = np.mgrid[0:128, 0:384]
    waves = np.sin(x / 23 + y / 31), np.sin(x / 37 - y / 19), np.cos(x / 29 + y / 41)
    return 10 ** (-3 + 2.9 * x / 383)[..., None] * (0.7 + 0.3 * np.stack(waves, axis=2))


def test_a_known_scene_comes_back_with_its_light_and_colours() -> None:
    scene = smooth_scene()
    picture = read(dng(exposed(scene, seed=None)))
    assert picture.bits == 16
    assert picture.warnings == ()
    error = np.abs(linear(picture.pixels / 65535) - scene)[INSIDE, INSIDE]
    assert error.max() < 0.004
    np.testing.assert_allclose(picture.pixels[INSIDE, INSIDE] / 65535, srgb(scene)[INSIDE, INSIDE], atol=0.004)


def test_brightness_does_not_hang_on_what_else_is_in_the_picture() -> None:
    dark = smooth_scene() / 32
    lit = dark.copy()
    lit[:20, :20] = 0.75
    alone, beside = read(dng(exposed(dark, seed=None))).pixels, read(dng(exposed(lit, seed=None))).pixels
    np.testing.assert_allclose(alone[30:-8, 30:-8], beside[30:-8, 30:-8], atol=0.002 * 65535)


def test_five_stops_down_14_bits_hold_what_8_lose() -> None:
    scene = scene_of_a_wide_range()
    picture = read(dng(exposed(scene / 32)))
    psnr = {}
    shadows = (scene[..., 1] > 0.003) & (scene[..., 1] < 0.01)
    for bits, encoded in ((14, picture.pixels / 65535), (8, to_8_bits(picture.pixels) / 255)):
        lifted = np.clip(linear(encoded) * 32, 0, 1)
        psnr[bits] = [-10 * np.log10(np.mean((srgb(lifted) - srgb(scene))[part] ** 2)) for part in (..., shadows)]
    assert psnr[14][0] > psnr[8][0] + 2
    assert psnr[14][1] > psnr[8][1] + 3.5
    mean = np.clip(linear(picture.pixels / 65535) * 32, 0, 1)[shadows].mean()
    assert mean == pytest.approx(scene[shadows].mean(), rel=0.04)


def test_clipped_lights_are_white_without_a_cast() -> None:
    scene = np.full((64, 64, 3), 0.2)
    scene[16:48, 16:48] = 3.0  # far above what the sensor holds
    centre = read(dng(exposed(scene, seed=None))).pixels[24:40, 24:40] / 65535
    assert centre.min() > 0.97
    assert np.ptp(centre, axis=2).max() < 0.01


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_raw_files_are_upright_and_keep_their_exif(orientation: int) -> None:
    numbers = exposed(smooth_scene(), seed=None)
    file = dng(numbers, orientation=orientation, maker_note=b"Lumen\0" + bytes(100))
    picture = read(file)
    turns = {1: 0, 3: 2, 6: -1, 8: 1}[orientation]
    expected = np.rot90(srgb(smooth_scene()), turns)
    np.testing.assert_allclose(picture.pixels[INSIDE, INSIDE] / 65535, expected[INSIDE, INSIDE], atol=0.01)
    assert size_of(file) == picture.size

    stream = io.BytesIO()
    picture.write(stream)
    with Image.open(stream) as written:
        exif = written.getexif()
        assert written.format == "TIFF"
        assert exif[ExifTags.Base.Make] == "Lumen"
        assert exif.get(ExifTags.Base.Orientation, 1) == 1
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        assert inner[ExifTags.Base.ISOSpeedRatings] == 6400
        assert inner[ExifTags.Base.DateTimeOriginal] == "2024:01:02 03:04:05"
        assert ExifTags.Base.MakerNote not in inner
        assert 50706 not in exif  # it is no DNG any more
    np.testing.assert_array_equal(read(stream.getvalue()).pixels, picture.pixels)


def test_half_size_is_half_the_size_and_said() -> None:
    picture = read(dng(exposed(smooth_scene(), seed=None)), half=True)
    assert picture.size == (48, 64)
    assert "half" in picture.warnings[0]
    np.testing.assert_allclose(picture.pixels[4:-4, 4:-4] / 65535, srgb(smooth_scene())[8:-8:2, 8:-8:2], atol=0.03)


def test_bad_raw_files(tmp_path: Path) -> None:
    file = dng(exposed(smooth_scene(), seed=None))
    for share in (0.001, 0.3, 0.9):
        with pytest.raises(PictureError, match=r"damaged|cut short|not a picture|not known"):
            read(file[: int(len(file) * share)])
    with pytest.raises(PictureError, match="above the bound"):
        read(file, max_pixels=100)
    with pytest.raises(PictureError, match="not written") as caught:
        read(file).write(tmp_path / "a.dng")
    assert caught.value.remedy == "format"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "b.nef").write_bytes(b"II*\0" + bytes(200))
    with pytest.raises(PictureError):
        read(tmp_path / "b.nef")


def test_a_black_frame_is_black() -> None:
    assert read(dng(np.full((32, 32), BLACK, np.uint16))).pixels.max() == 0


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_bytes(dng(exposed(smooth_scene(), seed=None)))
    code = f"""
import sys
sys.modules["rawpy"] = None
import lightwell
try:
    lightwell.read({str(tmp_path / "a.dng")!r})
except lightwell.LightwellError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "is a RAW file, which needs a further package: pip install 'lightwell[raw]'\n"


def test_a_real_raw_file(shared: Path) -> None:
    path = shared / "reference" / "files" / "canon_eos_6d.dng"
    picture = read(path)
    assert picture.size == size_of(path) == (816, 1224)
    assert picture.bits == 16
    exif = Image.Exif()
    exif.load(picture.exif or b"")
    assert exif[ExifTags.Base.Model] == "Canon EOS 6D"
    assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 1000
    assert 20 < to_8_bits(picture.pixels).mean() < 200


def test_names_of_raw_files_are_known() -> None:
    assert format_of_name("a.CR2") == "RAW"
    assert result_name("a.CR2") == "a.tif"
    assert result_name("a.webp") == "a.webp"


@pytest.mark.parametrize("magic", [b"IIRO", b"IIU\0"])
def test_exif_of_raw_files_whose_tiff_structure_has_another_name(magic: bytes) -> None:
    file = dng(exposed(smooth_scene(), seed=None))
    notes: list[str] = []
    exif = Image.Exif()
    exif.load(exif_of_raw(io.BytesIO(magic + file[4:]), notes) or b"")
    assert exif[ExifTags.Base.Make] == "Lumen"
    assert notes == []


def test_exif_comes_from_the_preview_where_there_is_no_tiff_structure() -> None:
    told = Image.Exif()
    told[ExifTags.Base.Make] = "Lumen"
    preview = io.BytesIO()
    Image.new("RGB", (8, 8)).save(preview, "JPEG", exif=told.tobytes())
    notes: list[str] = []
    exif = Image.Exif()
    exif.load(exif_of_raw(io.BytesIO(b"FUJIFILMCCD-RAW" + bytes(200)), notes, preview.getvalue()) or b"")
    assert exif[ExifTags.Base.Make] == "Lumen"
    assert exif_of_raw(io.BytesIO(b"FUJIFILMCCD-RAW" + bytes(200)), notes) is None
    assert "EXIF" in notes[0]
