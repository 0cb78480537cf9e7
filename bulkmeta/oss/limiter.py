"""When a request may leave: one by one, evenly spaced, at the rate that adapts.

Keeps to what `oss.pacing` and `oss.concurrency` decide, and tells them of every answer.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from bulkmeta.oss.concurrency import AdaptiveConcurrency
from bulkmeta.oss.pacing import AdaptiveRate

_LOG: Final = logging.getLogger(__name__)

BURST_S: Final = 0.05
"""How much unused time may be caught up at once."""

_TELL_EVERY_S: Final = 60.0

_RECONSIDER_S: Final = 0.25
"""How long a request waits at most before it asks for the rate again."""

_ROUNDING: Final = 1e-3


class PaceNow(NamedTuple):
    """Requests under way, how many a second may leave at present, and how many answers
    so far asked for fewer."""

    in_flight: int
    rate: float
    throttled: int


class RateLimiter:
    """Lets requests out, first come first served; never more than `rate` a second.

    Each request draws the next number, and leaves once so many are allowed. Allowed are
    more with time, as many a second as the adaptive rate says at that time. So waiting
    tasks need no queue, follow a changed rate, and one that is cancelled leaves only
    its own number unused.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._now_s = now_s
        self._sleep = sleep
        self._since_s = now_s()
        self._adaptive_rate = AdaptiveRate(self._since_s, rate, jitter=jitter)
        self._concurrency = AdaptiveConcurrency()
        self._allowed = 0.0
        self._number = 0.0
        self._rate = self._adaptive_rate.rate
        self._admitted = 0
        self._pending = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._told_s = -math.inf
        self.throttled = 0

    @property
    def rate(self) -> float:
        """Requests per second that may leave at present."""
        return self._rate

    @property
    def in_flight(self) -> int:
        """Requests sent, and not yet answered."""
        return self._admitted - self._pending

    async def acquire(self) -> float:
        """Wait until a request may leave, and give the time when it does: now.

        `done` has to follow, whatever comes of the request.
        """
        if self._queue or self._admitted >= self._concurrency.limit:
            await self._admission()
        else:
            self._admitted += 1
        now_s = self._now_s()
        allowed = self._allowed + self._rate * (now_s - self._since_s)
        number = max(self._number, allowed - BURST_S * self._rate)
        self._number = number + 1.0
        if number <= allowed:
            return now_s
        return await self._turn(number)

    def done(self, operation: str, sent_s: float, status: int) -> None:
        """Take note of the answer's status; 0: none came."""
        now_s = self._now_s()
        self._admitted -= 1
        if 200 <= status < 429:
            in_flight = self._admitted - self._pending
            self._concurrency.answered(now_s, sent_s, operation, in_flight)
        elif status in {429, 503}:
            self.throttled += 1
        self._adaptive_rate.answered(now_s, sent_s, status)
        if changed := self._adaptive_rate.rate != self._rate:
            self._allowed += self._rate * (now_s - self._since_s)
            self._since_s = now_s
            self._rate = self._adaptive_rate.rate
        if status in {429, 503}:
            self._tell(now_s, changed=changed)
        if self._queue:
            self._admit()

    def _tell(self, now_s: float, *, changed: bool) -> None:
        """Tell each slowing down to who wants all, and others of one a minute."""
        level = logging.DEBUG
        if now_s - self._told_s >= _TELL_EVERY_S:
            level, self._told_s = logging.INFO, now_s
        elif not changed:
            return
        fields = {"rate": round(self._rate, 1), "throttled": self.throttled}
        words = "throttled: %.0f requests/s from now on"
        _LOG.log(level, words, self._rate, extra={"fields": fields})

    async def _turn(self, number: float) -> float:
        self._pending += 1
        try:
            while True:
                now_s = self._now_s()
                allowed = self._allowed + self._rate * (now_s - self._since_s)
                if number <= allowed + _ROUNDING:
                    return now_s
                self._adaptive_rate.wanted = True
                ahead_s = (number - allowed) / self._rate
                await self._sleep(min(ahead_s, _RECONSIDER_S))
        except BaseException:
            self._leave()
            raise
        finally:
            self._pending -= 1

    async def _admission(self) -> None:
        """Wait for a place among those in flight; whoever leaves hands its place on."""
        self._concurrency.wanted = True
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # the place was already given
                self._leave()
            raise

    def _leave(self) -> None:
        self._admitted -= 1
        self._admit()

    def _admit(self) -> None:
        while self._queue and self._admitted < self._concurrency.limit:
            place = self._queue.popleft()
            if not place.done():  # else cancelled, and not yet told
                place.set_result(None)
                self._admitted += 1
