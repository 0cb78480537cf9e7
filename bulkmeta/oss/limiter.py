"""When a request may leave: one by one, evenly spaced, at the pace that is set.

Keeps to what an `oss.pace` decides, and tells it of every answer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from bulkmeta.oss.pace import OwnPace, Pace, PaceNow
from bulkmeta.oss.sharing import Budget

BURST_S: Final = 0.05
"""How much unused time may be caught up at once."""

_RECONSIDER_S: Final = 0.25
"""How long a request waits at most before it asks for the rate again."""

_ROUNDING: Final = 1e-3


class RateLimiter:
    """Lets requests out, first come first served; never more than `rate` a second, and
    as few as the `pace` says, which is the limiter's own if none is given.

    Each request draws the next number, and leaves once so many are allowed. Allowed are
    more with time, as many a second as the pace says at that time. So waiting tasks
    need no queue, follow a changed rate, and one that is cancelled leaves only its own
    number unused.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        pace: Pace | None = None,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._now_s = now_s
        self._sleep = sleep
        self._since_s = now_s()
        self._pace = pace or OwnPace(self._since_s, rate, jitter=jitter)
        self._allowed = 0.0
        self._number = 0.0
        self._rate = self._pace.rate
        self._admitted = 0
        self._pending = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def in_flight(self) -> int:
        """Requests sent, and not yet answered."""
        return self._admitted - self._pending

    def seen(self) -> PaceNow:
        """What is let through at present."""
        return self._pace.seen(self.in_flight)

    async def acquire(self) -> float:
        """Wait until a request may leave, and give the time when it does: now.

        `done` has to follow, whatever comes of the request.
        """
        if self._queue or self._admitted >= self._pace.limit:
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
        in_flight = self._admitted - self._pending
        self._pace.answered(now_s, sent_s, operation, status, in_flight)
        if self._pace.rate != self._rate:
            self._keep_pace(now_s)
        if self._queue:
            self._admit()

    @contextmanager
    def shared(self) -> Iterator[Budget]:
        """The limiter's pace, to be shared with other processes as long as the body
        lasts. It keeps to a share itself."""
        whole, budget = self._pace, Budget(self._pace, now_s=self._now_s)
        self._pace = own = budget.new_share(whole.rate)
        try:
            yield budget
        finally:
            budget.leave(own)
            self._pace = whole
            self.follow()

    def follow(self) -> None:
        """The pace was changed from outside: keep to it from now on."""
        self._keep_pace(self._now_s())
        self._admit()

    def _keep_pace(self, now_s: float) -> None:
        self._allowed += self._rate * (now_s - self._since_s)
        self._since_s = now_s
        self._rate = self._pace.rate

    async def _turn(self, number: float) -> float:
        self._pending += 1
        try:
            while True:
                now_s = self._now_s()
                allowed = self._allowed + self._rate * (now_s - self._since_s)
                if number <= allowed + _ROUNDING:
                    return now_s
                self._pace.want_turn()
                await self._sleep(self._ahead_s(number - allowed))
        except BaseException:
            self._leave()
            raise
        finally:
            self._pending -= 1

    def _ahead_s(self, turns: float) -> float:
        """How long to wait before so many turns are looked at again."""
        soon = self._rate * _RECONSIDER_S
        return turns / self._rate if turns < soon else _RECONSIDER_S

    async def _admission(self) -> None:
        """Wait for a place among those in flight; whoever leaves hands its place on."""
        self._pace.want_place()
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
        while self._queue and self._admitted < self._pace.limit:
            place = self._queue.popleft()
            if not place.done():  # else cancelled, and not yet told
                place.set_result(None)
                self._admitted += 1
