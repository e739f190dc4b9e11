"""Keras on the backend in use against our torch network: predict and a training step.

    KERAS_BACKEND=torch python benchmarks/keras_port.py [--model darkir-s] [--pictures 1x256 4x128] [--rounds 7] [--jit]

Both hold the same weights, and take turns, so that what else the machine does slows both; what is compared is the
processor time of all threads. Torch runs eagerly over channels-last tensors; Keras through ``predict_on_batch`` and
``train_on_batch``, compiled as the backend does by itself (JAX always by XLA, TensorFlow as a graph, torch not) or with
``jit_compile=True``. A ratio above 1 means that Keras takes longer. Takes some minutes.

With --openvino also how far the model that Keras exports to OpenVINO is off in each precision, on the example
photographs. With --record docs/measured/keras-BACKEND.json holds what was measured.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from PIL import Image
from record import record

from lightwell.keras import by_matrices, create_darkir
from lightwell.models import load_model

WARM_UP = 2
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def compared(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median processor seconds of each call."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(WARM_UP + rounds):
        for name, call in calls.items():
            begun = time.process_time()
            call()
            if number >= WARM_UP:
                taken[name].append(time.process_time() - begun)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def measure(name: str, batch: int, side: int, rounds: int, jit: bool) -> dict[str, Any]:
    """The ratios of Keras' time to torch's, and the largest difference between their pictures, in [0, 1]."""
    low, target = np.random.default_rng(0).random((2, batch, side, side, 3), np.float32)
    low *= 0.2
    net = load_model(name).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=1e-4)
    model = create_darkir(weights=name)
    if jit:
        model.compile(optimizer=keras.optimizers.AdamW(1e-4, weight_decay=1e-4), loss="mae", jit_compile=True)

    def tensor(pictures: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pictures).permute(0, 3, 1, 2)

    def predict() -> np.ndarray:
        with torch.inference_mode():
            return net(tensor(low)).numpy()

    def step() -> float:
        optimizer.zero_grad()
        loss = (net(tensor(low)) - tensor(target)).abs().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    difference = np.abs(model.predict_on_batch(low) - predict().transpose(0, 2, 3, 1)).max()
    work = {
        "predict": {"torch": predict, "keras": lambda: model.predict_on_batch(low)},
        "train step": {"torch": step, "keras": lambda: model.train_on_batch(low, target)},
    }
    found: dict[str, Any] = {"pictures": batch, "side": side, "largest difference": float(difference)}
    for what, calls in work.items():
        taken = compared(calls, rounds)
        found[what] = taken["keras"] / taken["torch"]
    return found


def off_in_openvino(name: str) -> dict[str, dict[str, float]]:
    """By precision, levels of 255 that the exported model is off on the examples: the worst, the mean, and shares."""
    import openvino

    model = create_darkir(name, weights=name)
    lows = [np.asarray(Image.open(path), np.float32)[None] / 255 for path in sorted(EXAMPLES.glob("*_dark.jpg"))]
    expected = [model.predict_on_batch(low) for low in lows]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        signature = [keras.InputSpec(shape=(None, None, None, 3), dtype="float32", name="low")]
        by_matrices(model).export(f"{folder}/model.xml", format="openvino", verbose=False, input_signature=signature)
        for precision in ("f32", "bf16"):
            run = openvino.Core().compile_model(f"{folder}/model.xml", "CPU", {"INFERENCE_PRECISION_HINT": precision})
            off = [255 * np.abs(run(low)[0] - picture) for low, picture in zip(lows, expected, strict=True)]
            found[precision] = {
                "pictures": len(off),
                "worst, least": float(min(each.max() for each in off)),
                "worst, most": float(max(each.max() for each in off)),
                "mean, least": float(min(each.mean() for each in off)),
                "mean, most": float(max(each.mean() for each in off)),
                "% above two, least": float(min(100 * (each > 2).mean() for each in off)),
                "% above two, most": float(max(100 * (each > 2).mean() for each in off)),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="darkir-s")
    parser.add_argument("--pictures", nargs="+", default=["1x256", "4x128", "1x128"], metavar="COUNTxSIDE")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jit", action="store_true")
    parser.add_argument("--openvino", action="store_true")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()

    backend = keras.backend.backend()
    ratios = []
    for words in options.pictures:
        batch, side = map(int, words.split("x"))
        found = measure(options.model, batch, side, options.rounds, options.jit)
        ratios.append(found)
        times = f"predict {found['predict']:.2f}, train step {found['train step']:.2f}"
        print(
            f"{options.model}, {batch} of {side}x{side}, keras on {backend} over torch: {times}; "
            f"largest difference {found['largest difference']:.1e}",
            flush=True,
        )
    figures: dict[str, Any] = {"model": options.model, "ratios": ratios}
    if options.openvino:
        figures["levels off in OpenVINO"] = off_in_openvino(options.model)
        print(figures["levels off in OpenVINO"])
    if options.record:
        record(f"keras-{backend}", figures, packages=("keras", backend))


if __name__ == "__main__":
    main()
