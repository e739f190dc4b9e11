"""A damaged file ends in a picture or in one line, and never takes the process or the memory with it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dng import dng, exposed
from PIL import ExifTags, Image, ImageCms

from lightwell.pictures import Picture

KINDS = ["bmp", "jpg", "png", "png16", "webp", "tif", "tif16", "avif", "heic", "heic10", "dng"]
PACKAGES = {"heic": "pillow_heif", "heic10": "pillow_heif", "dng": "rawpy"}


def whole(kind: str, path: Path) -> Path:
    """A file of a kind, with all the metadata that the kind holds."""
    rng = np.random.default_rng(0)
    if kind == "dng":
        path = path.with_suffix(".dng")
        path.write_bytes(dng(exposed(rng.random((32, 32, 3))), orientation=6, maker_note=bytes(64)))
        return path
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Lumen"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 6400
    deep = kind.endswith(("16", "10"))
    picture = Picture(
        rng.integers(0, 65536 if deep else 256, (32, 32, 3)).astype(np.uint16 if deep else np.uint8),
        rng.integers(0, 65536 if deep else 256, (32, 32)).astype(np.uint16 if deep else np.uint8),
        icc=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        exif=exif.tobytes(),
        xmp=b'<x:xmpmeta><rdf:Description tiff:Orientation="6" GCamera:MotionPhoto="1"/></x:xmpmeta>',
        iptc=b"\x1c\x02\x50\x00\x03Ada",
        dpi=(300, 300),
        depth=10 if kind == "heic10" else None,
    )
    path = path.with_suffix("." + kind.rstrip("016"))
    picture.write(path)
    return path


def ends_of(path: Path, count: int) -> dict[str, float]:
    script = Path(__file__).parents[1] / "mutate.py"
    result = subprocess.run(
        [sys.executable, str(script), str(path), str(count)], capture_output=True, text=True, check=False, timeout=600
    )
    assert result.returncode == 0, result.stderr[-3000:]
    ends: dict[str, float] = json.loads(result.stdout)
    return ends


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind: str, tmp_path: Path) -> None:
    if kind in PACKAGES and importlib.util.find_spec(PACKAGES[kind]) is None:
        pytest.skip(f"needs {PACKAGES[kind]}")
    ends = ends_of(whole(kind, tmp_path / "whole"), 25)
    assert ends["whole"] + ends["refused"] == 50
    assert ends["lines"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_files_within_bounds(kind: str, tmp_path: Path) -> None:
    if kind in PACKAGES and importlib.util.find_spec(PACKAGES[kind]) is None:
        pytest.skip(f"needs {PACKAGES[kind]}")
    ends = ends_of(whole(kind, tmp_path / "whole"), 500)
    assert ends["whole"] > 20
    assert ends["refused"] > 50
    assert ends["lines"] == 1
    assert ends["slowest"] < 30
    assert ends["megabytes"] < 400
