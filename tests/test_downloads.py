"""Downloads, against a server of our own on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lightwell.downloads import Download, cache
from lightwell.errors import WeightsError

CONTENT = b"parameters" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("LIGHTWELL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "served").mkdir()
    (tmp_path / "served/file").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "served"))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}/file"
        http.shutdown()


def test_download_once(server: str, tmp_path: Path) -> None:
    published = Download("here.bin", "the numbers", server, DIGEST, 1 << 20)
    with pytest.raises(WeightsError, match=r"the numbers are not part of lightwell.*download here\.bin"):
        published.find()
    path = published.download()
    assert path == published.find() == cache() / "here.bin"
    assert path.read_bytes() == CONTENT
    (tmp_path / "served/file").unlink()
    assert published.download() == path


def test_another_file_is_refused_and_not_kept(server: str) -> None:
    with pytest.raises(WeightsError, match="SHA-256"):
        Download("here.bin", "the numbers", server, "0" * 64, 1 << 20).download()
    assert not list(cache().iterdir())


def test_an_endless_file_is_refused(server: str) -> None:
    with pytest.raises(WeightsError, match="not the published file"):
        Download("here.bin", "the numbers", server, DIGEST, len(CONTENT) - 1).download()
    assert not list(cache().iterdir())


def test_no_connection_is_told(server: str) -> None:
    with pytest.raises(WeightsError, match="could not be downloaded"):
        Download("here.bin", "the numbers", server + ".none", DIGEST, 1 << 20).download()
    assert not list(cache().iterdir())


def test_a_damaged_file_is_fetched_again(server: str) -> None:
    cache().mkdir(parents=True)
    (cache() / "here.bin").write_bytes(b"half")
    assert Download("here.bin", "the numbers", server, DIGEST, 1 << 20).download().read_bytes() == CONTENT
