"""Ways of restoring a picture of any size with networks that look at the whole of what they are given.

Each strategy first makes a :class:`Guide`, which says what the whole picture should look like at a coarse scale, and
then restores piece by piece under it. A guide may be given instead of made: the smoothed one of a film's frame, or the
one that a preview was made with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lightwell.restoring.controls import Controls, mix_light
from lightwell.restoring.grids import Box, Floats, Load, blur_matrix, enlarge, reduce_area, separable
from lightwell.restoring.guided import agree
from lightwell.restoring.lighting import light_up
from lightwell.restoring.tiles import Piecewise, fits_whole

__all__ = ["Guide", "GuidedTiles", "LightThenDetail", "Network", "Strategy"]

Network = Callable[[Floats], Floats]
"""A network: ``(h, w, C)`` to ``(h, w, C')``."""

_GUIDE_SIDE = 1024  # the longest of the guide of guided tiles, in pixels


@dataclass(frozen=True, eq=False)
class Guide:
    """What a picture should look like, at a coarse scale.

    Args:
        size: the picture's height and width.
        before: the picture reduced, ``(rows, columns, 3)`` in [0, 1].
        after: as it should be, the same shape.
    """

    size: tuple[int, int]
    before: Floats
    after: Floats


class Strategy(Protocol):
    """A way of restoring; holds no state of any picture, so it may be used from several threads at once."""

    @property
    def blends_in_guide(self) -> bool:
        """Whether ``strength`` is a matter of the guide; otherwise the caller mixes the finished pixels."""

    def overlap(self, tile: int) -> int:
        """Pixels that neighbouring tiles have in common."""

    def guide(self, load: Load, size: tuple[int, int], tile: int | None) -> Guide | None:
        """The guide of a picture; None where it needs none at this tile's side."""

    def piecewise(self, guide: Guide | None, size: tuple[int, int], controls: Controls) -> Piecewise:
        """The function that restores the pieces of a picture."""

    def guide_pixels(self, size: tuple[int, int], tile: int | None) -> int:
        """How many pixels go through a network to make the guide."""

    def refuse_unsuited(self, controls: Controls) -> None:
        """Says which settings it does not know.

        Raises:
            ValueError: when there is one.
        """


@dataclass(frozen=True)
class GuidedTiles:
    """One network for everything: tiles at full size, each corrected to the picture restored at reduced size.

    Such a network gives each tile an exposure of its own. A picture that fits a tile is restored whole, without guide.

    Args:
        restore: the network, ``(h, w, 3)`` to the same.
        of_parts: makes, of the picture reduced, the network for parts of it, where that is another one than for whole
            pictures.
    """

    restore: Network
    of_parts: Callable[[Floats], Network] | None = None
    blends_in_guide: bool = False

    def overlap(self, tile: int) -> int:
        return max(1, tile // 8)

    def guide(self, load: Load, size: tuple[int, int], tile: int | None) -> Guide | None:
        if tile is None or fits_whole(size, tile):
            return None
        before = reduce_area(load, size, self._small(size, tile))
        return Guide(size, before, self.restore(before))

    def guide_pixels(self, size: tuple[int, int], tile: int | None) -> int:
        if tile is None or fits_whole(size, tile):
            return 0
        rows, columns = self._small(size, tile)
        return rows * columns

    def _small(self, size: tuple[int, int], tile: int) -> tuple[int, int]:
        scale = min(1.0, _GUIDE_SIDE / max(size), tile / (size[0] * size[1]) ** 0.5, 2 * tile / max(size))
        return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))

    def refuse_unsuited(self, controls: Controls) -> None:
        if controls.denoise != 1 or controls.preview:
            raise ValueError(
                "this model does not part light from noise: denoise and preview go with models of two stages"
            )

    def piecewise(self, guide: Guide | None, size: tuple[int, int], controls: Controls) -> Piecewise:
        self.refuse_unsuited(controls)
        network = self.restore if guide is None or self.of_parts is None else self.of_parts(guide.before)

        def restore(piece: Floats, box: Box) -> Floats:
            restored = network(piece)
            if guide is not None:
                restored = agree(restored, guide.after, (box.top, box.left), size)
            return controls.tone(restored)

        return restore


@dataclass(frozen=True)
class LightThenDetail:
    """Two networks: one finds the light of the whole picture on a thumbnail, one takes noise and shake out of pieces.

    The light is fixed by the guide before any piece is looked at, so no tile can have a light of its own.

    Args:
        light: the thumbnail's network, ``(h, w, 3)`` to the same.
        detail: the pieces' network, ``(h, w, 4)`` (lit, and a quarter of its gain in stops) to ``(h, w, 3)``.
        thumbnail: the longest side of the thumbnail.
        tells_stops: False for a detail network that takes ``(h, w, 3)``, a picture in [0, 1] like any other.
    """

    light: Network
    detail: Network
    thumbnail: int = 48
    tells_stops: bool = True
    blends_in_guide: bool = True

    def overlap(self, tile: int) -> int:
        return min(24, tile // 4)

    def guide(self, load: Load, size: tuple[int, int], tile: int | None = None) -> Guide:  # noqa: ARG002
        before = reduce_area(load, size, self._small(size))
        return Guide(size, before, np.clip(self.light(before), 0, 1))

    def guide_pixels(self, size: tuple[int, int], tile: int | None) -> int:  # noqa: ARG002
        rows, columns = self._small(size)
        return rows * columns

    def refuse_unsuited(self, controls: Controls) -> None:
        """It knows all of them."""

    def _small(self, size: tuple[int, int]) -> tuple[int, int]:
        scale = min(1.0, self.thumbnail / max(size))
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

    def piecewise(self, guide: Guide | None, size: tuple[int, int], controls: Controls) -> Piecewise:
        if guide is None:
            raise ValueError("light, then detail needs a guide")
        after = controls.tone(mix_light(guide.before, guide.after, controls.strength))
        lighting = light_up(guide.before, after)

        def restore(piece: Floats, box: Box) -> Floats:
            lit, stops = lighting.apply(piece, box, size)
            if controls.preview or controls.denoise == 0:
                return lit
            seen = np.concatenate((lit, stops), axis=2) if self.tells_stops else np.clip(lit, 0, 1)
            white = np.minimum(lit, 1)  # what is lit beyond it would glow, as a change that varies slowly
            change = np.minimum(self.detail(seen), 1) - white
            change -= _smooth_part(change)
            restored: Floats = white + np.float32(controls.denoise) * change
            return restored

        return restore


# Cells in pixels, and the window over them: slower changes than these are light, which the guide has fixed.
_CELL = 16
_REACH = 2.0


def _smooth_part(change: Floats) -> Floats:
    """What of a change varies slowly, ``(h, w, C)``."""
    height, width = change.shape[:2]
    rows, columns = (max(1, round(side / _CELL)) for side in (height, width))
    cells = reduce_area(lambda down, across: change[down, across], (height, width), (rows, columns))
    small = separable(blur_matrix(rows, _REACH), cells, blur_matrix(columns, _REACH).T)
    return enlarge(small, Box(0, height, 0, width), (height, width))
