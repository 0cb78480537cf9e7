"""A state to be changed."""

from __future__ import annotations

from bulkmeta.model.metadata import STANDARD_HEADERS, Metadata

NAMES = ("a", "b", "c", "d")
HEADERS = tuple(sorted(STANDARD_HEADERS))


def current(**meta: str) -> Metadata:
    return Metadata(meta, {"content-type": "text/plain", "expires": "never"})
