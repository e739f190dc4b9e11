"""Films, restored frame by frame under a light that does not flicker: ``pip install 'lightwell[video]'``.

>>> from lightwell.video import restore_video
>>> restore_video("night.mov", "restored.mp4")
"""

from __future__ import annotations

try:
    import av  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("films need PyAV: pip install 'lightwell[video]'", name=error.name) from error

from lightwell.video.restoring import Progress, Restored, restore_still, restore_video

__all__ = ["Progress", "Restored", "restore_still", "restore_video"]
