"""Pictures: reading and writing files, their colours, and what they say besides the pixels."""

from __future__ import annotations

from lightwell.pictures.codecs.base import Format
from lightwell.pictures.formats import (
    FORMATS,
    MAX_PIXELS,
    WRITTEN,
    is_picture_name,
    read,
    read_named,
    result_name,
    size_of,
)
from lightwell.pictures.picture import Picture, format_of_name, to_8_bits, to_srgb

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "WRITTEN",
    "Format",
    "Picture",
    "format_of_name",
    "is_picture_name",
    "read",
    "read_named",
    "result_name",
    "size_of",
    "to_8_bits",
    "to_srgb",
]
