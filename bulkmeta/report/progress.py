"""A plain progress line on stderr, now and then, for terminals and log files alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bulkmeta.report.stats import RunStats

INTERVAL_S: Final = 5.0


async def report_progress(
    stats: RunStats,
    write: Callable[[str], object],
    *,
    interval_s: float = INTERVAL_S,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Write one line every `interval_s`, until cancelled."""
    then_s, then_objects = now_s(), 0
    while True:
        await sleep(interval_s)
        at_s, objects = now_s(), stats.objects
        rate = (objects - then_objects) / max(at_s - then_s, 1e-9)
        write(f"{objects:,} objects, {rate:,.0f}/s: {stats.line()}")
        then_s, then_objects = at_s, objects
