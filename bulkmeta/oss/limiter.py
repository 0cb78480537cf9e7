"""The request rate: a cap that every request of a run passes, spaced evenly (GCRA)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

BURST_S: Final = 0.1
"""How much unused time may be caught up at once."""


class RateLimiter:
    """At most `rate` acquisitions a second, first come first served; None: no cap.

    The next free slot is moved on before anyone waits, so waiting tasks need no queue
    and one that is cancelled leaves only its own slot unused.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._interval_s = 1.0 / rate if rate else 0.0
        self._now_s = now_s
        self._sleep = sleep
        self._next_s = 0.0

    async def acquire(self) -> None:
        """Wait for the next slot."""
        if not self._interval_s:
            return
        now_s = self._now_s()
        slot_s = max(self._next_s, now_s - BURST_S)
        self._next_s = slot_s + self._interval_s
        if slot_s > now_s:
            await self._sleep(slot_s - now_s)
