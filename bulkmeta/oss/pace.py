"""How fast requests may leave, and how many at once: what limiters keep to."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from bulkmeta.oss.concurrency import AdaptiveConcurrency
from bulkmeta.oss.pacing import AdaptiveRate

_LOG: Final = logging.getLogger(__name__)
_TELL_EVERY_S: Final = 60.0


class PaceNow(NamedTuple):
    """Requests under way, how many a second may leave at present, and how many answers
    so far asked for fewer."""

    in_flight: int
    rate: float
    throttled: int


class Pace(Protocol):
    """At most `rate` requests a second, and `limit` of them under way.

    It is told when a request has to wait for its turn, or for another's end: what is
    not used up is not raised either.
    """

    rate: float
    limit: float

    def want_turn(self) -> None:
        """A request waits, since the rate allows none."""

    def want_place(self) -> None:
        """A request waits, since too many are under way."""

    def answered(
        self, now_s: float, sent_s: float, operation: str, status: int, in_flight: int
    ) -> None:
        """Take note of an answer's status (0: none came); so many other requests were
        under way."""

    def seen(self, in_flight: int) -> PaceNow:
        """What is let through at present, with so many requests under way."""


class OwnPace:
    """The pace that follows from the answers to one's own requests; never more than
    `cap` a second."""

    def __init__(
        self,
        now_s: float,
        cap: float | None,
        *,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._rate = AdaptiveRate(now_s, cap, jitter=jitter)
        self._concurrency = AdaptiveConcurrency()
        self._told_s = -math.inf
        self._throttled = 0
        self.rate = self._rate.rate
        self.limit = self._concurrency.limit

    def want_turn(self) -> None:
        self._rate.wanted = True

    def want_place(self) -> None:
        self._concurrency.wanted = True

    def answered(
        self, now_s: float, sent_s: float, operation: str, status: int, in_flight: int
    ) -> None:
        if 200 <= status < 429:
            self._concurrency.answered(now_s, sent_s, operation, in_flight)
            self.limit = self._concurrency.limit
        before = self.rate
        self._rate.answered(now_s, sent_s, status)
        self.rate = self._rate.rate
        if status in {429, 503}:
            self._throttled += 1
            self._tell(now_s, changed=self.rate != before)

    def seen(self, in_flight: int) -> PaceNow:
        return PaceNow(in_flight, self.rate, self._throttled)

    def _tell(self, now_s: float, *, changed: bool) -> None:
        """Tell each slowing down to who wants all, and others of one a minute."""
        level = logging.DEBUG
        if now_s - self._told_s >= _TELL_EVERY_S:
            level, self._told_s = logging.INFO, now_s
        elif not changed:
            return
        fields = {"rate": round(self.rate, 1), "throttled": self._throttled}
        words = "throttled: %.0f requests/s from now on"
        _LOG.log(level, words, self.rate, extra={"fields": fields})
