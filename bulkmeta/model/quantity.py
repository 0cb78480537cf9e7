"""Numbers of things, as people read them."""

from __future__ import annotations


def counted(number: int, what: str = "object") -> str:
    """So many of them: `1 object`, `12,000 objects`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
