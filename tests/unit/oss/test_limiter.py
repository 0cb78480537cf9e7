"""The cap on requests, in virtual time."""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkmeta.oss.limiter import BURST_S, RateLimiter

if TYPE_CHECKING:
    from tests.unit.conftest import VirtualTime

EPSILON_S = 1e-6


class Timeline:
    """A clock that jumps to the next one who wakes when nobody else can run."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._wakes: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._wakes, (self.now + seconds, self._count, future))
        await future

    async def run(self, group_done: asyncio.Future[None]) -> None:
        while not group_done.done():
            for _ in range(4):
                await asyncio.sleep(0)
            if self._wakes:
                at_s, _, future = heapq.heappop(self._wakes)
                self.now = max(self.now, at_s)
                if not future.done():
                    future.set_result(None)


async def passages(rate: float, arrivals: list[float]) -> list[float]:
    """When each of several tasks gets through, if they come at `arrivals`."""
    timeline = Timeline()
    limiter = RateLimiter(rate, now_s=lambda: timeline.now, sleep=timeline.sleep)
    passed: list[float] = []

    async def pass_through(delay_s: float) -> None:
        await timeline.sleep(delay_s)
        await limiter.acquire()
        passed.append(timeline.now)

    done = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        group.create_task(timeline.run(done))
        async with asyncio.TaskGroup() as inner:
            for delay_s in arrivals:
                inner.create_task(pass_through(delay_s))
        done.set_result(None)
    return sorted(passed)


@settings(max_examples=40)
@given(
    st.floats(0.5, 5000.0),
    st.lists(st.floats(0.0, 2.0), min_size=1, max_size=30),
)
def test_never_more_than_the_rate(rate: float, arrivals: list[float]) -> None:
    """In any window of t seconds at most rate * t + burst requests get through."""
    passed = asyncio.run(passages(rate, arrivals))
    burst = rate * BURST_S + 1
    too_many = [
        (start, end)
        for start in range(len(passed))
        for end in range(start, len(passed))
        if end - start + 1 > rate * (passed[end] - passed[start] + EPSILON_S) + burst
    ]
    assert (len(passed), too_many) == (len(arrivals), [])


async def test_steady_pace(virtual_time: VirtualTime) -> None:
    """One after the other, requests come at even intervals once the burst is used."""
    limiter = RateLimiter(10.0, now_s=virtual_time.now_s, sleep=virtual_time.sleep)
    for _ in range(22):
        await limiter.acquire()
    assert virtual_time.now == pytest.approx(1_000_002.0)


async def test_no_cap(virtual_time: VirtualTime) -> None:
    """Without a rate nobody waits."""
    limiter = RateLimiter(None, now_s=virtual_time.now_s, sleep=virtual_time.sleep)
    for _ in range(1000):
        await limiter.acquire()
    assert virtual_time.slept == []


async def test_unused_time_is_not_saved_up(virtual_time: VirtualTime) -> None:
    """After a long pause only the burst may be caught up."""
    limiter = RateLimiter(10.0, now_s=virtual_time.now_s, sleep=virtual_time.sleep)
    await limiter.acquire()
    virtual_time.now += 3600.0
    for _ in range(4):
        await limiter.acquire()
    assert sum(virtual_time.slept) == pytest.approx(0.2)


async def test_one_cancelled_leaves_only_its_own_slot(
    virtual_time: VirtualTime,
) -> None:
    """A task cancelled while it waits delays nobody further, and lets nobody early."""
    reached = asyncio.Event()

    async def sleep(seconds: float) -> None:
        reached.set()
        await asyncio.Event().wait()

    waits: list[float] = []
    limiter = RateLimiter(1.0, now_s=virtual_time.now_s, sleep=sleep)
    await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await reached.wait()
    waiting.cancel()
    await asyncio.wait([waiting])

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    limiter._sleep = note
    await limiter.acquire()
    assert waiting.cancelled() is True
    assert waits == pytest.approx([1.9])
