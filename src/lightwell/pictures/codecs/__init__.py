"""One module for each kind of file; imported, they are all in `lightwell.pictures.codecs.base.CODECS`."""

from __future__ import annotations
