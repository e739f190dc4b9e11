"""What a file loses on its way is said, and what need not be lost stays."""

from __future__ import annotations

import io
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms, IptcImagePlugin, PngImagePlugin

from lightwell.errors import PictureError
from lightwell.pictures import FORMATS, WRITTEN, Picture, read, size_of, to_srgb
from lightwell.pictures.space import named_profile, rgb_profile

IPTC = b"\x1c\x02\x78\x00\x0cAt the quay." + b"\x1c\x02\x50\x00\x03Ada"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(shape: tuple[int, ...], dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def written(picture: Picture, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.write(stream, format=format, **options)
    return stream.getvalue()


def jpeg_with_iptc() -> bytes:
    resource = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(IPTC)) + IPTC + b"\0" * (len(IPTC) % 2)
    segment = b"Photoshop 3.0\0" + resource
    file = encoded(Image.fromarray(noise((16, 16, 3))), "JPEG")
    return file[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + file[2:]


# ---- metadata


@pytest.mark.parametrize("target", ["JPEG", "TIFF"])
def test_iptc_stays(target: str) -> None:
    file = written(read(jpeg_with_iptc()), target)
    with Image.open(io.BytesIO(file)) as image:
        found = IptcImagePlugin.getiptcinfo(image)
    assert found is not None
    assert found[(2, 80)] == b"Ada"
    again = read(file)
    assert again.iptc == IPTC
    assert read(written(again, "JPEG")).iptc == IPTC


@pytest.mark.parametrize("target", ["PNG", "WEBP", "AVIF", "BMP"])
def test_iptc_that_a_format_does_not_hold_is_told(target: str) -> None:
    (note,) = read(jpeg_with_iptc()).write(io.BytesIO(), format=target)
    assert "IPTC" in note


@pytest.mark.parametrize("spelling", [b'="6"', b"='6'", b' = "6"', b">6<"])
def test_xmp_says_upright_in_every_spelling(spelling: bytes) -> None:
    if spelling == b">6<":
        xmp = b"<x:xmpmeta><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>"
    else:
        xmp = b"<x:xmpmeta><rdf:Description tiff:Orientation" + spelling + b"/></x:xmpmeta>"
    picture = read(encoded(Image.fromarray(noise((4, 4, 3))), "JPEG", xmp=xmp))
    assert picture.xmp == xmp.replace(b"6", b"1")


MOTION = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description GCamera:MotionPhoto="1"
 GCamera:MotionPhotoVersion='1' GCamera:MicroVideoOffset="12345" dc:title="night"><Container:Directory><rdf:Seq>
<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary"/></rdf:li>
<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="9"/>
</rdf:li></rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"""


def test_xmp_points_to_no_film_that_is_not_there() -> None:
    film = struct.pack(">I4s4sI", 16, b"ftyp", b"mp42", 0) + bytes(100)
    picture = read(encoded(Image.fromarray(noise((8, 8, 3))), "JPEG", xmp=MOTION) + film)
    assert any("film" in note for note in picture.warnings)
    kept = picture.xmp or b""
    for word in (b"MotionPhoto", b"MicroVideo", b"video/mp4"):
        assert word not in kept
    for word in (b'dc:title="night"', b'Item:Semantic="Primary"', b"</rdf:Seq>"):
        assert word in kept
    assert kept.count(b"<rdf:li") == kept.count(b"</rdf:li>") == 1


def test_xmp_points_to_no_gain_map_that_is_not_there() -> None:
    xmp = MOTION.replace(b"GCamera:MotionPhoto=", b"hdrgm:Version=").replace(b'"MotionPhoto"', b'"GainMap"')
    xmp = xmp.replace(b"GCamera:MotionPhotoVersion", b"hdrgm:GainMapMax").replace(b"GCamera:MicroVideoOffset", b"a:b")
    picture = read(encoded(Image.fromarray(noise((8, 8, 3))), "JPEG", xmp=xmp))
    assert any("gain map" in note for note in picture.warnings)
    assert not any("film" in note for note in picture.warnings)
    assert b"hdrgm" not in (picture.xmp or b"")
    assert b"GainMap" not in (picture.xmp or b"")
    assert b'a:b="12345"' in (picture.xmp or b"")


def test_samsungs_films_are_told() -> None:
    trailer = b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + bytes(50) + b"SEFH" + bytes(16) + b"SEFT"
    picture = read(encoded(Image.fromarray(noise((8, 8, 3))), "JPEG") + trailer)
    assert any("film" in note for note in picture.warnings)


@pytest.mark.parametrize("damage", ["cut", "no mark", "tags outside"])
def test_a_broken_profile_is_left_out_and_told(damage: str) -> None:
    broken = {
        "cut": SRGB[:200],
        "no mark": SRGB[:36] + b"xxxx" + SRGB[40:],
        "tags outside": SRGB[:136] + b"\xff\xff\xff\x00" + SRGB[140:],
    }[damage]
    picture = read(encoded(Image.fromarray(noise((8, 8, 3))), "PNG", icc_profile=broken))
    assert picture.icc is None
    assert any("profile is broken" in note for note in picture.warnings)


def test_a_profile_of_other_pixels_is_told() -> None:
    picture = read(encoded(Image.fromarray(noise((8, 8))), "PNG", icc_profile=SRGB))
    assert picture.icc is None
    assert any("RGB" in note for note in picture.warnings)
    notes = Picture(noise((4, 4, 1)), icc=SRGB).write(io.BytesIO(), format="PNG")
    assert any("profile" in note for note in notes)


def test_a_whole_profile_is_kept_without_a_word() -> None:
    picture = read(encoded(Image.fromarray(noise((8, 8, 3))), "PNG", icc_profile=SRGB))
    assert picture.icc == SRGB
    assert picture.warnings == ()


@pytest.mark.parametrize("kind", [1, 2])
def test_a_curve_without_a_slope_is_a_broken_profile(kind: int) -> None:
    profile = named_profile(12, 13)
    assert profile is not None
    curve = profile.index(b"para")
    crafted = bytearray(profile)
    crafted[curve : curve + 12] = struct.pack(">4sIHH", b"para", 0, kind, 0)
    crafted[curve + 16 : curve + 20] = bytes(4)
    assert rgb_profile(bytes(crafted)) is None
    picture = read(encoded(Image.fromarray(noise((8, 8, 3))), "PNG", icc_profile=bytes(crafted)))
    assert "matrix kind" in to_srgb(picture).warnings[-1]


# ---- what the output's format drops


@pytest.mark.parametrize("target", ["JPEG", "WEBP", "BMP"])
def test_16_bits_that_become_8_are_told(target: str) -> None:
    (note,) = Picture(noise((8, 8, 3), np.uint16)).write(io.BytesIO(), format=target)
    assert "16" in note
    assert "8 bits" in note


def test_everything_that_bmp_drops_is_told_in_one_line() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Lumen"
    picture = Picture(noise((8, 8, 3)), icc=SRGB, exif=exif.tobytes(), xmp=b"<x/>", iptc=IPTC, text={"Author": "Ada"})
    (note,) = picture.write(io.BytesIO(), format="BMP")
    for word in ("colour profile", "EXIF", "XMP", "IPTC", "Author"):
        assert word in note


def test_what_fits_is_written_without_a_word() -> None:
    picture = Picture(noise((8, 8, 3)), dpi=(300, 300), icc=SRGB, xmp=b"<x/>", text={"Comment": "from the roof"})
    assert picture.write(io.BytesIO(), format="JPEG") == ()
    assert Picture(noise((8, 8, 3), np.uint16), text={"Author": "Ada"}).write(io.BytesIO(), format="PNG") == ()


@pytest.mark.parametrize("target", ["WEBP", "AVIF"])
def test_formats_without_a_field_for_it_keep_the_resolution_in_exif(target: str) -> None:
    picture = Picture(noise((8, 8, 3)), dpi=(300, 150))
    assert picture.write(io.BytesIO(), format=target) == ()
    assert read(written(picture, target)).dpi == (300, 150)


def test_gray_with_alpha_of_16_bits_is_read_back_from_tiff() -> None:
    picture = Picture(noise((50, 41, 1), np.uint16), noise((50, 41), np.uint16, 1))
    back = read(written(picture, "TIFF"))
    np.testing.assert_array_equal(back.pixels, picture.pixels)
    np.testing.assert_array_equal(back.alpha, picture.alpha)


def test_a_turned_tiff_with_planes_of_8_bits() -> None:
    stream = io.BytesIO()
    samples = noise((3, 8, 5))
    tifffile.imwrite(stream, samples, photometric="rgb", planarconfig="separate", extratags=[(274, 3, 1, 8, True)])
    picture = read(stream.getvalue())
    np.testing.assert_array_equal(picture.pixels, np.rot90(samples.transpose(1, 2, 0)))


# ---- sizes


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "BMP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_told_without_decoding_is_the_size_decoded(format: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / ("a" + FORMATS[format][0])  # type: ignore[index]
    path.write_bytes(encoded(Image.fromarray(noise((24, 32, 3))), format, exif=exif.tobytes()))
    assert size_of(path) == read(path).size
    if format != "BMP":
        assert size_of(path) == ((24, 32) if orientation < 5 else (32, 24))


def test_a_size_is_told_of_a_file_whose_pixels_are_missing() -> None:
    assert size_of(encoded(Image.fromarray(noise((240, 320, 3))), "PNG")[:200]) == (240, 320)
    with pytest.raises(PictureError, match="no such file"):
        size_of("none.png")
    with pytest.raises(PictureError, match="not a picture"):
        size_of(b"Dear diary")


def test_reading_leaves_pillows_own_bound_alone_and_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    file = encoded(Image.fromarray(noise((64, 64, 3))), "TIFF")
    reached, go_on = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            reached.set()
            assert go_on.wait(10)
            return super().read(size)

    results: list[Picture] = []
    slow = threading.Thread(target=lambda: results.append(read(Slow(file))))
    slow.start()
    try:
        assert reached.wait(10)
        assert Image.MAX_IMAGE_PIXELS == 1000
        assert read(file).size == (64, 64)
    finally:
        go_on.set()
        slow.join()
    assert results[0].size == (64, 64)


# ---- colours


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_wide_colours_become_srgb_as_littlecms_has_them(dtype: type) -> None:
    profile = named_profile(12, 13)
    assert profile is not None
    samples = np.random.default_rng(0).integers(60, 200, (16, 16, 3)).astype(np.uint8)
    scale = 257 if dtype is np.uint16 else 1
    picture = to_srgb(Picture(samples.astype(dtype) * dtype(scale), icc=profile))
    expected = ImageCms.profileToProfile(
        Image.fromarray(samples), ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    )
    assert picture.icc is None
    assert picture.pixels.dtype == dtype
    np.testing.assert_allclose(picture.pixels / scale, np.asarray(expected).astype(float), atol=1.2)


def test_srgb_pictures_keep_their_pixels() -> None:
    picture = Picture(noise((8, 8, 3)), icc=SRGB)
    np.testing.assert_array_equal(to_srgb(picture).pixels, picture.pixels)
    plain = Picture(noise((8, 8, 3)))
    assert to_srgb(plain) is plain


# ---- messages are for callers of any kind


def test_errors_do_not_speak_command_line(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(noise((8, 8, 3))), "PNG"))
    with pytest.raises(PictureError) as caught:
        read(tmp_path / "a.png", max_pixels=10)
    assert "--" not in str(caught.value)
    assert caught.value.remedy == "max_pixels"
    notes = Picture(noise((4, 4, 3)), noise((4, 4))).write(io.BytesIO(), format="JPEG")
    assert "--" not in "".join(notes)


def test_every_format_says_what_it_is() -> None:
    assert set(WRITTEN) == set(FORMATS) - {"RAW"}
    suffixes = [suffix for each in FORMATS.values() for suffix in each]
    assert len(suffixes) == len(set(suffixes))


def test_png_words_are_not_lost_to_png() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "Ada")
    picture = read(encoded(Image.new("L", (4, 4)), "PNG", pnginfo=info))
    assert "Author" in picture.write(io.BytesIO(), format="JPEG")[0]
