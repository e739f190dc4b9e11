"""Keras on the backend in use against our torch network: predict and a training step.

    KERAS_BACKEND=torch python benchmarks/keras_port.py [--model darkir-s] [--side 256] [--batch 1] [--rounds 7] [--jit]

Both hold the same weights, and take turns, so that what else the machine does slows both. Torch runs eagerly over
channels-last tensors; Keras through ``predict_on_batch`` and ``train_on_batch``, compiled as the backend does by
itself (JAX always by XLA, TensorFlow as a graph, torch not) or with ``jit_compile=True``. A ratio above 1 means that
Keras takes longer. Takes about two minutes on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import keras
import numpy as np
import torch

from lightwell import zoo
from lightwell.keras import create_darkir
from lightwell.models.registry import load_weights

WARM_UP = 2


def compared(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each call."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(WARM_UP + rounds):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            if number >= WARM_UP:
                taken[name].append(time.perf_counter() - begun)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="darkir-s")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jit", action="store_true")
    options = parser.parse_args()

    low, target = np.random.default_rng(0).random((2, options.batch, options.side, options.side, 3), np.float32)
    low *= 0.2
    net = load_weights(zoo.find(options.model).weights).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=1e-4)
    model = create_darkir(weights=options.model)
    if options.jit:
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
    print(f"{options.model}, {options.batch} of {options.side}x{options.side}, largest difference {difference:.1e}")
    for name, calls in work.items():
        taken = compared(calls, options.rounds)
        print(
            f"{name:10}  torch {taken['torch']:.3f} s  keras on {keras.backend.backend()} {taken['keras']:.3f} s  "
            f"ratio {taken['keras'] / taken['torch']:.2f}"
        )


if __name__ == "__main__":
    main()
