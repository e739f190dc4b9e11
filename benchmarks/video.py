"""Films made from photographs, restored: ``python benchmarks/video.py --model NAME [--photographs DIR] [--record]``.

Four films of two seconds, 24 frames a second, four stops dark, each frame with noise of its own (shot and read noise in
linear light, 8 bits, H.264 without loss): a static scene, a slow pan, a cut, and a lamp that is switched on after a
second. For each, restored as a film and frame by frame:

- PSNR to the truth after one gain a channel, fitted by least squares for each frame, the mean of all;
- drift: the standard deviation over time of the mean level less the truth's, in levels; of the cut, of each scene by
  itself, the mean; of the lamp, before it and from half a second after it. Where the camera moves, what comes into view
  changes the light too, slowly;
- flicker: the root mean square of the mean level's second difference in time, which knows no slow change;
- of the cut, one frame after it: how far the mean level is from that of the second scene restored alone;
- of the lamp, half a second after it: how far the mean level is from what it comes to.

Then frames a second, and how many times as long as decoding and encoding alone. With --record docs/measured/video.json
holds the rows, without the times.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from record import record

from lightwell import Restorer
from lightwell.pictures.space import linear_to_srgb, srgb_to_linear
from lightwell.video import restore_video

Array = NDArray[np.floating]

RATE = 24
AFTER = "after the change"
DARK = 2.0**-4
# Electrons a full sample holds, and of read noise: a phone's at night.
FULL, READ = 4000.0, 3.0


@dataclass(frozen=True)
class Case:
    """A film and its truth.

    Args:
        name: in words.
        light: linear light of a frame, ``(height, width, 3)`` in [0, 1].
        parts: frames of which each has one light, for the flicker.
        change: the frame at which the light changes.
    """

    name: str
    light: Callable[[int], Array]
    parts: tuple[range, ...]
    change: int | None = None


def photographs(folder: Path | None) -> list[Array]:
    """Two pictures in linear light, at least 640 x 400."""
    if folder is None:
        from skimage import data

        pictures = [data.chelsea(), data.coffee()]
    else:
        pictures = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.iterdir())[:2]]
    large = [Image.fromarray(picture).resize((640, 400), Image.Resampling.LANCZOS) for picture in pictures]
    return [srgb_to_linear(np.asarray(picture) / 255.0) for picture in large]


def cases(first: Array, second: Array, frames: int, height: int, width: int) -> list[Case]:
    half = frames // 2

    def window(picture: Array, left: int = 0) -> Array:
        return picture[:height, left : left + width]

    # From a corner, falling off, as of a lamp on a table.
    y, x = np.mgrid[:height, :width]
    lamp = 1 + 5 / (1 + ((x / width) ** 2 + (y / height) ** 2) * 4)[..., None]
    room = window(first) / 6
    return [
        Case("static", lambda _: window(first), (range(frames),)),
        Case("slow pan", lambda k: window(first, k * max(1, width // 240)), (range(frames),)),
        Case("cut", lambda k: window(first if k < half else second), (range(half), range(half, frames)), half),
        Case(
            "lamp",
            lambda k: room * lamp if k >= half else room,
            (range(half), range(half + RATE // 2, frames)),
            half,
        ),
    ]


def darkened(light: Array, seed: int) -> NDArray[np.uint8]:
    """As a camera sees it."""
    rng = np.random.default_rng(seed)
    electrons = rng.poisson(light * DARK * FULL) + rng.normal(0, READ, light.shape)
    return (linear_to_srgb(np.clip(electrons / FULL, 0, 1)) * 255).round().astype(np.uint8)


def write(path: Path, shots: list[NDArray[np.uint8]]) -> None:
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=RATE, options={"qp": "0"})
        stream.height, stream.width = shots[0].shape[:2]
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, RATE)
        for number, shot in enumerate(shots):
            frame = av.VideoFrame.from_ndarray(shot, "rgb24")
            frame.pts = number
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))


def read(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def psnr(restored: NDArray[np.uint8], target: Array) -> float:
    x, y = restored.astype(np.float64), target
    gain = (x * y).sum((0, 1)) / np.maximum((x * x).sum((0, 1)), 1e-9)
    return float(10 * np.log10(255**2 / np.mean((np.clip(x * gain, 0, 255) - y) ** 2)))


def levels(frames: list[NDArray[np.uint8]]) -> Array:
    return np.array([frame.mean() for frame in frames])


def drift(restored: Array, truth: Array, parts: tuple[range, ...]) -> float:
    return float(np.mean([(restored - truth)[part].std() for part in parts]))


def flicker(restored: Array, parts: tuple[range, ...]) -> float:
    return float(np.mean([np.sqrt(np.mean(np.diff(restored[part], 2) ** 2)) for part in parts]))


def measure(case: Case, model: Restorer, frames: int, folder: Path) -> dict[str, object]:
    """A row of the table; what has no value there is left out."""
    targets = [255 * linear_to_srgb(case.light(k)) for k in range(frames)]
    write(folder / "dark.mp4", [darkened(case.light(k), k) for k in range(frames)])
    restore_video(folder / "dark.mp4", folder / "new.mp4", model=model, quality=100, overwrite=True)
    film = read(folder / "new.mp4")
    singly = [model(frame) for frame in read(folder / "dark.mp4")]
    truth = np.array([target.mean() for target in targets])
    row: dict[str, object] = {"model": model.model, "film": case.name}
    for how, every in (("", film), (" frame by frame", singly)):
        row[f"dB{how}"] = float(np.mean([psnr(*pair) for pair in zip(every, targets, strict=True)]))
        row[f"drift{how}"] = drift(levels(every), truth, case.parts)
        row[f"flicker{how}"] = flicker(levels(every), case.parts)
    if case.name == "cut" and case.change is not None:
        part = range(case.change, frames)
        write(folder / "dark.mp4", [darkened(case.light(k), k) for k in part])
        restore_video(folder / "dark.mp4", folder / "new.mp4", model=model, quality=100, overwrite=True)
        row[AFTER] = abs(float(levels(film)[case.change + 1] - levels(read(folder / "new.mp4"))[1]))
    elif case.change is not None:
        row[AFTER] = abs(float(levels(film)[case.change + RATE // 2] - levels(film)[-RATE // 4 :].mean()))
    return row


def seconds(model: Restorer, path: Path, strength: float) -> float:
    began = time.perf_counter()
    restore_video(path, path.with_name("new.mp4"), model=model, strength=strength, overwrite=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--photographs", type=Path, help="a folder, of which the first two are taken")
    parser.add_argument("--frames", type=int, default=2 * RATE)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 480), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()

    first, second = photographs(options.photographs)
    rows, speeds = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        for name in options.model or [None]:
            model = Restorer(name)
            for case in cases(first, second, options.frames, *options.size):
                rows.append(measure(case, model, options.frames, path))
                shown = (f"{key} {value:.2f}" if isinstance(value, float) else value for key, value in rows[-1].items())
                print(", ".join(map(str, shown)), flush=True)
            whole, alone = (seconds(model, path / "dark.mp4", strength) for strength in (1.0, 0.0))
            count = len(read(path / "dark.mp4"))
            speeds.append(
                f"{model.model}: {count / whole:.2f} frames/s, {whole / alone:.1f} times decoding and encoding"
            )
    print("\n".join(["", *speeds]))
    if options.record:
        record("video", rows, packages=("av", "numpy", "onnxruntime"))


if __name__ == "__main__":
    main()
