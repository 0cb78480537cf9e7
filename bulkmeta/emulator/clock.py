"""The emulator's own time: real time plus an offset that can be set."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_RFC1123 = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")


class Clock:
    """Gives Date, Last-Modified and the time signatures are held against."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Read real time from `now`."""
        self._now = now
        self.offset_s = 0.0

    def time(self) -> float:
        """Seconds since the epoch as the emulator sees them."""
        return self._now() + self.offset_s


@lru_cache(maxsize=4096)
def http_date(epoch_s: int) -> str:
    """`Sun, 22 Nov 2026 12:00:00 GMT`."""
    return formatdate(epoch_s, usegmt=True)


@lru_cache(maxsize=4096)
def iso_date(epoch_s: int) -> str:
    """`2026-11-22T12:00:00.000Z`, as listings and copy results give it."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def parse_http_date(text: str) -> float | None:
    """Epoch seconds of an RFC 1123 date, or None when it is not one."""
    if _RFC1123.fullmatch(text) is None:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def parse_basic_date(text: str) -> float | None:
    """Epoch seconds of `20261122T120000Z`, or None when it is not one."""
    try:
        parsed = datetime.strptime(text, "%Y%m%dT%H%M%SZ")  # noqa: DTZ007 - Z is UTC
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC).timestamp()
