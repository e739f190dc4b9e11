"""Reads damaged copies of one file in a process of its own; prints how that ended and the memory it took.

Usage: python mutate.py FILE COUNT [MODEL]

With a model the file is a film, of which each copy is restored.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import random
import re
import sys
import time
import warnings
import zlib
from pathlib import Path

from lightwell import Restorer
from lightwell.errors import LightwellError, PictureError
from lightwell.pictures import read, size_of


def mutated(file: bytes, seed: int) -> bytes:
    """Bytes changed, cut out, doubled or cut off; half of the changes in the head, where a file says what it is."""
    rng = random.Random(seed)
    damaged = bytearray(file)
    for _ in range(rng.choice((1, 2, 4, 16))):
        end = len(damaged) if rng.random() < 0.5 else min(len(damaged), 1024)
        place = rng.randrange(max(1, end - 4))
        match rng.randrange(6):
            case 0 | 1 | 2:
                damaged[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 3:
                damaged[place : place + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4)))
            case 4:
                del damaged[place : place + rng.randrange(1, 64)]
            case 5:
                damaged[place:place] = damaged[place : place + rng.randrange(1, 64)]
        damaged = damaged or bytearray(b"\0")
    damaged = damaged[: rng.randrange(1, len(damaged) + 1)] if rng.random() < 0.1 else damaged
    return with_checksums(damaged) if file.startswith(b"\x89PNG") and seed % 4 else bytes(damaged)


def with_checksums(png: bytearray) -> bytes:
    """A PNG whose chunks have the checksums of what they hold, so that damage reaches what reads them."""
    position = 8
    while position + 12 <= len(png):
        size = int.from_bytes(png[position : position + 4], "big")
        end = position + 8 + size
        if end + 4 > len(png):
            break
        png[end : end + 4] = zlib.crc32(png[position + 4 : end]).to_bytes(4, "big")
        position = end + 4
    return bytes(png)


def peak() -> float:
    """The process's peak memory in MB where the system tells it, else 0."""
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


def picture_ends(damaged: Path) -> list[str | None]:
    """What is said of a picture, read by its name and from its bytes; None where it is one."""
    ends: list[str | None] = []
    for source in (damaged, damaged.read_bytes()):
        try:
            picture = read(source, max_pixels=1_000_000)
            for format in ("PNG", "TIFF", "JPEG"):
                picture.write(io.BytesIO(), format=format)
            ends.append(None)
        except PictureError as error:
            ends.append(str(error))
        with contextlib.suppress(PictureError):
            size_of(source)
    return ends


def film_ends(damaged: Path, model: Restorer) -> list[str | None]:
    """What is said of a film; None where it is restored."""
    from lightwell.video import restore_video

    try:
        restore_video(damaged, damaged.with_name("new.mkv"), model=model, overwrite=True)
    except LightwellError as error:
        return [str(error)]
    return [None]


def main() -> None:
    faulthandler.enable()
    path, count = Path(sys.argv[1]), int(sys.argv[2])
    model = Restorer(sys.argv[3], threads=1) if len(sys.argv) > 3 else None
    file = path.read_bytes()
    warnings.simplefilter("ignore")  # of Pillow, on damaged metadata
    whole = refused = lines = 0
    slowest = 0.0
    before = peak()
    named = path.with_name(f"damaged{path.suffix}")
    for seed in range(count):
        named.write_bytes(mutated(file, seed))
        started = time.process_time()  # of other programs it knows nothing
        for said in film_ends(named, model) if model else picture_ends(named):
            whole += said is None
            refused += said is not None
            lines = max(lines, len((said or "").splitlines()))
        slowest = max(slowest, time.process_time() - started)
    told = {"whole": whole, "refused": refused, "slowest": slowest, "lines": lines, "megabytes": peak() - before}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
