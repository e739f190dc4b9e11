"""What a model does to pictures, in one table: ``python benchmarks/pictures.py --data ~/sets --model NAME``.

``~/sets`` holds ``lol_v1`` (``our485`` and ``eval15``) and ``photographs``, the Berkeley segmentation set's. The rows:

- LOL v1's eval15, val_seen and val_unseen, PSNR under the protocol ``strict``;
- the forty photographs that are held out of training, as they are: PSNR to themselves, and clipped pixels added (at 0
  or 255 in any channel, per cent of all);
- nine noise-free gradients: the standard deviation, in levels, of what is left of the output after a Gaussian blur of
  12 pixels is taken off; 0.3 to 0.4 is rounding;
- the same forty photographs darkened by 1.5 to 5 stops with noise, every other one shaken: PSNR after one gain a
  channel, fitted by least squares, and strict;
- the same ones against the light: their shadows two stops and more below what they were, the lights as they are: PSNR,
  strict, and how many of the stops that the shadows lost they are given back, in per cent (0: nothing opened);
- every fourth of them enlarged fourfold, to 1284x1924, then darkened with noise that neighbours and channels share: the
  same after one gain. What cells of a thumbnail tell of the noise in small pictures they do not tell of large ones.

Means with 95 % bootstrap intervals over the pictures. ``--model`` may be given several times. Another program is
measured by ``--write-inputs DIR``, then ``--results NAME=DIR`` with its pictures under the same names (PNG).
``--sheets DIR --unpaired DIR...`` writes contact sheets to look at: input, then each model.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from lightwell import Picture, Restorer, read
from lightwell.data.degrade import Degradation, degrade
from lightwell.data.public import find_set
from lightwell.data.splits import held_out_photographs

Array = NDArray[np.uint8]
Restore = Callable[[str, Array], Array]

DARK = Degradation(ev=(-5.0, -1.5), shade_chance=0.0, jpeg_chance=0.0, defocus_chance=0.0)
GRAINY = Degradation(
    ev=(-3.5, -1.5),
    shade_chance=0.0,
    shot=(5e-4, 2e-3),
    jpeg_chance=0.0,
    blur_chance=0.0,
    defocus_chance=0.0,
    grain=(0.6, 0.6),
    grain_chance=1.0,
    gray=(0.85, 0.85),
)

AGAINST_LIGHT = Degradation(
    ev=(-0.7, 0.0),
    shade_chance=0.0,
    shot=(1e-5, 1e-4),
    read=(5e-5, 2e-4),
    cast=0.0,
    warmth=0.0,
    blur_chance=0.0,
    defocus_chance=0.0,
    jpeg_chance=0.0,
    hard=(0.8, 1.4),
    hard_chance=1.0,
)


@dataclass(frozen=True)
class Case:
    """A picture to restore and what it should become."""

    name: str
    low: Array
    target: Array


def psnr(a: NDArray[np.floating] | Array, b: Array) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((np.asarray(a, np.float64) - b) ** 2), 1e-2)))


def after_gains(restored: Array, target: Array) -> float:
    """PSNR after one gain a channel, by least squares."""
    x, y = restored.astype(np.float64), target.astype(np.float64)
    gain = (x * y).sum((0, 1)) / np.maximum((x * x).sum((0, 1)), 1e-9)
    return psnr(np.clip(x * gain, 0, 255), target)


def opened(low: Array, restored: Array, target: Array) -> tuple[float, float]:
    """Stops that shadows were given, and that they had lost, summed over where they had lost two and more."""
    low_stops, got, wanted = (
        np.log2(1e-3 + gaussian_filter(((picture / 255.0) ** 2.2).mean(2), 6)) for picture in (low, restored, target)
    )
    shadow = wanted - low_stops > 2
    return float((got - low_stops)[shadow].sum()), float((wanted - low_stops)[shadow].sum())


def clipped(picture: Array) -> float:
    return 100 * float(((picture == 0) | (picture == 255)).any(2).mean())


def stray(picture: Array) -> float:
    """Standard deviation, in levels, of what is finer than 12 pixels, away from the borders."""
    x = picture.astype(np.float64)
    return float((x - gaussian_filter(x, (12, 12, 0)))[24:-24, 24:-24].std())


def lol(data: Path, split: str) -> Iterator[Case]:
    for pair in find_set(data, f"lol_v1:{split}"):
        yield Case(f"{split}_{pair.name}", read(pair.low).pixels, read(pair.high).pixels)


def photographs(data: Path) -> Iterator[tuple[str, Array]]:
    for name in held_out_photographs():
        yield name, read(next((data / "photographs").glob(f"{name}.*"))).pixels


def good(data: Path) -> Iterator[Case]:
    for name, picture in photographs(data):
        yield Case(f"good_{name}", picture, picture)


def darkened(picture: Array, degradation: Degradation, seed: int) -> Array:
    shots = degradation.sample(1, torch.Generator().manual_seed(seed))
    target = torch.tensor(picture).permute(2, 0, 1)[None].float() / 255
    low: Array = (degrade(target, shots)[0].permute(1, 2, 0) * 255).round().byte().numpy()
    return low


def dark(data: Path, shaken: bool) -> Iterator[Case]:
    degradation = Degradation(**{**vars(DARK), "blur_chance": float(shaken)})
    for number, (name, picture) in enumerate(photographs(data)):
        if number % 2 == shaken:
            yield Case(f"dark_{name}", darkened(picture, degradation, number), picture)


def against_light(data: Path) -> Iterator[Case]:
    for number, (name, picture) in enumerate(photographs(data)):
        yield Case(f"against_{name}", darkened(picture, AGAINST_LIGHT, number), picture)


def large(data: Path) -> Iterator[Case]:
    for number, (name, picture) in enumerate(photographs(data)):
        if number % 4 == 0:
            height, width = picture.shape[:2]
            enlarged = np.asarray(Image.fromarray(picture).resize((4 * width, 4 * height), Image.Resampling.BICUBIC))
            yield Case(f"large_{name}", darkened(enlarged, GRAINY, number), enlarged)


def gradients() -> Iterator[Case]:
    rng = np.random.default_rng(3)
    for number in range(9):
        level = (0.04, 0.15, 0.5)[number % 3]
        field = np.clip(level * rng.uniform(0.5, 1.6, 3) + level * rng.normal(0, 0.25, (3, 4, 3)), 0, 1)
        planes = [Image.fromarray(field[..., c].astype(np.float32)).resize((480, 320), 3) for c in range(3)]
        picture = np.stack([np.asarray(plane) for plane in planes], 2)
        pixels = np.clip(picture * 255, 0, 255).round().astype(np.uint8)
        yield Case(f"gradient_{number}", pixels, pixels)


def interval(values: list[float]) -> str:
    """The mean, and between which bounds it lies with 95 % of resampled sets of pictures."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (4000, len(values))).mean(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return f"{np.mean(values):.2f} [{low:.2f}, {high:.2f}]"


def measure(restore: Restore, data: Path) -> dict[str, str]:
    """One column of the table."""
    rows = {}
    for split in ("eval15", "val_seen", "val_unseen"):
        scores = [psnr(restore(case.name, case.low), case.target) for case in lol(data, split)]
        rows[f"LOL v1 {split}, {len(scores)} pictures, strict (dB)"] = interval(scores)
    pairs = [(restore(case.name, case.low), case.low) for case in good(data)]
    same = [psnr(*pair) for pair in pairs]
    rows[f"good photographs, {len(same)}, to themselves (dB)"] = interval(same)
    rows["good photographs, worst (dB)"] = f"{min(same):.2f}"
    added = [clipped(after) - clipped(before) for after, before in pairs]
    rows["good photographs, clipped pixels added (%)"] = f"{np.mean(added):.2f}"
    strays = [stray(restore(case.name, case.low)) for case in gradients()]
    rows["nine gradients, stray levels, worst / mean"] = f"{max(strays):.2f} / {np.mean(strays):.2f}"
    plain, shaken = (
        [(restore(case.name, case.low), case.target) for case in dark(data, which)] for which in (False, True)
    )
    every = [after_gains(*pair) for pair in (*plain, *shaken)]
    rows[f"darkened photographs, {len(every)}, one gain a channel (dB)"] = interval(every)
    rows[f"  the shaken half, {len(shaken)} (dB)"] = interval([after_gains(*pair) for pair in shaken])
    rows["darkened photographs, strict (dB)"] = interval([psnr(*pair) for pair in (*plain, *shaken)])
    against = [(case.low, restore(case.name, case.low), case.target) for case in against_light(data)]
    scores = [psnr(after, target) for _, after, target in against]
    rows[f"against the light, {len(against)}, strict (dB)"] = interval(scores)
    given, lost = np.sum([opened(*case) for case in against], 0)
    rows["  stops given back to shadows (%)"] = f"{100 * given / lost:.0f}"
    gained = [after_gains(restore(case.name, case.low), case.target) for case in large(data)]
    rows[f"large ones with coarse noise, {len(gained)}, one gain a channel (dB)"] = interval(gained)
    return rows


def odd_lights(data: Path) -> Iterator[tuple[str, Array]]:
    """Photographs under lights that models stumble on, made from held-out ones."""
    for number, (name, picture) in enumerate(photographs(data)):
        x = (picture / 255) ** 2.2
        kind = ("bright", "backlit", "foggy", "monochrome", "night", "plain")[number % 6]
        if kind == "bright":
            x = np.clip(x * 1.3, 0, 1)
        elif kind == "backlit":
            light = gaussian_filter(x.mean(2), 20)
            x = x * np.clip(light / light.max(), 0.02, 1)[..., None] ** 1.3
        elif kind == "foggy":
            x = 0.45 + 0.25 * x
        elif kind == "monochrome":
            x = np.repeat(x.mean(2, keepdims=True), 3, 2) * 0.1
        elif kind == "night":
            x = x * 0.02
            rng = np.random.default_rng(number)
            for _ in range(5):
                row, column = (int(rng.integers(20, side - 20)) for side in x.shape[:2])
                y, z = np.ogrid[: x.shape[0], : x.shape[1]]
                distance = (y - row) ** 2 + (z - column) ** 2
                x = x + (np.exp(-distance / 30) * 3 + 0.02 * np.exp(-distance / 3000))[..., None] * [1, 0.8, 0.5]
        else:
            continue
        noisy = np.clip(x, 0, 1) + np.random.default_rng(number).normal(0, 0.0008, x.shape)
        yield f"{kind} {name}", (np.clip(noisy, 0, 1) ** (1 / 2.2) * 255).round().astype(np.uint8)


def sheets(folder: Path, restorers: dict[str, Restore], pictures: list[tuple[str, Array]], rows: int = 6) -> None:
    """Contact sheets, a picture a row: as taken, then restored by each model."""
    folder.mkdir(parents=True, exist_ok=True)
    width = 520
    for first in range(0, len(pictures), rows):
        strips = []
        for name, low in pictures[first : first + rows]:
            shown = [low, *(restore(name, low) for restore in restorers.values())]
            size = (width, round(low.shape[0] * width / low.shape[1]))
            strip = Image.new("RGB", (width * len(shown), size[1]), "white")
            for column, picture in enumerate(shown):
                strip.paste(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS), (column * width, 0))
            ImageDraw.Draw(strip).text((6, 4), f"{name}: input, {', '.join(restorers)}", fill=(255, 220, 0))
            strips.append(strip)
        sheet = Image.new("RGB", (strips[0].width, sum(strip.height for strip in strips)), "white")
        top = 0
        for strip in strips:
            sheet.paste(strip, (0, top))
            top += strip.height
        sheet.save(folder / f"sheet_{first // rows:02d}.jpg", quality=88)


def every_case(data: Path) -> Iterator[Case]:
    for split in ("eval15", "val_seen", "val_unseen"):
        yield from lol(data, split)
    yield from good(data)
    yield from gradients()
    yield from dark(data, False)
    yield from dark(data, True)
    yield from against_light(data)
    yield from large(data)


def restored_by(model: str, tile: str) -> Restore:
    restorer = Restorer(model, tile=int(tile) if tile.isdigit() else tile)  # type: ignore[arg-type]
    return lambda _, low: restorer(low)


def read_from(folder: Path) -> Restore:
    return lambda name, _: read(folder / f"{name}.png").pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--results", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--tile", default="auto")
    parser.add_argument("--write-inputs", type=Path)
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--unpaired", type=Path, nargs="*", default=[])
    parser.add_argument("--no-table", action="store_true", help="only the sheets")
    options = parser.parse_args()

    if options.write_inputs:
        options.write_inputs.mkdir(parents=True, exist_ok=True)
        for case in every_case(options.data):
            Picture(case.low).write(options.write_inputs / f"{case.name}.png")
        return
    restorers = {Path(model).stem: restored_by(model, options.tile) for model in options.model}
    restorers |= {
        name: read_from(Path(folder)) for name, _, folder in (entry.partition("=") for entry in options.results)
    }
    if options.sheets:
        pictures = [
            (f"{folder.name} {path.stem}", read(path).pixels)
            for folder in options.unpaired
            for path in sorted(folder.iterdir())
        ]
        pictures += list(odd_lights(options.data))
        pictures += [(case.name, case.low) for case in list(dark(options.data, True))[:6]]
        pictures += [(case.name, case.low) for case in list(lol(options.data, "val_unseen"))[:6]]
        sheets(options.sheets, restorers, pictures)
    if options.no_table:
        return
    columns = {name: measure(restore, options.data) for name, restore in restorers.items()}
    print("| measure | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for row in next(iter(columns.values())):
        print(f"| {row} | " + " | ".join(column[row] for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
