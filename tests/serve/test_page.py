"""The page in Chromium, on a service of its own. A screenshot of each state lies in build/screens afterwards."""

from __future__ import annotations

import base64
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from browsing import PATIENCE, brightness_of_stage, by_command, done, photo, pixels, saved, shot, until
from PIL import Image
from serving import Serve, blocked, blocking

from graphs import save
from lightwell.serve.app import Service
from lightwell.serve.limits import Limits
from lightwell.serve.work import Models

sync_api = pytest.importorskip("playwright.sync_api")
Page = sync_api.Page
expect = sync_api.expect

pytestmark = pytest.mark.web

Open = Callable[..., Page]


@pytest.fixture
def listening() -> Iterator[Callable[[Service], str]]:
    """Puts services on ports of their own; gives the address."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def listen(service: Service) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(service.app, log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield listen
    for server, thread in running:
        server.should_exit = True
        thread.join()


@pytest.fixture
def tab(visit: Open, listening: Callable[[Service], str], serve: Serve) -> Open:
    """Opens pages, by default each on a service of its own."""

    def open_tab(service: Service | None = None, *, at: str = "", **options: object) -> Page:
        return visit(at or listening(service or serve()), **options)

    return open_tab


def test_a_photo_dropped_is_restored_and_downloaded(tab: Open, card: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x013B] = "Ansel"
    source = photo(tmp_path, "night.png", exif=exif)
    page = tab()
    expect(page.locator("h1").first).to_be_visible()
    shot(page, "empty")
    page.locator("body").drop({"files": str(source)})
    done(page)
    shot(page, "restored")
    result = saved(page, "#save", tmp_path)
    assert result.name == "night_restored.png"
    np.testing.assert_array_equal(pixels(result), by_command(source, card))
    with Image.open(result) as image:
        assert image.getexif()[0x013B] == "Ansel"
    assert "night.png restored" in page.locator("#says").inner_text()


def test_the_sliders_change_the_result(tab: Open, card: Path, tmp_path: Path) -> None:
    source = photo(tmp_path, "night.png")
    page = tab()
    page.set_input_files("#files", source)
    done(page)
    page.get_by_label("Brightness").fill("1")
    page.get_by_label("Warmth").press("End")
    expect(page.locator("#save")).to_have_attribute("aria-disabled", "true")
    done(page)
    wanted = by_command(source, card, "--brightness", "1", "--warmth", "1")
    np.testing.assert_array_equal(pixels(saved(page, "#save", tmp_path)), wanted)
    page.get_by_label("Denoise").fill("0.5")
    expect(page.locator("#save")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#kind")).to_have_text("Restored")
    done(page)
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#save")).to_have_attribute("aria-disabled", "true")
    done(page)
    np.testing.assert_array_equal(pixels(saved(page, "#save", tmp_path)), by_command(source, card))


def test_a_photo_shows_as_it_is_then_lit_then_restored(tab: Open, serve: Serve, tmp_path: Path) -> None:
    service = serve()
    release = blocked(service)
    page = tab(service)
    page.set_input_files("#files", photo(tmp_path, "night.png"))
    expect(page.locator("#before")).to_be_visible()
    expect(page.locator("#after")).to_be_hidden()
    until(lambda: service.pool.waiting == 2)  # the preview, which goes first, and the photo
    shot(page, "as-it-is")
    _, release_photo = blocking(service, urgent=True)
    release.set()
    expect(page.locator("#kind")).to_have_text("Lit", timeout=PATIENCE)
    left, right = brightness_of_stage(page)
    assert right > 1.5 * left
    expect(page.locator("#save")).to_have_attribute("aria-disabled", "true")
    shot(page, "lit")
    release_photo.set()
    expect(page.locator("#kind")).to_have_text("Restored", timeout=PATIENCE)
    done(page)


def test_before_and_after_by_keyboard_and_mouse(tab: Open, tmp_path: Path) -> None:
    page = tab()
    page.set_input_files("#files", photo(tmp_path, "night.png"))
    done(page)
    divider = page.get_by_role("slider", name="Before and after")
    divider.focus()
    left, right = brightness_of_stage(page)
    assert right > 1.5 * left
    divider.press("End")
    shot(page, "divider-at-the-end")
    before = brightness_of_stage(page)[1]
    divider.press("Home")
    after = brightness_of_stage(page)
    assert after[1] > 1.5 * before
    assert after[0] > left
    divider.press("ArrowRight")
    expect(divider).to_have_value("1")
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert int(divider.input_value()) > 80
    assert divider.get_attribute("aria-valuetext").endswith("% before")


def test_before_and_after_by_touch(tab: Open, tmp_path: Path) -> None:
    page = tab(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page.set_input_files("#files", photo(tmp_path, "night.png"))
    done(page)
    box = page.locator("#stage").bounding_box()
    down = box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)
    for kind, share in (("touchStart", 0.5), ("touchMove", 0.4), ("touchMove", 0.2), ("touchEnd", None)):
        points = [] if share is None else [{"x": box["x"] + share * box["width"], "y": down}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert int(page.locator("#divider").input_value()) == pytest.approx(20, abs=2)


def test_a_photo_is_pasted(tab: Open, card: Path, tmp_path: Path) -> None:
    source = photo(tmp_path, "image.png")
    page = tab()
    page.evaluate(
        """(text) => {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([bytes], 'image.png', { type: 'image/png' }));
            document.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
        }""",
        base64.b64encode(source.read_bytes()).decode(),
    )
    done(page)
    np.testing.assert_array_equal(pixels(saved(page, "#save", tmp_path)), by_command(source, card))


def test_a_page_that_goes_away_ends_its_work(tab: Open, serve: Serve, tmp_path: Path) -> None:
    service = serve()
    release = blocked(service)
    page = tab(service)
    page.set_input_files("#files", photo(tmp_path, "night.png"))
    expect(page.locator("#about")).to_contain_text("Waiting for its turn", timeout=PATIENCE)
    assert service.pool.waiting == 2
    page.goto("about:blank")
    until(lambda: service.pool.waiting == 0)
    release.set()


def test_zoom_to_pixels(tab: Open, tmp_path: Path) -> None:
    page = tab()
    page.set_input_files("#files", photo(tmp_path, "night.png", size=(2400, 1600)))
    done(page)
    width = lambda: page.locator("#before").bounding_box()["width"]  # noqa: E731
    fitting = width()
    assert fitting <= 1280
    page.get_by_role("button", name="one pixel").click()
    assert width() == pytest.approx(2400, abs=1)
    page.locator("#divider").focus()
    page.keyboard.press("+")
    assert width() == pytest.approx(3600, abs=2)
    shot(page, "zoomed")
    page.keyboard.press("0")
    assert width() == pytest.approx(fitting, abs=1)


def test_a_broken_file_is_told_and_the_others_go_on(tab: Open, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 this is no picture")
    page = tab(expected="422")
    page.set_input_files("#files", [broken, photo(tmp_path, "night.png")])
    expect(page.locator("#trouble")).to_contain_text("The file is", timeout=PATIENCE)
    shot(page, "broken")
    page.get_by_role("button", name="night.png").first.click()
    done(page)
    page.get_by_role("button", name="Remove broken.jpg").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("broken.jpg")).to_have_count(0)


def test_a_too_large_file_is_told_before_it_is_sent(tab: Open, serve: Serve, tmp_path: Path) -> None:
    noise = Image.effect_noise((1200, 1000), 90)
    noise.save(tmp_path / "noise.png")
    page = tab(serve(Limits(body=1 << 20)))
    page.set_input_files("#files", tmp_path / "noise.png")
    expect(page.locator("#trouble")).to_contain_text("larger than the 1 MB", timeout=PATIENCE)
    shot(page, "too-large")


def test_a_photo_can_be_cancelled_and_restored_after_all(tab: Open, serve: Serve, tmp_path: Path) -> None:
    service = serve()
    release = blocked(service)
    page = tab(service)
    page.set_input_files("#files", photo(tmp_path, "night.png"))
    until(lambda: service.pool.waiting == 2)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#about")).to_contain_text("Cancelled")
    until(lambda: service.pool.waiting == 0)
    shot(page, "cancelled")
    release.set()
    page.get_by_role("button", name="Restore", exact=True).click()
    done(page)


def test_several_photos_in_one_archive(tab: Open, card: Path, tmp_path: Path) -> None:
    sources = [photo(tmp_path, f"night {number}.png", shift=9 * number) for number in range(3)]
    page = tab()
    page.set_input_files("#files", sources)
    expect(page.locator("#save-all")).to_have_text("Download all", timeout=PATIENCE)
    shot(page, "several")
    with zipfile.ZipFile(saved(page, "#save-all", tmp_path)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"night {number}_restored.png" for number in range(3)]
        for source, name in zip(sources, archive.namelist(), strict=True):
            np.testing.assert_array_equal(pixels(archive.read(name)), by_command(source, card))


def test_what_the_browser_cannot_show_is_shown_all_the_same(tab: Open, card: Path, tmp_path: Path) -> None:
    source = photo(tmp_path, "scan.tif")
    page = tab()
    page.set_input_files("#files", source)
    done(page)
    result = saved(page, "#save", tmp_path)
    assert result.name == "scan_restored.png"
    np.testing.assert_array_equal(pixels(result), by_command(source, card))
    expect(page.locator("#notes")).to_contain_text("PNG")
    assert brightness_of_stage(page)[1] > 20


def test_a_model_of_one_stage(tab: Open, tmp_path: Path) -> None:
    models = Models(str(save(tmp_path / "gamma.onnx", "gamma")), "cpu", 1, 2 << 30, 1)
    service = Service(models)
    try:
        page = tab(service)
        page.set_input_files("#files", photo(tmp_path, "night.png"))
        done(page)
        expect(page.get_by_label("Denoise")).to_be_hidden()
        assert pixels(saved(page, "#save", tmp_path)).mean() > 2 * pixels(tmp_path / "night.png").mean()
    finally:
        service.pool.close()


def test_two_tabs_at_once(tab: Open, serve: Serve, listening: Callable[[Service], str], tmp_path: Path) -> None:
    address = listening(serve())
    pages = [tab(at=address) for _ in range(2)]
    for number, page in enumerate(pages):
        page.set_input_files("#files", photo(tmp_path, f"tab{number}.png", shift=20 * number))
    for page in pages:
        done(page)
    results = [pixels(saved(page, "#save", tmp_path)) for page in pages]
    assert (results[0] != results[1]).any()


def test_a_token_is_asked_for_or_comes_with_the_address(
    tab: Open, serve: Serve, listening: Callable[[Service], str], tmp_path: Path
) -> None:
    address = listening(serve(token="open-sesame"))
    page = tab(at=address, expected="401")
    expect(page.get_by_role("textbox", name="Token")).to_be_focused()
    page.get_by_role("textbox", name="Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#wrong")).to_have_text("That is not the token.")
    shot(page, "token")
    page.get_by_role("textbox", name="Token").fill("open-sesame")
    page.keyboard.press("Enter")
    expect(page.locator("#choose")).to_be_visible()
    with_address = tab(at=f"{address}#token=open-sesame")
    with_address.set_input_files("#files", photo(tmp_path, "night.png"))
    done(with_address)
    assert "token" not in with_address.url


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_on_a_phone(tab: Open, tmp_path: Path, scheme: str) -> None:
    page = tab(
        viewport={"width": 360, "height": 760},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
        color_scheme=scheme,
    )
    shot(page, f"phone-empty-{scheme}")
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
    page.set_input_files("#files", [photo(tmp_path, "night.png"), photo(tmp_path, "street.png", shift=20)])
    expect(page.locator("#save-all")).to_have_text("Download all", timeout=PATIENCE)
    shot(page, f"phone-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.mouse.wheel(0, 2000)
    expect(page.get_by_label("Denoise")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_serious(tab: Open, tmp_path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = tab(color_scheme=scheme)

    def serious() -> list[object]:
        return [
            (entry["id"], [node["html"][:200] for node in entry["nodes"]])
            for entry in axe.run(page).response["violations"]
            if entry["impact"] in ("serious", "critical")
        ]

    assert serious() == []
    page.set_input_files("#files", [photo(tmp_path, "night.png"), photo(tmp_path, "street.png")])
    expect(page.locator("#save-all")).to_have_text("Download all", timeout=PATIENCE)
    page.get_by_text("Model and format").click()
    assert serious() == []
    shot(page, f"all-{scheme}")
