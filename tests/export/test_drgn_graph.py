from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from lightwell.export.onnx import export_onnx, link_weights
from lightwell.models import save_weights
from lightwell.models.drgn import DRGN, LWDRGN, DRGNConfig, LWDRGNConfig, TwoSteps


@pytest.mark.parametrize(
    "net",
    [
        DRGN(DRGNConfig(width=4, blocks=(1, 1, 1), reduction=2)),
        LWDRGN(LWDRGNConfig(width=4, groups=1, blocks=1, reduction=2)),
    ],
    ids=["drgn", "lw"],
)
def test_a_linked_graph_agrees_with_torch(net: TwoSteps, tmp_path: Path) -> None:
    graph, weights = tmp_path / "net.onnx", tmp_path / "net.safetensors"
    export_onnx(net, graph)
    save_weights(net, weights)
    link_weights(graph, weights)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(1)
    for shape in [(1, 3, 61, 75), (2, 3, 64, 80), (1, 3, 1, 1), (1, 3, 3, 50)]:
        low = torch.rand(shape, generator=generator)
        (restored,) = session.run(["restored"], {"low": low.numpy()})
        with torch.inference_mode():
            expected = net.eval()(low).numpy()
        np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-4 * np.ptp(expected) + 1e-6)
