"""The choice between a quick engine and the one that is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from graphs import save
from lightwell.engines.auto import Auto
from lightwell.engines.base import Array
from lightwell.engines.onnx_runtime import OnnxRuntime
from lightwell.engines.reference import Compared, Reference
from lightwell.errors import WeightsError

LOW = {"low": np.random.default_rng(0).random((1, 3, 200, 300), np.float32)}


class Other(OnnxRuntime):
    """A device whose pictures are brighter by so much, and that fails at its so manieth call."""

    def __init__(self, graph: Path, name: str, brighter: float, fails_at: int = 0) -> None:
        super().__init__(graph, "cpu", 1)
        self.name, self.brighter, self.fails_at = name, np.float32(brighter), fails_at
        self.sizes: list[tuple[int, ...]] = []

    @property
    def device(self) -> str:
        return self.name

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.sizes.append(feeds["low"].shape[2:])
        if len(self.sizes) == self.fails_at:
            raise WeightsError("out of memory")
        return {name: value + self.brighter for name, value in super().__call__(feeds).items()}


class Careful(Compared):
    """A device that compares itself, as OpenVINO does."""

    device = "careful"

    def __init__(self, reference: Reference, brighter: float) -> None:
        super().__init__(reference)
        self.brighter, self.sizes = np.float32(brighter), []

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.sizes.append(feeds["low"].shape[2:])
        found = {"restored": np.sqrt(feeds["low"]) + self.brighter}
        self.trusted.compare(f"careful by {self.brighter}", feeds, found, "the device cpu")
        return found


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return save(tmp_path / "gamma.onnx", "gamma")


def test_one_that_computes_the_same_stays_and_is_compared_once_in_a_process(graph: Path) -> None:
    first = Other(graph, "other", 1 / 255)
    engine = Auto(first, Reference(graph, 1))
    for _ in range(2):
        np.testing.assert_allclose(engine(LOW)["restored"], np.sqrt(LOW["low"]) + 1 / 255, atol=1e-6)
    assert engine.device == "other"
    assert first.sizes == [(128, 128), (200, 300), (200, 300)]
    second = Other(graph, "other", 1 / 255)
    Auto(second, Reference(graph, 1))(LOW)
    assert second.sizes == [(200, 300)]


def test_one_that_computes_something_else_is_left(graph: Path) -> None:
    engine = Auto(Other(graph, "wrong", 0.05), Reference(graph, 1))
    np.testing.assert_allclose(engine(LOW)["restored"], np.sqrt(LOW["low"]), atol=1e-6)
    assert engine.device == "cpu"


@pytest.mark.parametrize(("brighter", "device"), [(1 / 255, "careful"), (0.05, "cpu")])
def test_one_that_compares_itself_is_not_compared_twice(graph: Path, brighter: float, device: str) -> None:
    quick = Careful(Reference(graph, 1), brighter)
    engine = Auto(quick, quick.trusted)
    kept = brighter if device == "careful" else 0
    for _ in range(2):
        np.testing.assert_allclose(engine(LOW)["restored"], np.sqrt(LOW["low"]) + kept, atol=1e-6)
    assert engine.device == device
    assert quick.sizes == [(200, 300)] * (2 if device == "careful" else 1)


def test_one_that_fails_later_is_left_and_no_picture_is_lost(graph: Path) -> None:
    engine = Auto(Other(graph, "weak", 0.0, fails_at=3), Reference(graph, 1))
    for _ in range(3):
        np.testing.assert_allclose(engine(LOW)["restored"], np.sqrt(LOW["low"]), atol=1e-6)
    assert engine.device == "cpu"


def test_a_picture_that_no_engine_takes_is_told(graph: Path) -> None:
    with pytest.raises(WeightsError, match="does not run on cpu"):
        Auto(Other(graph, "other", 0.0), Reference(graph, 1))({"low": np.ones((1, 3, 4, 4), np.float64)})  # type: ignore[dict-item]
