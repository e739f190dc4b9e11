from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from lightwell.errors import PictureError
from lightwell.pictures import Picture, read, size_of

av = pytest.importorskip("av", reason="needs the extra [heif]")


def smooth_planes(height: int = 64, width: int = 96) -> list[np.ndarray]:
    """Luma and two planes of colour at 10 bits, smooth, so that little is lost to compression."""
    y, x = np.mgrid[0:height, 0:width]
    luma = 250 + 500 * x / width
    blue = 512 + 60 * np.sin(y[::2, ::2] / 20)
    red = 512 + 60 * np.cos(x[::2, ::2] / 25)
    return [np.round(plane).astype("<u2") for plane in (luma, blue, red)]


def deep_avif(
    planes: list[np.ndarray], *, matrix: int = 6, primaries: int = 1, transfer: int = 13, full: bool = True
) -> bytes:
    """An AVIF file of 10 bits by another encoder, its colours named by number."""
    os.environ.setdefault("SVT_LOG", "-1")
    stream = io.BytesIO()
    height, width = planes[0].shape
    with av.open(stream, "w", format="avif") as container:
        track: Any = container.add_stream("libsvtav1", rate=1)
        track.width, track.height, track.pix_fmt = width, height, "yuv420p10le"
        track.options = {"crf": "1", "preset": "8"}
        frame = av.VideoFrame(width, height, "yuv420p10le")
        for plane, samples in zip(frame.planes, planes, strict=True):
            rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
            rows[:, : plane.width] = samples
            plane.update(rows.tobytes())
        for packet in [*track.encode(frame), *track.encode()]:
            container.mux(packet)
    file = stream.getvalue()
    place = file.index(b"colrnclx") + 8
    named = b"".join(value.to_bytes(2, "big") for value in (primaries, transfer, matrix)) + bytes([0x80 * full])
    return file[:place] + named + file[place + 7 :]


def rgb_of(planes: list[np.ndarray], matrix: int, full: bool) -> np.ndarray:
    """RGB in [0, 1] by the inverse of what H.273 defines (equations 38 to 60)."""
    red, blue = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    luma = np.array([red, 1 - red - blue, blue])
    forward = np.stack([luma, (np.eye(3)[2] - luma) / (2 * (1 - blue)), (np.eye(3)[0] - luma) / (2 * (1 - red))])
    spans, zeros = ((1023, 1023, 1023), (0, 512, 512)) if full else ((876, 896, 896), (64, 512, 512))
    whole = [planes[0], *(np.kron(plane, np.ones((2, 2))) for plane in planes[1:])]
    values = np.stack([(plane - zero) / span for plane, zero, span in zip(whole, zeros, spans, strict=True)], axis=2)
    return values @ np.linalg.inv(forward).T


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_ten_bits_are_read_as_16_with_their_colours(matrix: int, full: bool) -> None:
    file = deep_avif(smooth_planes(), matrix=matrix, full=full)
    picture = read(file)
    assert picture.format == "AVIF"
    assert picture.bits == 16
    assert picture.depth == 10
    assert picture.warnings == ()
    assert np.unique(picture.pixels).size > 1000
    with Image.open(io.BytesIO(file)) as image:
        # Pillow's decoder drops the two lower bits before it makes RGB, so it is a level or two darker.
        np.testing.assert_allclose(picture.pixels / 257, np.asarray(image).astype(float), atol=6)
    np.testing.assert_allclose(picture.pixels / 65535, rgb_of(smooth_planes(), matrix, full), atol=0.006)


def test_odd_sizes() -> None:
    planes = smooth_planes(65, 97)
    picture = read(deep_avif(planes))
    assert picture.size == size_of(deep_avif(planes)) == (65, 97)


def test_hdr_light_is_converted_and_said() -> None:
    gray = [np.full((64, 64), round(0.38 * 1023), "<u2"), *[np.full((32, 32), 512, "<u2")] * 2]
    picture = read(deep_avif(gray, matrix=9, primaries=9, transfer=16))
    assert any("HDR" in note for note in picture.warnings)
    assert picture.pixels[32, 32].mean() / 65535 == pytest.approx(0.395, abs=0.025)  # 26 of 203 nits, sRGB


def test_wide_colours_get_their_profile() -> None:
    assert read(deep_avif(smooth_planes(), primaries=12)).icc is not None


def test_damaged_ones_end_in_one_line() -> None:
    file = deep_avif(smooth_planes())
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(file)
        for place in rng.integers(0, len(file), 3):
            damaged[place] = rng.integers(256)
        try:
            picture = read(bytes(damaged), max_pixels=1_000_000)
        except PictureError as error:
            lines = str(error).count("\n")
        else:
            lines = 0
            assert picture.pixels.size > 0
        assert lines == 0


def test_without_the_extra_they_are_read_at_8_bits_with_a_word(tmp_path: Path) -> None:
    (tmp_path / "a.avif").write_bytes(deep_avif(smooth_planes()))
    code = f"""
import sys
sys.modules["av"] = None
import lightwell
picture = lightwell.read({str(tmp_path / "a.avif")!r})
print(picture.bits, *picture.warnings)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "8 its 10 bits a sample were read as 8: pip install 'lightwell[heif]' to read them all\n"


# ---- writing


def ramp(height: int = 96, width: int = 128) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 400 + 5000, y * 500 + 4000, (x + y) * 200 + 6000], axis=2).astype(np.uint16)


def test_ten_bits_are_written_with_all_that_is_told_of_them() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Lumen"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 6400
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Picture(ramp(), exif=exif.tobytes(), xmp=b"<x:xmpmeta/>", icc=profile, dpi=(300, 150), depth=10)
    stream = io.BytesIO()
    assert picture.write(stream, format="AVIF", quality=100) == ()

    with Image.open(stream) as image:  # by another reader
        assert image.info["icc_profile"] == profile
        assert image.info["xmp"] == b"<x:xmpmeta/>"
        assert image.getexif()[ExifTags.Base.Make] == "Lumen"
        assert image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 6400
        np.testing.assert_allclose(np.asarray(image).astype(float), ramp() / 257, atol=5)
    back = read(stream.getvalue())
    assert back.depth == 10
    assert back.dpi == (300, 150)
    error = (back.pixels.astype(float) - ramp()) / 257
    assert np.abs(error).max() < 2
    assert np.abs(error).mean() < 0.3


@pytest.mark.parametrize("shape", [(65, 97, 3), (70, 80, 1), (1, 1, 3), (8, 140, 3)])
def test_every_size_is_written(shape: tuple[int, int, int]) -> None:
    pixels = ramp(*shape[:2])[..., : shape[2]]
    stream = io.BytesIO()
    notes = Picture(pixels).write(stream, format="AVIF", quality=100)
    back = read(stream.getvalue())
    assert back.size == shape[:2]
    assert any("10 bits" in note for note in notes)
    scale = 1 if back.bits == 16 else 257
    np.testing.assert_allclose(
        back.pixels * float(scale) / 257, np.broadcast_to(pixels, back.pixels.shape) / 257, atol=4
    )


def test_transparency_costs_the_depth_and_this_is_told() -> None:
    notes = Picture(ramp(), ramp()[..., 0]).write(io.BytesIO(), format="AVIF")
    assert any("at 8 bits" in note for note in notes)
