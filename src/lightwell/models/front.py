"""Fronts: what a picture goes through before a network of three channels sees it. None by default, for fidelity.

:class:`Normalised` shows the picture at an exposure of its own, so that the same scene looks alike at any exposure.
:class:`Lit` shows it as the light network of ``lightwell-s-lol`` and ``light_up`` light it; what is left to the network
is what light does not mend. A front looks at the whole picture, so training prepares whole pictures and cuts them then
(``lightwell.training.tasks``), and at run time all tiles of a picture are shown as the whole of it says.

Differences from the paper (of any network that has a front)
------------------------------------------------------------
- The paper's network sees the dark picture as it is. Behind ``normalised`` it sees
  :func:`lightwell.models.light_and_detail.normalise` of it, in [0, 2); behind ``lit`` a picture in [0, 1] whose light
  is that of ``lightwell-s-lol``.
- Behind ``lit`` the network has no say about light: what it changes smoothly over a picture is taken back, as in
  ``lightwell.restoring.strategies.LightThenDetail``.
- Structure, losses and targets are the paper's. Losses that know the dark picture, as DRGN's first stage does, mean the
  one that the network sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from lightwell import engines, zoo
from lightwell.errors import WeightsError
from lightwell.models.light_and_detail import mean_level, normalise
from lightwell.models.registry import build_network, register_network
from lightwell.restoring.controls import Controls
from lightwell.restoring.grids import Box, Floats
from lightwell.restoring.strategies import LightThenDetail

__all__ = [
    "FRONTS",
    "LIGHT",
    "FrontConfig",
    "Lit",
    "Normalised",
    "bare",
    "lit_strategy",
    "refuse_unsuited",
    "with_front",
]

LIGHT = "lightwell-s-lol"
"""The model whose light lights pictures behind ``lit``."""

_TRIED = 32


@dataclass(frozen=True)
class FrontConfig:
    """The network behind a front.

    Args:
        network: its class's name in a weights file.
        config: its configuration.
    """

    network: str
    config: dict[str, Any]


class Front(nn.Module):
    """A network with something before it.

    Args:
        config: the network.

    Shape:
        ``(N, 3, H, W)`` in [0, 1], any height and width, to the same, not clamped.
    """

    strategy: ClassVar[str]
    channels = 3

    def __init__(self, config: FrontConfig) -> None:
        super().__init__()
        self.config = config
        self.net = build_network(config.network, config.config)

    @property
    def multiple(self) -> int:
        """Sides that are multiples of this cost the network nothing to pad."""
        return int(getattr(self.net, "multiple", 1))


@register_network(FrontConfig)
class Normalised(Front):
    """A network that sees every picture at the exposure at which its mean level is about 0.42.

    ``forward`` takes the level too: ``(1,)``, the :func:`~lightwell.models.light_and_detail.mean_level` of the whole
    picture where a part of one is given, and 0 to have each picture's own measured.
    """

    strategy = "normalised-tiles"
    beside = ("level",)

    def forward(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        own = mean_level(x)
        seen, _ = normalise(x, own if level is None else torch.where(level > 0, level, own))
        restored: Tensor = self.net(seen)
        return restored


@register_network(FrontConfig)
class Lit(Front):
    """A network that sees every picture lit by ``lightwell-s-lol``. It gives no gradients: the light is a graph."""

    strategy = "light-then-detail"

    def __init__(self, config: FrontConfig) -> None:
        super().__init__(config)
        self._lights = lit_strategy(self._restore)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([torch.from_numpy(self._whole(picture)) for picture in x.cpu().numpy()]).to(x)

    def _whole(self, picture: Floats) -> Floats:
        low = np.ascontiguousarray(picture.transpose(1, 2, 0))
        size = low.shape[0], low.shape[1]
        guide = self._lights.guide(lambda rows, columns: low[rows, columns], size)
        restored = self._lights.piecewise(guide, size, Controls())(low, Box(0, size[0], 0, size[1]))
        return np.ascontiguousarray(restored.transpose(2, 0, 1))

    def _restore(self, lit: Floats) -> Floats:
        restored: Tensor = self.net(torch.from_numpy(lit.transpose(2, 0, 1).copy())[None].to(_device(self.net)))
        return restored[0].permute(1, 2, 0).cpu().numpy()


FRONTS: Mapping[str, type[Front]] = {"normalised": Normalised, "lit": Lit}


def lit_strategy(network: Callable[[Floats], Floats]) -> LightThenDetail:
    """What lights pictures behind ``lit``, with a network ``(h, w, 3)`` to the same behind it.

    Raises:
        WeightsError: when the light does not ship or is damaged.
    """
    card = zoo.find(LIGHT)
    card.refuse_damaged()
    engine = engines.start(card.graphs["light"], "cpu", 1)

    def light(thumbnail: Floats) -> Floats:
        low = np.ascontiguousarray(thumbnail.transpose(2, 0, 1)[None])
        return np.moveaxis(engine({"low": low})["restored"][0], 0, 2)

    return LightThenDetail(light, network, card.spec.thumbnail, tells_stops=False)


def with_front(net: nn.Module, front: str) -> nn.Module:
    """A network with a front before it; the network itself, not a copy, is in it.

    Args:
        net: takes and gives pictures of three channels.
        front: ``normalised``, ``lit``, or ``none`` for the network as it is.

    Raises:
        ValueError: for another front.
        WeightsError: when the network is none that a front fits.
    """
    if front == "none":
        return net
    if front not in FRONTS:
        raise ValueError(f"a front is none, {' or '.join(FRONTS)}, not {front!r}")
    refuse_unsuited(net, front)
    config: Any = net.config
    fronted = FRONTS[front](FrontConfig(type(net).__name__.lower(), asdict(config)))
    fronted.net = net
    return fronted.train(net.training)


def bare(net: nn.Module) -> nn.Module:
    """The network behind its front; the network itself where it has none."""
    return net.net if isinstance(net, Front) else net


def _device(net: nn.Module) -> torch.device:
    parameter = next(net.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def refuse_unsuited(net: nn.Module, front: str) -> None:
    """Says so when a front does not fit a network.

    Raises:
        WeightsError: when it does not.
    """
    name = type(net).__name__
    if isinstance(net, Front):
        raise WeightsError(f"the front {front} does not fit {name}: it has a front already")
    if (strategy := getattr(net, "strategy", "tiles")) != "tiles":
        raise WeightsError(f"the front {front} does not fit {name}: it is a part of a model of {strategy}")
    was_training = net.training
    net.eval()
    try:
        with torch.no_grad():
            shape = tuple(net(torch.zeros(1, 3, _TRIED, _TRIED, device=_device(net))).shape)
    except RuntimeError:
        shape = None
    finally:
        net.train(was_training)
    if shape != (1, 3, _TRIED, _TRIED):
        raise WeightsError(f"the front {front} does not fit {name}: it does not take and give pictures of 3 channels")
