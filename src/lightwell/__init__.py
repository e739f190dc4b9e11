"""Restores dark photographs: light, noise, colour cast and shake, undone together.

>>> import lightwell
>>> lightwell.restore("night.jpg", "restored.jpg")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightwell.errors import LightwellError as LightwellError
    from lightwell.pictures import Picture as Picture
    from lightwell.pictures import read as read
    from lightwell.restoring.restorer import Restorer as Restorer
    from lightwell.restoring.restorer import restore as restore

__version__ = "0.1.0"

# Loaded when first touched, so that `import lightwell` stays quick and free of onnxruntime.
_HOMES = {
    "LightwellError": "lightwell.errors",
    "Picture": "lightwell.pictures",
    "Restorer": "lightwell.restoring.restorer",
    "read": "lightwell.pictures",
    "restore": "lightwell.restoring.restorer",
}
__all__ = ["LightwellError", "Picture", "Restorer", "__version__", "read", "restore"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lightwell' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
