"""What the detail network's shape costs: ``python benchmarks/shapes.py [--side 256] [--rounds 8] [--record]``.

For each shape, with random weights: parameters, arithmetic, processor time of a tile in each engine that is installed,
and of a training step of 4 crops of 128x128, on one thread, in turns, the least of --rounds. Other programs may run.

- ``pixels``: what shipped until patches came, four levels of which the first is the picture itself;
- ``patches``: the first level on squares of 2x2 pixels (``DetailConfig.patch``);
- ``local``: the same without the spectrum (``DetailConfig.local``);
- ``windows``: what ships, ``local`` with attention to windows of 192 pixels (``DetailConfig.window``);
- ``narrow``: ``patches`` with 24 instead of 32 channels;
- ``shallow``: ``patches`` with a block less at each level.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from record import record
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lightwell import engines
from lightwell.errors import DeviceError
from lightwell.export.onnx import export_onnx
from lightwell.models.light_and_detail import Detail, DetailConfig

SHAPES = {
    "pixels": DetailConfig(width=16),
    "patches": DetailConfig(width=32, enc_blk_nums=(2, 3), dec_blk_nums=(3, 1), patch=2),
    "local": DetailConfig(width=32, enc_blk_nums=(2, 3), dec_blk_nums=(3, 1), patch=2, local=True),
    "windows": DetailConfig(width=32, enc_blk_nums=(2, 3), dec_blk_nums=(3, 1), patch=2, local=True, window=192),
    "narrow": DetailConfig(width=24, enc_blk_nums=(2, 3), dec_blk_nums=(3, 1), patch=2),
    "shallow": DetailConfig(width=32, enc_blk_nums=(1, 2), dec_blk_nums=(2, 1), patch=2),
}
ENGINES = {"onnxruntime": ("cpu", "float32"), "OpenVINO": ("openvino", "float32"), "bfloat16": ("openvino", "bfloat16")}


def opened(config: DetailConfig) -> Detail:
    """A network whose zeros are opened, so that nothing in it can be left out."""
    torch.manual_seed(0)
    net = Detail(config)
    net.prepare_training()
    nn.init.normal_(net.ending.weight, 0, 0.02)
    return net.eval()


def step(net: Detail, crops: torch.Tensor) -> Callable[[], object]:
    def run() -> None:
        net.zero_grad()
        net(crops).abs().mean().backward()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=256, help="of the tile, in pixels")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--record", action="store_true", help="keep the figures for the page")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    tile = torch.rand(1, 4, chosen.side, chosen.side)
    feeds = {"low": tile.numpy()}
    figures: dict[str, dict[str, float]] = {}
    left_out: dict[str, str] = {}
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, config in SHAPES.items():
            net, graph = opened(config), Path(folder) / f"{name}.onnx"
            export_onnx(net, graph)
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                net(tile)
            parameters = sum(parameter.numel() for parameter in net.parameters())
            figures[name] = {
                "M parameters": parameters / 1e6,
                "kFLOP a pixel": counter.get_total_flops() / tile[0, 0].numel() / 1e3,
            }
            for engine, (device, precision) in ENGINES.items():
                try:
                    run = engines.start(graph, device, 1, precision)  # type: ignore[arg-type]
                except DeviceError as error:
                    left_out[engine] = str(error)
                else:
                    calls[name, engine] = lambda run=run: run(feeds)
            calls[name, "training step"] = step(net, torch.rand(4, 4, 128, 128))
        best = dict.fromkeys(calls, np.inf)
        for _ in range(chosen.rounds):
            for key, call in calls.items():
                began = time.process_time()
                call()
                best[key] = min(best[key], time.process_time() - began)
    for (name, what), seconds in best.items():
        figures[name][what] = seconds / best["pixels", what]
    for engine, why in left_out.items():
        print(f"without {engine}: {why}")
    for name, row in figures.items():
        print(name, *(f"{what} {value:.2f}" for what, value in row.items()), sep=", ")
    if chosen.record:
        record("shapes", figures, packages=("onnxruntime", "torch"))


if __name__ == "__main__":
    main()
