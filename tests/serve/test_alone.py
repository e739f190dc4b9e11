"""The page in the browser alone, in Chromium: files on a plain web server, below some path."""

from __future__ import annotations

import io
import shutil
import socketserver
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from browsing import PATIENCE, by_command, done, photo, pixels, saved, shot
from PIL import Image

from lightwell.errors import FileError
from lightwell.pictures import space
from lightwell.restoring.controls import Controls, mix_light
from lightwell.restoring.grids import Box, Floats, enlarge, reduce_area
from lightwell.restoring.lighting import light_up
from lightwell.restoring.strategies import _smooth_part
from lightwell.restoring.tiles import _fade, _spans
from lightwell.serve.folder import read_runtime, write_folder

sync_api = pytest.importorskip("playwright.sync_api")
Page = sync_api.Page
expect = sync_api.expect

pytestmark = pytest.mark.web

Visit = Callable[..., Page]
Host = Callable[..., str]


@pytest.fixture(scope="session")
def runtime() -> dict[str, bytes]:
    try:
        return read_runtime(None, webgpu=True)
    except FileError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def site(runtime: dict[str, bytes], card: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_folder(folder, str(card), runtime, webgpu=True)
    return folder


class _Files(SimpleHTTPRequestHandler):
    """Gives a folder's files below /some/path/, as a web server that adds these headers."""

    def __init__(self, *arguments: object, headers: dict[str, str], **options: object) -> None:
        self._more = headers
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        if not path.startswith("/some/path/"):
            return ""
        return super().translate_path(path.removeprefix("/some/path"))

    def end_headers(self) -> None:
        for name, value in self._more.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def host() -> Iterator[Host]:
    """Puts folders on ports of their own; gives the address."""
    running: list[tuple[socketserver.TCPServer, threading.Thread]] = []

    def serve(folder: Path, **headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        server = socketserver.ThreadingTCPServer(
            ("127.0.0.1", 0), partial(_Files, directory=str(folder), headers=named)
        )
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}/some/path/"

    yield serve
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def page(visit: Visit, host: Host, site: Path) -> Page:
    return visit(host(site))


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    """Within one level of 255."""
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).max() <= 1


def test_a_photo_of_several_tiles_dropped_is_restored_and_downloaded(page: Page, card: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x013B] = "Ansel"
    source = photo(tmp_path, "night.png", size=(730, 510), exif=exif)
    expect(page.locator("#promise")).to_contain_text("in this browser")
    shot(page, "alone-empty")
    page.locator("body").drop({"files": str(source)})
    done(page)
    shot(page, "alone-restored")
    result = saved(page, "#save", tmp_path)
    assert result.name == "night_restored.png"
    close(pixels(result), by_command(source, card))
    with Image.open(result) as image:
        assert image.getexif()[0x013B] == "Ansel"
        assert "model dusk, strength 1" in image.getexif()[0x0131]


def test_the_controls_do_what_they_do_on_the_command_line(page: Page, card: Path, tmp_path: Path) -> None:
    source = photo(tmp_path, "night.png", size=(300, 521))
    page.set_input_files("#files", source)
    done(page)
    page.get_by_label("Brightness").fill("1")
    page.get_by_label("Warmth").press("End")
    page.get_by_label("Strength").fill("0.6")
    page.get_by_label("Denoise").fill("0.5")
    expect(page.locator("#save")).to_have_attribute("aria-disabled", "true")
    done(page)
    words = ("--brightness", "1", "--warmth", "1", "--strength", "0.6", "--denoise", "0.5")
    close(pixels(saved(page, "#save", tmp_path)), by_command(source, card, *words))


def test_the_shipped_model_gives_what_the_command_line_gives(
    visit: Visit, host: Host, runtime: dict[str, bytes], tmp_path: Path
) -> None:
    write_folder(tmp_path / "site", None, runtime, webgpu=False)
    random = np.random.default_rng(1)
    with Image.open(photo(tmp_path, "smooth.png", size=(330, 240))) as smooth:
        noisy = np.asarray(smooth, np.float32) + random.normal(0, 4, (240, 330, 3))
    source = tmp_path / "night.png"
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(source)
    page = visit(host(tmp_path / "site"))
    page.set_input_files("#files", source)
    expect(page.locator("#save")).to_have_attribute("aria-disabled", "false", timeout=10 * PATIENCE)
    close(pixels(saved(page, "#save", tmp_path)), by_command(source, "lightwell-s"))


@pytest.mark.parametrize("orientation", [1, 4, 6])
def test_jpeg_keeps_what_it_says_of_its_picture(page: Page, card: Path, tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera"
    exif[0x0131] = "Camera's own"
    exif.get_ifd(0x8769).update({0x829A: (1, 30), 0xA002: 300, 0xA003: 200})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0)})
    profile = space.named_profile(12, 13)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6" hdrgm:Version="1.0">Dusk</r></x:xmpmeta>'
    source = photo(
        tmp_path, "night.jpg", exif=exif, icc_profile=profile, xmp=xmp, dpi=(300, 150), quality=100, subsampling=0
    )
    page.set_input_files("#files", source)
    done(page)
    with Image.open(saved(page, "#save", tmp_path)) as image:
        image.load()
        upright = (200, 300) if orientation >= 5 else (300, 200)
        assert image.format == "JPEG"
        assert image.size == upright
        told = image.getexif()
        assert told[0x0112] == 1
        assert told[0x010F] == "Camera"
        assert told[0x0131].startswith("lightwell")
        inner = told.get_ifd(0x8769)
        assert (inner[0xA002], inner[0xA003]) == upright
        assert inner[0x829A] == (1, 30)
        assert told.get_ifd(0x8825)[2] == (48.0, 8.0, 0.0)
        assert image.info["icc_profile"] == profile
        assert image.info["xmp"] == xmp.replace(b'"6"', b'"1"').replace(b'hdrgm:Version="1.0"', b"")
        assert image.info["dpi"] == pytest.approx((150, 300) if orientation >= 5 else (300, 150))
    expect(page.locator("#notes")).to_contain_text("gain map")
    page.get_by_text("Model and format").click()
    page.get_by_label("Save as").select_option("png")
    expect(page.locator("#save")).to_have_attribute("download", "night_restored.png", timeout=PATIENCE)
    result = saved(page, "#save", tmp_path)
    with Image.open(result) as image:
        image.load()
        assert image.info["icc_profile"] == profile
        assert image.getexif()[0x010F] == "Camera"
        assert b"Dusk" in image.info["xmp"]
    close(pixels(result), by_command(source, card))


def test_an_old_thumbnail_goes_and_iptc_and_comments_stay(page: Page, tmp_path: Path) -> None:
    picture, small = (io.BytesIO() for _ in range(2))
    Image.new("RGB", (64, 48), (9, 8, 7)).save(picture, "JPEG", comment=b"a night")
    Image.new("RGB", (16, 12), (200, 0, 0)).save(small, "JPEG")
    entries = b"".join(
        tag.to_bytes(2, "little") + b"\x04\0\x01\0\0\0" + value.to_bytes(4, "little")
        for tag, value in ((0x201, 8 + 6 + 30), (0x202, len(small.getvalue())))
    )
    exif = b"Exif\0\0II*\0\x08\0\0\0" + b"\0\0\x0e\0\0\0" + b"\x02\0" + entries + bytes(4) + small.getvalue()
    records = b"\x1c\x02\x69\0\x05Night"
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(records).to_bytes(4, "big") + records
    segments = b"".join(
        bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2, "big") + data
        for marker, data in ((0xE1, exif), (0xED, iptc))
    )
    source = tmp_path / "night.jpg"
    source.write_bytes(picture.getvalue()[:2] + segments + picture.getvalue()[2:])
    page.set_input_files("#files", source)
    done(page)
    result = saved(page, "#save", tmp_path)
    assert small.getvalue() not in result.read_bytes()
    with Image.open(result) as image:
        assert image.info["photoshop"][0x0404] == records
        assert image.info["comment"] == b"a night"
        assert image.getexif().get_ifd(0x201) == {}


def test_gray_and_transparent_pictures(page: Page, card: Path, tmp_path: Path) -> None:
    with Image.open(photo(tmp_path, "colour.png")) as colour:
        colour.convert("L").save(tmp_path / "gray.png")
        clear = colour.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size).point(lambda level: 255 if level > 99 else 0))
    clear.save(tmp_path / "clear.png")
    page.set_input_files("#files", tmp_path / "gray.png")
    done(page)
    close(pixels(saved(page, "#save", tmp_path)), by_command(tmp_path / "gray.png", card))
    page.set_input_files("#files", tmp_path / "clear.png")
    expect(page.locator("#save")).to_have_attribute("download", "clear_restored.png", timeout=PATIENCE)
    with Image.open(saved(page, "#save", tmp_path)) as image:
        alpha = np.asarray(image.getchannel("A"))
        found = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(alpha, np.asarray(clear.getchannel("A")))
    assert (alpha == 255).any()
    assert (found[alpha == 255].mean(0) > 2 * np.asarray(clear)[..., :3][alpha == 255].mean(0)).all()


def test_what_is_no_whole_picture_is_told_and_the_others_go_on(page: Page, tmp_path: Path) -> None:
    whole = photo(tmp_path, "night.jpg")
    (tmp_path / "words.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no picture")
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:-900])
    (tmp_path / "scan.tif").write_bytes(b"II*\0" + bytes(200))
    for name, words in (("words", "cut off"), ("cut", "cut off"), ("scan", "cannot read")):
        page.set_input_files("#files", next(tmp_path.glob(f"{name}.*")))
        expect(page.locator("#trouble")).to_contain_text(words, timeout=PATIENCE)
    shot(page, "alone-broken")
    page.set_input_files("#files", whole)
    done(page)


def test_a_photo_of_too_many_pixels_is_told(page: Page, tmp_path: Path) -> None:
    Image.new("1", (16000, 12000)).save(tmp_path / "huge.png")
    page.set_input_files("#files", tmp_path / "huge.png")
    expect(page.locator("#trouble")).to_contain_text("192 million pixels", timeout=PATIENCE)
    shot(page, "alone-too-large")


def test_a_photo_can_be_cancelled_and_restored_after_all(page: Page, card: Path, tmp_path: Path) -> None:
    source = photo(tmp_path, "night.png", size=(2400, 1800))
    page.set_input_files("#files", source)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#about")).to_contain_text("Cancelled")
    expect(page.locator("#save")).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Restore", exact=True).click()
    done(page)
    close(pixels(saved(page, "#save", tmp_path)), by_command(source, card))


def test_threads_where_the_headers_allow(visit: Visit, host: Host, site: Path, card: Path, tmp_path: Path) -> None:
    source = photo(tmp_path, "night.png")
    policies = {"Cross_Origin_Opener_Policy": "same-origin", "Cross_Origin_Embedder_Policy": "require-corp"}
    page = visit(host(site, **policies))
    assert page.evaluate("crossOriginIsolated")
    page.set_input_files("#files", source)
    done(page)
    close(pixels(saved(page, "#save", tmp_path)), by_command(source, card))


def test_without_a_graphics_card_the_processor_goes_on(page: Page, tmp_path: Path) -> None:
    page.set_input_files("#files", photo(tmp_path, "night.png"))
    page.get_by_text("Model and format").click()
    page.get_by_label("Compute on").select_option("gpu")
    expect(page.locator("#device-says")).to_contain_text("The processor goes on", timeout=PATIENCE)
    expect(page.get_by_label("Compute on")).to_have_value("cpu")
    done(page)


def test_a_page_that_is_incomplete_says_so(visit: Visit, host: Host, site: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / "site")
    (tmp_path / "site" / "model" / "dusk.detail.onnx").unlink()
    page = visit(host(tmp_path / "site"), expected="404")
    page.set_input_files("#files", photo(tmp_path, "night.png"))
    expect(page.locator("#trouble")).to_contain_text("dusk.detail.onnx is missing", timeout=PATIENCE)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_on_a_phone_and_for_a_screen_reader(visit: Visit, host: Host, site: Path, tmp_path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    phone = {"width": 360, "height": 760}
    page = visit(host(site), viewport=phone, has_touch=True, is_mobile=True, color_scheme=scheme)
    page.set_input_files("#files", photo(tmp_path, "night.png"))
    done(page)
    page.get_by_text("Model and format").click()
    shot(page, f"alone-phone-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    violations = axe.run(page).response["violations"]
    assert [entry["id"] for entry in violations if entry["impact"] in ("serious", "critical")] == []


# Golden values of Python for the functions in JavaScript


def planar(array: Floats) -> dict[str, object]:
    height, width, channels = array.shape
    data = np.moveaxis(array, 2, 0).ravel().tolist()
    return {"channels": channels, "height": height, "width": width, "data": data}


def array_of(field: dict[str, object]) -> Floats:
    shape = field["channels"], field["height"], field["width"]
    return np.moveaxis(np.reshape(np.array(field["data"], np.float32), shape), 0, 2)


CALL = """async ([name, words]) => {
    const field = (word) => word?.data ? { ...word, data: Float32Array.from(word.data) } : word;
    const found = (await import(`/some/path/browser/strategy.js`))[name](...words.map(field));
    const plain = (value) => ArrayBuffer.isView(value) ? [...value]
        : Array.isArray(value) ? value.map(plain)
        : value && typeof value === 'object'
            ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]))
            : value;
    return plain(found);
}"""


def test_its_functions_give_the_numbers_that_python_gives(page: Page) -> None:
    random = np.random.default_rng(2)

    def call(name: str, *words: object) -> object:
        return page.evaluate(CALL, [name, list(words)])

    for length, tile, overlap in ((100, 320, 24), (321, 320, 24), (1000, 256, 32), (1337, 160, 20), (481, 320, 24)):
        spans = _spans(length, tile, overlap)
        assert call("spans", length, tile, overlap) == [list(span) for span in spans]
        for k in range(len(spans)):
            np.testing.assert_allclose(call("fade", spans, k, overlap), _fade(spans, k, overlap), atol=1e-6)

    low = random.random((36, 48, 3), np.float32) / 4
    high = np.clip(low * 3 + random.random((36, 48, 3), np.float32) / 9, 0, 1)
    box, size = Box(31, 95, 0, 77), (233, 317)
    found = call("enlarge", planar(low), box._asdict(), size)
    np.testing.assert_allclose(array_of(found), enlarge(low, box, size), atol=1e-6)
    lines, wanted = call("lightUp", planar(low), planar(high)), light_up(low, high)
    for name in ("slope", "offset", "stops"):
        np.testing.assert_allclose(array_of(lines[name]), getattr(wanted, name), rtol=1e-3, atol=1e-4)
    for height, width in ((24, 40), (56, 88), (187, 233)):
        change = random.normal(0, 0.1, (height, width, 3)).astype(np.float32)
        np.testing.assert_allclose(array_of(call("smoothPart", planar(change))), _smooth_part(change), atol=1e-5)
    controls = Controls(brightness=-0.7, warmth=0.4)
    words = {"brightness": -0.7, "warmth": 0.4}
    np.testing.assert_allclose(array_of(call("tone", planar(high), words)), controls.tone(high), atol=1e-5)
    mixed = call("mixLight", planar(low), planar(high), 0.3)
    np.testing.assert_allclose(array_of(mixed), mix_light(low, high, 0.3), atol=1e-5)

    picture = random.random((133, 201, 3), np.float32)
    whole = page.evaluate(
        """async ([address, picture, small]) => {
            const { reduceArea } = await import(address);
            const { height, width, data } = picture;
            const load = ({ top, bottom }) => {
                const part = (c) => data.slice((c * height + top) * width, (c * height + bottom) * width);
                const rows = [0, 1, 2].flatMap(part);
                return { channels: 3, height: bottom - top, width, data: rows };
            };
            const found = reduceArea(load, [height, width], small);
            return { ...found, data: [...found.data] };
        }""",
        ["/some/path/browser/strategy.js", planar(picture), [17, 48]],
    )
    wanted_small = reduce_area(lambda rows, columns: picture[rows, columns], (133, 201), (17, 48))
    np.testing.assert_allclose(array_of(whole), wanted_small, atol=1e-6)


@pytest.mark.parametrize("numbers", [(12, 13), (9, 1), (1, 4), (1, 8)])
def test_colour_profiles_are_read_as_python_reads_them(page: Page, numbers: tuple[int, int]) -> None:
    icc = space.named_profile(*numbers)
    assert icc is not None
    profile = space.rgb_profile(icc)
    assert profile is not None
    levels = np.random.default_rng(3).integers(0, 256, (200, 3))
    there, back, is_srgb = page.evaluate(
        """async ([icc, levels, lights]) => {
            const { rgbProfile } = await import('/some/path/browser/profile.js');
            const profile = rgbProfile(Uint8Array.from(icc));
            const there = levels.map((level) => profile.ofLevels(...level));
            return [there, lights.map((light) => profile.ofLinear(light)), profile.isSrgb];
        }""",
        [list(icc), levels.tolist(), (levels / 255).tolist()],
    )
    light = np.clip(profile.to_linear_srgb(levels / 255), 0, 1)
    np.testing.assert_allclose(there, space.linear_to_srgb(light), atol=1e-4)
    np.testing.assert_allclose(back, profile.from_linear_srgb(levels / 255), atol=1e-4)
    assert is_srgb == profile.is_srgb()
