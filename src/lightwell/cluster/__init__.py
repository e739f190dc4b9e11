"""Restoring a million photographs on many machines: Ray Data carries the work, a manifest in Parquet remembers it.

>>> from lightwell.cluster import restore_dataset
>>> restore_dataset("s3://night/in", "s3://night/out", address="auto")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightwell.cluster.manifest import Entry as Entry
    from lightwell.cluster.manifest import Summary as Summary
    from lightwell.cluster.manifest import final_rows as final_rows
    from lightwell.cluster.manifest import summary as summary
    from lightwell.cluster.run import restore_dataset as restore_dataset

# Loaded when first touched: Ray takes seconds.
_HOMES = {
    "Entry": "lightwell.cluster.manifest",
    "Summary": "lightwell.cluster.manifest",
    "final_rows": "lightwell.cluster.manifest",
    "restore_dataset": "lightwell.cluster.run",
    "summary": "lightwell.cluster.manifest",
}
__all__ = ["Entry", "Summary", "final_rows", "restore_dataset", "summary"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lightwell.cluster' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
