"""Numbers of objects, as people read them."""

from __future__ import annotations


def counted(number: int) -> str:
    """So many objects: `1 object`, `12,000 objects`."""
    return f"{number:,} object" if number == 1 else f"{number:,} objects"
