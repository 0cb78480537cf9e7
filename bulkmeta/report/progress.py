"""How a run goes, for people: in lines now and then, or on one screen that changes.

What is shown is decided here, without a clock or a terminal; `report.live` draws it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from bulkmeta.model.quantity import counted
from bulkmeta.report.text import plain, printable

if TYPE_CHECKING:
    from bulkmeta.oss.pace import PaceNow
    from bulkmeta.report.stats import RunStats

INTERVAL_S: Final = 5.0
RATE_OVER_S: Final = 15.0
"""The rate shown is that of so many seconds."""


@dataclass(slots=True)
class RunState:
    """A run under way. `total` is the number of its objects, where it is known;
    `requests` are those sent so far, by operation."""

    stats: RunStats
    pace: Callable[[], PaceNow]
    total: int | None = None
    requests: Mapping[str, int] = field(default_factory=dict)


class Watcher(Protocol):
    """Shows a run to people, as long as it lasts."""

    @property
    def say(self) -> Callable[[str], object]: ...

    def watch(self, state: RunState) -> AbstractAsyncContextManager[object]: ...


@dataclass(slots=True)
class Speed:
    """How many objects a second of late come to their end."""

    _points: deque[tuple[float, int]] = field(default_factory=deque)

    def at(self, now_s: float, objects: int) -> float:
        """The rate up to now; 0 at first."""
        points = self._points
        points.append((now_s, objects))
        while len(points) > 2 and now_s - points[1][0] >= RATE_OVER_S:
            points.popleft()
        then_s, before = points[0]
        return (objects - before) / (now_s - then_s) if now_s > then_s else 0.0


def headline(state: RunState, rate: float) -> str:
    """How far the run is, how fast, and how long it will take, where that is known."""
    done, total = state.stats.objects, state.total
    if not total:
        return f"{counted(done)}, {rate:,.0f}/s"
    words = f"{done:,} of {counted(total)} ({done / total:.0%}), {rate:,.0f}/s"
    left = max(total - done, 0)
    return f"{words}, {duration(left / rate)} left" if rate and left else words


def pace_line(pace: PaceNow) -> str:
    """What the service lets through, on one line."""
    return "; ".join(pace_lines(pace))


def pace_lines(pace: PaceNow) -> list[str]:
    """The same, of which each fits in a terminal: what is under way, and whether that
    is less than was allowed."""
    lines = [
        f"{counted(pace.in_flight, 'request')} under way, at most {pace.rate:,.0f}/s"
    ]
    if pace.throttled:
        answers = counted(pace.throttled, "answer")
        lines.append(f"slowed down by the service ({answers})")
    return lines


def error_lines(state: RunState) -> list[str]:
    """The latest failures, a line each."""
    return [
        f"{printable(failure.key)}: {failure.reason}"
        f"{f': {plain(failure.message)}' if failure.message else ''}"
        for failure in state.stats.failures
    ]


def duration(seconds: float) -> str:
    """A time span, as `1:02:03` or `2:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass(frozen=True, slots=True)
class PlainWatcher:
    """Writes a line now and then, for log files and whoever reads them."""

    say: Callable[[str], object]

    @asynccontextmanager
    async def watch(self, state: RunState) -> AsyncIterator[None]:
        """Write, as long as the body lasts."""
        task = asyncio.create_task(report_progress(state, self.say))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def report_progress(
    state: RunState,
    write: Callable[[str], object],
    *,
    interval_s: float = INTERVAL_S,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Write one line every `interval_s`, until cancelled."""
    then_s, before, throttled = now_s(), state.stats.before, 0
    while True:
        await sleep(interval_s)
        at_s, objects = now_s(), state.stats.objects
        rate = (objects - before) / max(at_s - then_s, 1e-9)
        then_s, before = at_s, objects
        line = f"{headline(state, rate)}: {state.stats.line()}"
        pace = state.pace()
        if pace.throttled > throttled:
            line += f"; {pace_line(pace)}"
        throttled = pace.throttled
        write(line)
