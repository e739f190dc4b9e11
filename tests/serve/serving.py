"""Services on tiny models, and pictures for them."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image
from starlette.testclient import TestClient

from graphs import save
from lightwell.serve.app import Service
from lightwell.serve.pool import Made, Task

Serve = Callable[..., Service]
Start = Callable[..., tuple[subprocess.Popen[str], int, str]]


def first_channels(path: Path) -> None:
    """A graph that takes (N, 4, H, W) and gives the first three channels."""
    lit = helper.make_tensor_value_info("lit", TensorProto.FLOAT, ["batch", 4, "height", "width"])
    restored = helper.make_tensor_value_info("restored", TensorProto.FLOAT, [None] * 4)
    constants = [helper.make_tensor(name, TensorProto.INT64, [1], [at]) for name, at in (("a", 0), ("b", 3), ("c", 1))]
    node = helper.make_node("Slice", ["lit", "a", "b", "c"], ["restored"])
    graph = helper.make_graph([node], "detail", [lit], [restored], constants)
    opsets = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), str(path))


def two_stages(folder: Path) -> Path:
    """Write a model of two stages: the light's square root, and no change of the detail; its card's path."""
    save(folder / "dusk.light.onnx", "gamma")
    first_channels(folder / "dusk.detail.onnx")
    for role in ("light", "detail"):
        (folder / f"dusk.{role}.safetensors").write_bytes(b"")
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    content = {
        "name": "dusk",
        "summary": "A square root.",
        "good_at": "tests",
        "default": False,
        "parameters": 0,
        "numbers": [],
        "spec": {"strategy": "light-then-detail", "bytes_per_pixel": 64},
        "sha256": digests,
    }
    path = folder / "dusk.json"
    path.write_text(json.dumps(content))
    return path


def browser(service: Service) -> TestClient:
    return TestClient(service.app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


def dark() -> Image.Image:
    """A dark slope with some colour, 60x40."""
    across, down = np.meshgrid(np.linspace(0, 60, 60), np.linspace(0, 30, 40))
    return Image.fromarray(np.stack([across, down, (across + down) / 2], axis=2).astype(np.uint8))


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def blocked(service: Service) -> threading.Event:
    """Keeps a worker busy until the event is set."""
    started, release = blocking(service)
    assert started.wait(30)
    return release


def blocking(service: Service, *, urgent: bool = False) -> tuple[threading.Event, threading.Event]:
    """Puts work into the queue that sets the first event when it starts and ends when the second is set."""
    started, release = threading.Event(), threading.Event()

    def work(_: object) -> Made:
        started.set()
        assert release.wait(60)
        return Made(b"", "image/png", (), (1, 1), "none")

    service.pool.submit(Task(work, urgent=urgent))
    return started, release
