"""`lightwell restore --report`."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from graphs import save
from lightwell.cli.app import app


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "gamma.onnx", "gamma")
    (tmp_path / "photos").mkdir()
    for name, colour in (("red", (90, 10, 10)), ("<b>&", (10, 10, 90))):
        Image.new("RGB", (60, 40), colour).save(tmp_path / "photos" / f"{name}.png")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def restore(*words: str) -> Result:
    return CliRunner().invoke(app, ["restore", *words, "-m", "gamma.onnx"])


def test_the_page_shows_every_picture_before_and_after_and_what_failed(desk: Path) -> None:
    result = restore("photos", "-o", "bright", "--report", "pages/sheet.html")
    assert result.exit_code == 1
    page = (desk / "pages/sheet.html").read_text(encoding="utf-8")
    assert "2 restored, 1 failed" in page
    assert re.search(r"<li><b>photos/broken.jpg</b>: is not a picture", page)
    assert "<b>&amp;" not in page
    assert "photos/&lt;b&gt;&amp;.png" in page
    shown = [
        Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r'"data:image/jpeg;base64,([^"]+)"', page)
    ]
    colours = sorted(picture.convert("RGB").getpixel((5, 5)) for picture in shown)
    assert [picture.size for picture in shown] == [(60, 40)] * 4
    for name in ("red", "<b>&"):
        for folder in ("photos", "bright"):
            true = Image.open(desk / folder / f"{name}.png").getpixel((5, 5))
            assert min(max(abs(a - b) for a, b in zip(true, each, strict=True)) for each in colours) <= 4


def test_the_page_loads_nothing(desk: Path) -> None:
    restore("photos", "-o", "bright", "--report", "sheet.html")
    page = (desk / "sheet.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "default-src 'none'" in page


def test_a_batch_that_goes_on_shows_what_was_there(desk: Path) -> None:
    restore("photos/red.png", "-o", "bright/")
    restore("photos", "-o", "bright", "--skip-existing", "--report", "sheet.html")
    assert "1 restored, 1 from an earlier run, 1 failed" in (desk / "sheet.html").read_text(encoding="utf-8")
    (desk / "photos/broken.jpg").unlink()
    result = restore("photos", "-o", "bright", "--skip-existing", "--report", "sheet.html")
    assert result.exit_code == 0
    assert "0 restored, 2 from an earlier run" in (desk / "sheet.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "word"), [("sheet.jpg", ".html"), ("there.html", "--overwrite"), ("file/a.html", "file")]
)
def test_a_wrong_name_is_refused_before_any_work(desk: Path, name: str, word: str) -> None:
    (desk / "there.html").write_text("mine")
    (desk / "file").write_text("mine")
    result = restore("photos", "-o", "bright", "--report", name)
    assert result.exit_code == 2
    assert word in result.output
    assert not (desk / "bright").exists()
    assert (desk / "there.html").read_text() == "mine"
