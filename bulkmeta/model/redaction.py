"""Leaving out of somebody else's words what opens doors. Pure."""

from __future__ import annotations

import re
from typing import Final

_LEFT_OUT: Final = "…"

_USER: Final = re.compile(r"(?<=://)[^\s/?#'\"]+@")
"""Name and password in front of a host."""

_PARAMETER: Final = re.compile(
    r"""(?ix) (?:(?<![a-z0-9])|(?<=%[0-9a-f]{2})) ((?:[a-z]+-){0,2}
    (?:signature|security[-_]?token|credential|[a-z]*access[-_]?key[-_]?(?:id|secret))
    (?:=|%3D)) [^\s&'"<>\\]+"""
)
"""What signs a URL, for OSS and for services like it."""


def without_secrets(text: str) -> str:
    """The text, such as that of an error, with URLs that nobody can use: without their
    user, their signature, and what is told with it."""
    return _PARAMETER.sub(rf"\1{_LEFT_OUT}", _USER.sub(f"{_LEFT_OUT}@", text))
