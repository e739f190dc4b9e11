from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from lightwell.errors import PictureError
from lightwell.pictures import Picture, read, size_of, to_srgb

pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra [heif]")

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:title="night"/></x:xmpmeta>'


def slope(dtype: type = np.uint16, height: int = 64, width: int = 96) -> np.ndarray:
    """A gray slope of all levels, which loses little to compression."""
    levels = np.linspace(0, np.iinfo(dtype).max, height * width).reshape(height, width)
    return np.repeat(levels.astype(dtype)[..., None], 3, axis=2)


def heif(samples: np.ndarray, *, bits: int = 8, **options: Any) -> bytes:
    mode = "RGB" if samples.dtype == np.uint8 else "RGB;16"
    stream = io.BytesIO()
    file = pillow_heif.from_bytes(mode, samples.shape[1::-1], np.ascontiguousarray(samples).tobytes())
    file.save(stream, quality=-1, chroma=444, bit_depth=bits, **options)
    return stream.getvalue()


def heif_of_colours(encoded: np.ndarray, primaries: int, transfer: int, bits: int = 12) -> bytes:
    samples = np.round(encoded * 65535).astype(np.uint16)
    return heif(samples, bits=bits, color_primaries=primaries, transfer_characteristics=transfer, matrix_coefficients=0)


def written(picture: Picture, format: str = "HEIF", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.write(stream, format=format, **options)
    return stream.getvalue()


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_pictures_are_read_at_16_bits_and_keep_their_depth(bits: int) -> None:
    picture = read(heif(slope(), bits=bits))
    assert picture.bits == 16
    assert picture.depth == bits
    assert np.unique(picture.pixels).size > 0.9 * 2**bits
    assert picture.pixels.min() == 0
    assert picture.pixels.max() == 65535
    np.testing.assert_allclose(picture.pixels, slope(), atol=2 * 65535 / 2**bits)

    file = written(picture)
    assert pillow_heif.open_heif(file, convert_hdr_to_8bit=False).info["bit_depth"] == bits
    assert read(file).depth == bits


def test_what_is_told_when_16_bits_become_12() -> None:
    assert "12 bits" in Picture(slope()).write(io.BytesIO(), format="HEIF")[0]
    assert Picture(slope(), depth=12).write(io.BytesIO(), format="HEIF") == ()
    assert Picture(slope(np.uint8)).write(io.BytesIO(), format="HEIF") == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_heif_gives_back_what_was_written(dtype: type, channels: int) -> None:
    pixels = slope(dtype, 37, 51)[..., : 1 if channels < 3 else 3]
    alpha = slope(dtype, 37, 51)[::-1, :, 0] if channels in (2, 4) else None
    picture = read(written(Picture(pixels, alpha), quality=100))
    assert picture.pixels.dtype == dtype
    np.testing.assert_allclose(
        picture.pixels, np.broadcast_to(pixels, picture.pixels.shape), atol=4 * np.iinfo(dtype).max / 255
    )
    if alpha is None:
        assert picture.alpha is None
    else:
        np.testing.assert_allclose(picture.alpha, alpha, atol=4 * np.iinfo(dtype).max / 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_once(orientation: int) -> None:
    stored = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((32, 32), np.uint8))
    image = Image.fromarray(np.repeat(stored[..., None], 3, axis=2))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stream = io.BytesIO()
    pillow_heif.from_bytes("RGB", image.size, image.tobytes()).save(stream, quality=-1, exif=exif.tobytes())
    picture = read(stream.getvalue())
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    expected = np.asarray(image.transpose(turn[orientation]) if orientation > 1 else image)
    np.testing.assert_allclose(picture.pixels.astype(int), expected, atol=12)
    assert size_of(stream.getvalue()) == picture.size
    again = read(written(picture, quality=100))
    np.testing.assert_allclose(again.pixels.astype(int), expected, atol=16)


def test_metadata_stays() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Lumen"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 6400
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Picture(slope(np.uint8), exif=exif.tobytes(), xmp=XMP, icc=profile, dpi=(300, 150), software="lightwell")
    back = read(written(picture))
    kept = Image.Exif()
    kept.load(back.exif or b"")
    assert kept[ExifTags.Base.Make] == "Lumen"
    assert kept[ExifTags.Base.Software] == "lightwell"
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 6400
    assert back.xmp == XMP
    assert back.icc == profile
    assert back.dpi == (300, 150)


# Colours by the named primaries and by sRGB; littleCMS is asked too.
DISPLAY_P3 = [((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)), ((0.7, 0.4, 0.3), (0.7464, 0.3842, 0.2714))]
BT_2020_GRAY = [((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]


@pytest.mark.parametrize(("primaries", "colours"), [(12, DISPLAY_P3), (9, BT_2020_GRAY)])
def test_colours_named_by_number_become_a_profile(primaries: int, colours: list[Any]) -> None:
    for own, expected in colours:
        picture = read(heif_of_colours(np.broadcast_to(own, (64, 64, 3)), primaries, 13))
        assert picture.icc is not None
        np.testing.assert_allclose(to_srgb(picture).pixels[32, 32] / 65535, expected, atol=0.004)
        # The profile is one that other programs understand: littleCMS agrees at 8 bits.
        image = Image.fromarray(np.full((1, 1, 3), np.round(np.multiply(own, 255)), np.uint8))
        profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.icc))
        theirs = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"))
        assert theirs is not None
        np.testing.assert_allclose(np.asarray(theirs)[0, 0] / 255, expected, atol=0.008)


def test_srgb_by_number_needs_no_profile() -> None:
    assert read(heif_of_colours(np.full((64, 64, 3), 0.5), 1, 13)).icc is None


# ITU-R BT.2408: diffuse white, 203 nits, is 58 % of PQ and 75 % of HLG; 26 nits (18 % gray) are 38 % of both.
@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_light_is_converted_and_said(transfer: int) -> None:
    white = 0.5807 if transfer == 16 else 0.75
    levels = np.array([0.0, 0.38, white, 1.0])
    encoded = np.kron(levels[None, :, None], np.ones((64, 32, 3)))
    picture = read(heif_of_colours(encoded, 9, transfer, bits=10))
    assert picture.bits == 16
    assert picture.icc is None
    assert any("HDR" in note and ("PQ" if transfer == 16 else "HLG") in note for note in picture.warnings)
    black, gray, diffuse, peak = picture.pixels[32, 16::32].mean(axis=1) / 65535
    assert black < 0.01
    assert gray == pytest.approx(0.395, abs=0.025)  # 26 of 203 nits, as sRGB encodes it
    assert 0.93 < diffuse < peak <= 1


def film_box() -> bytes:
    return struct.pack(">I4s", 24, b"mpvd") + bytes(16)


def test_the_film_of_a_motion_photo_is_left_alone_with_a_word() -> None:
    file = heif(slope(np.uint8))
    assert not any("film" in note for note in read(file).warnings)
    assert any("film" in note for note in read(file + film_box()).warnings)


def test_a_live_photo_says_that_it_has_a_film() -> None:
    note = b"Apple iOS\0\0\1MM" + struct.pack(">HHHII", 1, 17, 2, 37, 14 + 2 + 12) + b"8" * 36 + b"\0"
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = note
    stream = io.BytesIO()
    Image.fromarray(slope(np.uint8)).save(stream, "JPEG", exif=exif.tobytes())
    assert any("film" in line for line in read(stream.getvalue()).warnings)


def test_a_real_phone_picture(shared: Path) -> None:
    path = shared / "reference" / "files" / "iphone_7.heic"
    assert size_of(path) == (3024, 4032)
    picture = read(path)
    assert picture.size == (3024, 4032)
    assert picture.format == "HEIF"
    exif = Image.Exif()
    exif.load(picture.exif or b"")
    assert exif[ExifTags.Base.Model] == "iPhone 7"
    name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(picture.icc or b"")))
    assert name.strip() == "Display P3"


def test_bad_heif_files() -> None:
    file = heif(slope(np.uint8))
    for share in (0.05, 0.3, 0.95):
        with pytest.raises(PictureError):
            read(file[: int(len(file) * share)])
    with pytest.raises(PictureError, match="above the bound"):
        read(file, max_pixels=100)


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(heif(slope(np.uint8)))
    code = f"""
import sys
sys.modules["pillow_heif"] = None
import lightwell
try:
    lightwell.read({str(tmp_path / "a.heic")!r})
except lightwell.LightwellError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "is a HEIF file, which needs a further package: pip install 'lightwell[heif]'\n"
