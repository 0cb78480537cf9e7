"""The name that was probably meant, however badly it was typed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

_ALIKE: Final = 0.6
_SAME_START: Final = 0.75


def nearest(typed: str, known: Iterable[str]) -> str | None:
    """The known name most like `typed`, or the longest one that it starts like."""
    names = list(known)
    best = max(names, key=lambda name: _likeness(typed, name), default=None)
    if best is None or _likeness(typed, best) >= _ALIKE:
        return best
    starts = [
        name for name in names if _likeness(typed[: len(name)], name) >= _SAME_START
    ]
    return max(starts, key=len, default=best)


def _likeness(typed: str, name: str) -> float:
    return SequenceMatcher(None, typed, name).ratio()
