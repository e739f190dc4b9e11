"""The earlier name of `lightwell.pictures`."""

from __future__ import annotations

from lightwell.pictures import FORMATS, MAX_PIXELS, Format, Picture, format_of_name, read

__all__ = ["FORMATS", "MAX_PIXELS", "Format", "Picture", "format_of_name", "read"]
