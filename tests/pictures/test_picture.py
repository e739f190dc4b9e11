from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin

from lightwell.errors import PictureError
from lightwell.files import whole_file
from lightwell.pictures import Picture, read, size_of

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="night"/></x:xmpmeta>'


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


def png16(pixels: np.ndarray, extra: bytes = b"") -> bytes:
    """A 16-bit PNG after the specification, its rows unfiltered."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def decoded_png16(file: bytes) -> np.ndarray:
    """The samples of a 16-bit PNG whose rows all have filter 1 (difference to the left)."""
    position, data = 8, b""
    while position < len(file):
        size, name = struct.unpack_from(">I4s", file, position)
        content = file[position + 8 : position + 8 + size]
        assert struct.unpack_from(">I", file, position + 8 + size)[0] == zlib.crc32(name + content)
        if name == b"IHDR":
            width, height, depth, kind = struct.unpack_from(">IIBB", content)
        data += content if name == b"IDAT" else b""
        position += size + 12
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[kind]
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + width * channels * 2)
    assert depth == 16
    assert (rows[:, 0] == 1).all()
    raw = np.cumsum(rows[:, 1:].reshape(height, width, channels * 2), axis=1, dtype=np.uint8)
    return raw.reshape(height, width, channels, 2).view(">u2")[..., 0]


# ---- samples survive


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    format=st.sampled_from(["PNG", "TIFF", "WEBP", "BMP"]),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    transparent=st.booleans(),
)
def test_lossless_formats_give_back_what_was_written(
    data: st.DataObject, format: str, channels: int, dtype: type, transparent: bool
) -> None:
    if format in ("WEBP", "BMP"):
        dtype, channels = np.uint8, 3
    if format == "BMP":
        transparent = False
    height, width = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    pixels = data.draw(hnp.arrays(dtype, (height, width, channels)))
    alpha = data.draw(hnp.arrays(dtype, (height, width))) if transparent else None

    back = read(written(Picture(pixels, alpha, lossless=True), format))

    assert back.format == format
    assert back.pixels.dtype == dtype
    np.testing.assert_array_equal(back.pixels, pixels)
    if alpha is None:
        assert back.alpha is None
    elif back.alpha is None:  # WebP leaves out what hides nothing
        assert format == "WEBP"
        assert (alpha == 255).all()
    else:
        np.testing.assert_array_equal(back.alpha, alpha)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_of_another_writer_is_read_whole(channels: int) -> None:
    samples = noise((7, 5, channels), np.uint16)
    picture = read(png16(samples))
    colours = 3 if channels > 2 else 1
    np.testing.assert_array_equal(picture.pixels, samples[..., :colours])
    if channels in (2, 4):
        np.testing.assert_array_equal(picture.alpha, samples[..., -1])


def test_transparent_colour_of_a_16_bit_png_becomes_alpha() -> None:
    samples = noise((4, 4, 3), np.uint16)
    key = struct.pack(">3H", *samples[1, 2])
    chunk = struct.pack(">I", 6) + b"tRNS" + key + struct.pack(">I", zlib.crc32(b"tRNS" + key))
    alpha = read(png16(samples, chunk)).alpha
    expected = np.full((4, 4), 65535)
    expected[1, 2] = 0
    np.testing.assert_array_equal(alpha, expected)


def test_transparent_gray_of_a_16_bit_png_becomes_alpha() -> None:
    samples = noise((4, 4, 1), np.uint16)
    key = struct.pack(">H", *samples[1, 2])
    chunk = struct.pack(">I", 2) + b"tRNS" + key + struct.pack(">I", zlib.crc32(b"tRNS" + key))
    picture = read(png16(samples, chunk))
    expected = np.full((4, 4), 65535)
    expected[1, 2] = 0
    np.testing.assert_array_equal(picture.pixels, samples)
    np.testing.assert_array_equal(picture.alpha, expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_is_written_after_the_specification(channels: int) -> None:
    samples = noise((9, 301, channels), np.uint16)
    colours = 3 if channels > 2 else 1
    picture = Picture(samples[..., :colours], samples[..., -1] if channels in (2, 4) else None)
    np.testing.assert_array_equal(decoded_png16(written(picture, "PNG")), samples)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_tiff_of_another_writer_is_read_whole(order: str, compression: str | None, channels: int) -> None:
    samples = noise((40, 30, channels), np.uint16)
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        samples if channels > 1 else samples[..., 0],
        byteorder=order,
        compression=compression,
        photometric="rgb" if channels > 1 else "minisblack",
        extrasamples=["unassalpha"] if channels == 4 else None,
    )
    picture = read(stream.getvalue())
    np.testing.assert_array_equal(picture.pixels, samples[..., :3])
    if channels == 4:
        np.testing.assert_array_equal(picture.alpha, samples[..., 3])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("options", [{"bigtiff": True}, {"tile": (16, 16)}, {"rowsperstrip": 3}, {"predictor": True}])
def test_tiffs_of_other_layouts_are_read(dtype: type, options: dict[str, Any]) -> None:
    samples = noise((40, 30, 3), dtype)
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric="rgb", compression="zlib", **options)
    np.testing.assert_array_equal(read(stream.getvalue()).pixels, samples)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_tiffs_whose_white_is_zero_are_read_the_right_way_round(dtype: type) -> None:
    samples = noise((4, 5), dtype)
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric="miniswhite")
    np.testing.assert_array_equal(read(stream.getvalue()).pixels[..., 0], np.iinfo(dtype).max - samples)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}])
@pytest.mark.parametrize("layout", ["planes", "gray and alpha", "tiles"])
def test_16_bit_tiffs_that_pillow_misreads_or_refuses_are_read_whole(
    order: Any, options: dict[str, Any], layout: str
) -> None:
    stream = io.BytesIO()
    if layout == "planes":
        samples = noise((4, 8, 9), np.uint16)
        options |= {"photometric": "rgb", "planarconfig": "separate", "rowsperstrip": 3}
        expected = samples.transpose(1, 2, 0)
    else:
        samples = expected = noise((40, 37, 2), np.uint16)
        options |= {"photometric": "minisblack", "planarconfig": "contig"}
    if layout == "tiles":
        options |= {"tile": (16, 32)}
    tifffile.imwrite(stream, samples, byteorder=order, extrasamples=["unassalpha"], **options)

    picture = read(stream.getvalue())

    np.testing.assert_array_equal(picture.samples(), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_turned_16_bit_tiffs_of_every_layout_are_upright(channels: int) -> None:
    samples = noise((8, 5, channels + 1), np.uint16)
    turned = Picture(np.rot90(samples, -1)[..., :channels].copy(), np.rot90(samples, -1)[..., -1].copy())
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        samples.transpose(2, 0, 1) if channels == 3 else samples,
        photometric="rgb" if channels == 3 else "minisblack",
        planarconfig="separate" if channels == 3 else "contig",
        extrasamples=["unassalpha"],
        extratags=[(274, 3, 1, 6, True)],
    )
    np.testing.assert_array_equal(read(stream.getvalue()).samples(), turned.samples())
    assert size_of(stream.getvalue()) == turned.size


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("transparent", [False, True])
def test_another_reader_reads_our_tiff(dtype: type, channels: int, transparent: bool) -> None:
    picture = Picture(noise((700, 300, channels), dtype), noise((700, 300), dtype, 1) if transparent else None)
    samples = tifffile.imread(io.BytesIO(written(picture, "TIFF"))).reshape(700, 300, -1)
    np.testing.assert_array_equal(samples[..., :channels], picture.pixels)
    if transparent:
        np.testing.assert_array_equal(samples[..., -1], picture.alpha)


def test_16_bits_are_rounded_to_8_where_the_format_has_no_more() -> None:
    pixels = np.array([[[0], [128], [129], [32768], [65535]]], np.uint16)
    back = read(written(Picture(pixels), "BMP"))
    np.testing.assert_array_equal(back.pixels[0, :, 0], [0, 0, 1, 128, 255])  # 257 steps of 16 bits a step of 8


def test_palette_and_bilevel_pictures_become_rgb_and_gray() -> None:
    colours = Image.fromarray(noise((8, 8, 3)) // 128 * 255)
    palette = colours.convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    np.testing.assert_array_equal(read(encoded(palette, "PNG")).pixels, np.asarray(palette.convert("RGB")))

    clear = read(encoded(palette, "PNG", transparency=palette.getpixel((3, 2))))
    assert clear.alpha is not None
    assert clear.alpha[2, 3] == 0

    bilevel = Image.fromarray(noise((8, 8)) // 128 * 255).convert("1", dither=Image.Dither.NONE)
    np.testing.assert_array_equal(read(encoded(bilevel, "PNG")).pixels[..., 0], np.asarray(bilevel) * 255)


def test_cmyk_becomes_rgb_and_says_so() -> None:
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    picture = read(encoded(cmyk, "JPEG", quality=100, icc_profile=None))
    assert picture.pixels[4, 4, 0] > 200
    assert picture.pixels[4, 4, 1:].max() < 60
    assert "CMYK" in picture.warnings[0]


def test_more_than_one_frame_gives_the_first_with_a_word() -> None:
    frames = [Image.fromarray(noise((8, 8, 3), seed=k)) for k in range(3)]
    picture = read(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    np.testing.assert_array_equal(picture.pixels, np.asarray(frames[0]))
    assert picture.warnings == ("only the first of 3 frames was taken",)


def test_a_phones_jpeg_of_two_pictures_gives_the_first(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=frames[1:])
    picture = read(tmp_path / "phone.jpg")
    assert picture.format == "JPEG"
    assert picture.pixels[8, 8, 0] > 200 > 60 > picture.pixels[8, 8, 2]
    assert "first of 2" in picture.warnings[0]


# ---- metadata survives


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright_and_stay_so(format: str, orientation: int) -> None:
    stored = Image.fromarray(np.kron(noise((3, 4, 3)), np.ones((16, 16, 1), np.uint8)))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = 300.0, 150.0
    exif[ExifTags.Base.ResolutionUnit] = 2
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 64
    file = encoded(stored, format, exif=exif.tobytes(), lossless=True, quality=100)
    with Image.open(io.BytesIO(file)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))

    picture = read(file)
    again = read(written(picture, "PNG"))

    np.testing.assert_array_equal(picture.pixels, expected)
    np.testing.assert_array_equal(again.pixels, expected)
    kept = Image.Exif()
    kept.load(picture.exif)
    assert kept[ExifTags.Base.Orientation] == 1
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == expected.shape[1]


def test_a_turned_16_bit_picture_keeps_its_bits() -> None:
    samples = noise((5, 8, 3), np.uint16)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = exif.tobytes()[6:]
    chunk = struct.pack(">I", len(data)) + b"eXIf" + data + struct.pack(">I", zlib.crc32(b"eXIf" + data))
    np.testing.assert_array_equal(read(png16(samples, chunk)).pixels, np.rot90(samples, -1))


@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("target", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_metadata_goes_from_every_format_to_every_format(source: str, target: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Lumen"
    exif[ExifTags.Base.Software] = "Camera 1.0"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:01:02 03:04:05"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 6400
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": profile, "dpi": (300, 300)}
    if source == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif source == "TIFF":
        exif[700] = XMP
        options["exif"] = exif.tobytes()
    else:
        options["xmp"] = XMP

    picture = read(encoded(Image.fromarray(noise((16, 16, 3))), source, **options))
    file = written(Picture(**{**vars(picture), "software": "lightwell"}), target)

    with Image.open(io.BytesIO(file)) as image:
        image.load()
        kept = image.getexif()
        assert kept[ExifTags.Base.Make] == "Lumen"
        assert kept[ExifTags.Base.Software] == "lightwell"
        assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "2024:01:02 03:04:05"
        assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 6400
        assert kept.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
        assert image.info["icc_profile"] == profile
        # The pixels are upright, so no reader may turn them again.
        assert b'dc:title="night"' in image.info["xmp"]
        assert b'Orientation="6"' not in image.info["xmp"]
        if source != "WEBP" and target != "WEBP":  # WebP has no field for it
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        if target == "PNG":
            assert image.text["Software"] == "lightwell"


def test_words_of_a_png_and_comment_of_a_jpeg_stay() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "Ada")
    file = encoded(Image.new("L", (4, 4)), "PNG", pnginfo=info)
    with Image.open(io.BytesIO(written(read(file), "PNG"))) as image:
        assert image.text["Author"] == "Ada"
    file = encoded(Image.new("L", (4, 4)), "JPEG", comment="from the roof")
    with Image.open(io.BytesIO(written(read(file), "JPEG"))) as image:
        assert image.info["comment"] == b"from the roof"


def test_16_bit_png_carries_the_metadata_too() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Picture(noise((4, 4, 3), np.uint16), icc=profile, xmp=XMP, dpi=(72, 72), software="lightwell")
    with Image.open(io.BytesIO(written(picture, "PNG"))) as image:
        image.load()
        assert image.info["icc_profile"] == profile
        assert image.info["xmp"] == XMP
        assert image.info["dpi"] == pytest.approx((72, 72), abs=0.1)
        assert image.text["Software"] == "lightwell"


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_costs_the_exif_not_the_picture() -> None:
    file = encoded(Image.fromarray(noise((16, 16, 3))), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read(file).size == (16, 16)


def test_exif_too_long_for_jpeg_is_left_out_with_a_word() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 70000
    picture = Picture(noise((4, 4, 3)), exif=exif.tobytes())
    notes = picture.write(io.BytesIO(), format="JPEG")
    assert "too long" in notes[0]


def test_a_profile_of_other_pixels_is_not_written() -> None:
    gray = Picture(noise((4, 4, 1)), icc=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    with Image.open(io.BytesIO(written(gray, "PNG"))) as image:
        assert "icc_profile" not in image.info


@pytest.mark.parametrize(("sampling", "expected"), [("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)])
def test_jpeg_keeps_its_colour_resolution(sampling: str, expected: int) -> None:
    from PIL import JpegImagePlugin

    file = encoded(Image.fromarray(noise((32, 32, 3))), "JPEG", subsampling=sampling)
    with Image.open(io.BytesIO(written(read(file), "JPEG"))) as image:
        assert JpegImagePlugin.get_sampling(image) == expected


def test_lossless_webp_stays_lossless_and_lossy_does_not_grow() -> None:
    image = Image.fromarray(noise((64, 64, 3)))
    lossless, lossy = encoded(image, "WEBP", lossless=True), encoded(image, "WEBP", quality=50)
    assert b"VP8L" in written(read(lossless), "WEBP")
    assert b"VP8L" not in written(read(lossy), "WEBP")
    assert b"VP8L" not in written(read(lossless), "WEBP", quality=80)


def test_quality_changes_the_size() -> None:
    picture = Picture(noise((64, 64, 3)))
    sizes = [len(written(picture, "JPEG", quality=quality)) for quality in (30, 60, 95)]
    assert sizes == sorted(sizes)
    assert len(written(picture, "JPEG")) == sizes[2]
    with pytest.raises(ValueError, match="quality is 1 to 100"):
        written(picture, "JPEG", quality=0)


def test_alpha_that_a_format_cannot_hold_is_told() -> None:
    notes = Picture(noise((4, 4, 3)), noise((4, 4))).write(io.BytesIO(), format="JPEG")
    assert "transparency" in notes[0]


# ---- bad files get one clear line


def refusal(source: Any, **options: Any) -> str:
    with pytest.raises(PictureError) as caught:
        read(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_bad_files(tmp_path: Path) -> None:
    assert "empty" in refusal(b"")
    assert "not a picture" in refusal(b"Dear diary, it is dark outside.\n" * 20)
    assert "not a picture" in refusal(encoded(Image.new("RGB", (4, 4)), "GIF"))
    assert "no such file" in refusal(tmp_path / "none.jpg")
    assert "folder" in refusal(tmp_path)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"])
def test_files_cut_short_are_refused(format: str) -> None:
    file = encoded(Image.fromarray(noise((64, 64, 3))), format)
    for share in (0.1, 0.5, 0.9):
        message = refusal(file[: int(len(file) * share)])
        assert any(word in message for word in ("cut short", "damaged", "not a picture"))


def test_16_bit_files_cut_short_are_refused() -> None:
    file = png16(noise((64, 64, 3), np.uint16))
    assert "cut short" in refusal(file[: len(file) // 2])


@settings(deadline=None, max_examples=150)
@given(data=st.data(), format=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP"]))
def test_a_changed_byte_never_ends_in_anything_but_a_picture_or_an_error(data: st.DataObject, format: str) -> None:
    file = bytearray(encoded(Image.fromarray(noise((16, 16, 3))), format))
    for _ in range(3):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = read(bytes(file), max_pixels=1_000_000)
    except PictureError:
        return
    assert picture.pixels.size > 0


def test_a_bomb_is_refused_before_it_is_decoded_and_the_bound_can_be_raised() -> None:
    rows = zlib.compress(b"\0" * 1000)
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")):
        file += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    message = refusal(file)
    assert "10000 million pixels" in message
    assert "max_pixels" in message

    small = encoded(Image.new("L", (5, 4)), "PNG")
    assert "bound" in refusal(small, max_pixels=19)
    assert read(small, max_pixels=20).size == (4, 5)


def test_pictures_above_pillows_own_bound_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for format in ("PNG", "TIFF", "JPEG"):
        file = encoded(Image.new("RGB", (8, 8)), format)
        assert read(file).size == (8, 8)
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (4, 4)).save(path)
    path.chmod(0)
    assert "permission" in refusal(path)
    tmp_path.chmod(0o500)
    with pytest.raises(PictureError, match="permission"):
        Picture(noise((4, 4, 3))).write(tmp_path / "b.png")
    tmp_path.chmod(0o700)


def test_streams_are_read_and_too_large_sides_refused() -> None:
    file = encoded(Image.new("L", (5, 4)), "PNG")
    assert read(io.BytesIO(file)).size == (4, 5)
    with pytest.raises(PictureError, match="larger than WEBP takes"):
        written(Picture(np.zeros((1, 20000, 3), np.uint8)), "WEBP")


def test_wrong_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="pixels must be"):
        Picture(noise((4, 4)))
    with pytest.raises(ValueError, match="format is one of JPEG, PNG"):
        written(Picture(noise((4, 4, 3))), "GIF")
    with pytest.raises(ValueError, match="alpha must be"):
        Picture(noise((4, 4, 3)), noise((5, 4)))


# ---- files appear whole or not at all


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail() -> None:
        with whole_file(path) as stream:
            stream.write(b"half")
            assert path.read_bytes() == b"old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_a_written_file_has_the_permissions_of_a_new_file_and_links_stay(tmp_path: Path) -> None:
    plain, path, link = tmp_path / "plain", tmp_path / "a.png", tmp_path / "link.png"
    plain.touch()
    link.symlink_to(path)
    Picture(noise((4, 4, 3))).write(link)
    assert link.is_symlink()
    assert read(path).size == (4, 4)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_writing_into_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="folder does not exist"):
        Picture(noise((4, 4, 3))).write(tmp_path / "none" / "a.png")


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 240 + ".png")
    Picture(noise((4, 4, 3))).write(path)
    assert read(path).size == (4, 4)
