"""`lightwell export-web`, as far as no browser is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from graphs import save
from lightwell.errors import FileError, WeightsError
from lightwell.serve.folder import read_runtime, write_folder


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from lightwell.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "export-web", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def test_the_page_is_told_to_work_in_the_browser_and_holds_nothing_of_the_service(card: Path, tmp_path: Path) -> None:
    write_folder(tmp_path, str(card), {"ort.wasm.min.mjs": b"// a runtime"}, webgpu=False)
    index = (tmp_path / "index.html").read_text()
    assert 'data-backend="browser"' in index
    assert "Content-Security-Policy" in index
    assert "unsafe-inline" not in index
    assert not (tmp_path / "service.js").exists()
    for name in ("runtime/ort.wasm.min.mjs", "browser/worker.js", "model/model.json", "model/dusk.light.onnx"):
        assert (tmp_path / name).is_file()
    # No address but the names of metadata's and drawings' formats.
    for path in tmp_path.rglob("*.*"):
        if path.suffix in (".js", ".html", ".css"):
            text = path.read_text().replace("http://ns.adobe.com/xap/1.0/", "")
            assert "http://" not in text, path
            assert "https://" not in text, path


def test_a_single_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="two stages: lightwell-s"):
        write_folder(tmp_path / "site", "darkir-s", {}, webgpu=False)
    assert not (tmp_path / "site").exists()


def test_a_runtime_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"):
        (tmp_path / "dist" / name).write_bytes(b"something else")
    with pytest.raises(WeightsError, match="not the published one"):
        read_runtime(tmp_path, webgpu=False)
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:
        archive.add(tmp_path / "dist", "elsewhere")
    with pytest.raises(FileError, match="holds no onnxruntime-web"):
        read_runtime(tmp_path / "other.tgz", webgpu=False)
    (tmp_path / "broken.tgz").write_bytes(b"no archive")
    with pytest.raises(FileError, match="cannot be read as an archive"):
        read_runtime(tmp_path / "broken.tgz", webgpu=False)


def test_without_npm_one_line_says_what_to_do(tmp_path: Path) -> None:
    result = command(str(tmp_path / "site"), PATH=str(tmp_path), LIGHTWELL_CACHE=str(tmp_path / "cache"))
    assert result.returncode == 1
    assert "npm pack onnxruntime-web@" in result.stderr
    assert "--runtime" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "site").exists()


def test_a_folder_that_holds_something_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear")
    result = command(str(tmp_path))
    assert result.returncode == 2
    assert "--overwrite" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_graph_alone_is_no_card(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not the card of a model"):
        write_folder(tmp_path / "site", str(save(tmp_path / "gamma.onnx", "gamma")), {}, webgpu=False)
