"""The engine that is taken when none is asked for, where something quicker than the CPU is there."""

from __future__ import annotations

from collections.abc import Mapping

from lightwell.engines.base import Array, Engine
from lightwell.engines.reference import Compared, Reference
from lightwell.errors import LightwellError

__all__ = ["Auto"]


class Auto(Compared):
    """An :class:`~lightwell.engines.base.Engine` that computes as a quick one does, or else on the CPU.

    A part of a graph's first picture in a process goes through both, unless the quick one compares itself. Where they
    differ by more than :meth:`Reference.compare` grants, or the quick one fails then or later, the CPU computes from
    there on.

    Args:
        quick: of the graph.
        reference: the graph on the CPU.
    """

    def __init__(self, quick: Engine, reference: Reference) -> None:
        super().__init__(reference)
        self._quick = quick
        self._engine: Engine = quick

    @property
    def device(self) -> str:
        return self._engine.device

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        if self._engine is self._quick:
            try:
                if not isinstance(self._quick, Compared):
                    self.trusted.check(self._quick.device, self._quick, feeds, self._way_out)
                return self._quick(feeds)
            except LightwellError:  # what is wrong with the picture, the CPU will say
                self._engine = self.trusted
        return self._engine(feeds)
