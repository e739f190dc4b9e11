"""Pictures larger than memory allows, in tiles."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from lightwell.keras.training import as_floats
from lightwell.restoring.controls import Controls
from lightwell.restoring.grids import Box
from lightwell.restoring.strategies import GuidedTiles
from lightwell.restoring.tiles import in_tiles

__all__ = ["process_tiled"]

Floats = NDArray[np.float32]


def process_tiled(model: keras.Model, image: Any, tile_size: int = 512, overlap: int = 64) -> Floats:
    """Restores a picture in overlapping tiles that are blended with a raised cosine.

    A picture of no more than ``tile_size ** 2`` pixels, no longer than two tiles, goes through the model whole. The
    network looks at the whole of what it is given, so each tile by itself would get an exposure of its own: the picture
    is also restored reduced to one tile's size, and every tile is corrected to that (`lightwell.restoring.strategies`).

    Args:
        model: takes and gives ``(1, h, w, C)``; of several outputs the first is the picture.
        image: ``(H, W, C)``, floats in [0, 1], uint8 or uint16.
        tile_size: side of a tile in pixels.
        overlap: pixels that neighbouring tiles have in common at least.

    Returns:
        ``(H, W, C)`` float32, not clipped.

    Raises:
        ValueError: for an image of another rank, or an overlap that no tile can have.
    """
    image = np.asarray(as_floats(np.asarray(keras.ops.convert_to_numpy(image))), np.float32)
    if image.ndim != 3:
        raise ValueError(f"image must be (H, W, C), not {image.shape}")
    if not 0 < overlap < tile_size:
        raise ValueError(f"overlap must be above 0 and below tile_size: {overlap} and {tile_size}")
    result = np.empty_like(image)

    def restore(low: Floats) -> Floats:
        outputs = model.predict_on_batch(low[None])
        restored = outputs[0] if isinstance(outputs, list | tuple) else outputs
        return np.asarray(restored[0], np.float32)

    def load(rows: slice, columns: slice) -> Floats:
        return image[rows, columns]

    def store(box: Box, pixels: Floats) -> None:
        result[box.top : box.bottom, box.left : box.right] = pixels

    size = image.shape[0], image.shape[1]
    strategy = GuidedTiles(restore)
    piecewise = strategy.piecewise(strategy.guide(load, size, tile_size), size, Controls())
    in_tiles(load, store, size, piecewise, tile=tile_size, overlap=overlap)
    return result
