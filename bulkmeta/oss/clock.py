"""The service's time: this machine's clock, corrected once the service objects to it.

OSS refuses requests that are more than 15 minutes off (RequestTimeTooSkewed); its
reply's `Date` tells how far.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bulkmeta.model.metadata import parse_http_date

_WORTH_CORRECTING = timedelta(minutes=1)
_BELIEVABLE = timedelta(days=36525)  # a machine without a clock begins in 1970


class ServiceClock:
    """Now, as the service sees it."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self.offset = timedelta()
        self._second = 0
        self._now = datetime.fromtimestamp(0, UTC)

    def now(self) -> datetime:
        """The present second; one and the same object as long as that lasts."""
        second = int(self._now_s())
        if second != self._second:
            self._second = second
            self._now = datetime.fromtimestamp(second, UTC) + self.offset
        return self._now

    def correct(self, service_date: str | None, *, signed_with: timedelta) -> bool:
        """Take the service's time over; False if that would not help a refused request.

        `signed_with` is the offset the refused request was signed with: many requests
        may be refused at once, and only the first of them has to correct the clock.
        """
        if self.offset != signed_with:
            return True
        try:
            wanted = parse_http_date(service_date or "")
        except ValueError:
            return False
        offset = wanted - datetime.fromtimestamp(self._now_s(), UTC)
        if abs(offset - signed_with) < _WORTH_CORRECTING or abs(offset) > _BELIEVABLE:
            return False
        self.offset = offset
        self._second = 0
        return True
