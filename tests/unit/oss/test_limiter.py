"""When requests leave: never faster than the cap, evenly, in virtual time."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkmeta.oss.limiter import BURST_S, RateLimiter
from bulkmeta.oss.pacing import LEAST_RATE, START_RATE
from bulkmeta.oss.sharing import FollowedPace
from tests.unit.conftest import VirtualLoop

if TYPE_CHECKING:
    from bulkmeta.oss.pace import Pace

T = TypeVar("T")
EPSILON_S = 1e-6
HEAD = "HeadObject"


def virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What `main` gives, run in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def new_limiter(rate: float | None, pace: Pace | None = None) -> RateLimiter:
    """A limiter on the loop's time."""
    clock, jitter = asyncio.get_running_loop().time, random.Random(1).uniform  # noqa: S311
    return RateLimiter(rate, pace=pace, now_s=clock, jitter=jitter)


def one_at_a_time() -> FollowedPace:
    """A pace at which requests wait for each other's end."""
    pace = FollowedPace()
    pace.rate, pace.limit = 1e6, 1.0
    return pace


async def ask(limiter: RateLimiter, status: int = 200, latency_s: float = 0.0) -> float:
    """Send one request; when it left."""
    sent_s = await limiter.acquire()
    await asyncio.sleep(latency_s)
    limiter.done(HEAD, sent_s, status)
    return sent_s


async def each(count: int, task: Callable[[int], Awaitable[object]]) -> None:
    """Do so many things at a time."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(_one(task, number))


async def _one(task: Callable[[int], Awaitable[object]], number: int) -> None:
    await task(number)


@settings(max_examples=40)
@given(
    st.floats(0.5, 5000.0),
    st.lists(
        st.tuples(st.floats(0.0, 2.0), st.sampled_from([200, 200, 404, 500, 503, 0])),
        min_size=1,
        max_size=40,
    ),
)
def test_never_more_than_the_rate(
    rate: float, requests: list[tuple[float, int]]
) -> None:
    """In any window of t seconds at most rate * t + burst requests get through,
    whatever is answered; a turn may come a thousandth of a request early."""
    passed: list[float] = []

    async def main() -> None:
        limiter = new_limiter(rate)

        async def pass_through(number: int) -> None:
            delay_s, status = requests[number]
            await asyncio.sleep(delay_s)
            passed.append(await ask(limiter, status, 0.01))

        await each(len(requests), pass_through)

    virtually(main)
    passed.sort()
    burst = rate * BURST_S + 1 + 1e-3
    too_many = [
        (start, end)
        for start in range(len(passed))
        for end in range(start, len(passed))
        if end - start + 1 > rate * (passed[end] - passed[start] + EPSILON_S) + burst
    ]
    assert (len(passed), too_many) == (len(requests), [])


def test_steady_pace() -> None:
    """Requests that wait together are let out one by one, at even intervals."""

    async def main() -> list[float]:
        limiter = new_limiter(100.0)
        left: list[float] = []

        async def note(_: int) -> None:
            left.append(await ask(limiter))

        await each(50, note)
        return left

    left = virtually(main)
    gaps = [later - earlier for earlier, later in pairwise(left)]
    assert gaps == pytest.approx([0.01] * 49, abs=1e-4)


def test_free_requests_do_not_wait() -> None:
    """Below the rate nobody sleeps, with a cap or without."""

    async def main() -> float:
        clock = asyncio.get_running_loop().time
        for limiter in (new_limiter(None), new_limiter(2000.0)):
            for _ in range(10):
                await ask(limiter)
                await asyncio.sleep(1 / START_RATE)
        return clock()

    assert virtually(main) == pytest.approx(20 / START_RATE)


def test_unused_time_is_not_saved_up() -> None:
    """After a long pause only the burst may be caught up."""

    async def main() -> float:
        limiter = new_limiter(100.0)
        await ask(limiter)
        await asyncio.sleep(3600.0)
        started_s = asyncio.get_running_loop().time()
        for _ in range(106):
            last_s = await ask(limiter)
        return last_s - started_s

    assert virtually(main) == pytest.approx(1.0, abs=1e-4)


def test_one_cancelled_leaves_only_its_own_slot() -> None:
    """A task cancelled while it waits delays nobody further, and lets nobody early."""

    async def main() -> tuple[bool, float, int]:
        limiter = new_limiter(1.0)
        await ask(limiter)
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.wait([waiting])
        sent_s = await limiter.acquire()
        return waiting.cancelled(), sent_s, limiter.in_flight

    is_cancelled, sent_s, in_flight = virtually(main)
    assert (is_cancelled, in_flight) == (True, 1)
    assert sent_s == pytest.approx(2.0, abs=2e-3)


def test_a_faster_rate_reaches_those_who_wait() -> None:
    """Who began to wait at the bottom leaves soon after the service is back."""

    async def main() -> tuple[float, float]:
        limiter = new_limiter(None)
        clock = asyncio.get_running_loop().time
        while limiter.seen().rate > LEAST_RATE:
            await ask(limiter, 503, 0.001)
        started_s = clock()
        await each(500, lambda _: ask(limiter))
        return clock() - started_s, limiter.seen().rate

    took_s, rate = virtually(main)
    assert (took_s < 500 / LEAST_RATE / 5, rate > START_RATE) == (True, True)


def test_counts() -> None:
    """The pace, those in flight and what the service refused can be looked at."""

    async def main() -> tuple[float, int, int, int]:
        limiter = new_limiter(50.0)
        sent_s = await limiter.acquire()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        in_flight = limiter.in_flight
        await waiting
        for status in (429, 503):
            limiter.done(HEAD, sent_s, status)
        return (
            limiter.seen().rate,
            in_flight,
            limiter.in_flight,
            limiter.seen().throttled,
        )

    rate, *counts = virtually(main)
    assert (rate < 50.0, counts) == (True, [1, 0, 2])


async def _full(limiter: RateLimiter) -> list[asyncio.Task[float]]:
    """One in flight, as many as may be, and three that wait for its end."""
    await limiter.acquire()
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    return waiting


def test_one_ends_another_begins() -> None:
    """No more are in flight than allowed; places are handed on in order."""

    async def main() -> list[tuple[bool, ...]]:
        limiter = new_limiter(None, one_at_a_time())
        waiting = await _full(limiter)
        seen = []
        for _ in range(4):
            seen.append(tuple(task.done() for task in waiting))
            limiter.done(HEAD, 0.0, 200)
            await asyncio.sleep(0.1)
        return seen

    no, yes = False, True
    assert virtually(main) == [
        (no, no, no),
        (yes, no, no),
        (yes, yes, no),
        (yes, yes, yes),
    ]


@pytest.mark.parametrize("given_first", [False, True])
def test_a_place_is_not_lost_with_who_is_cancelled(given_first: bool) -> None:
    """Cancelled while it waits, or just as it got its place: the next one gets it."""

    async def main() -> tuple[list[bool], int]:
        limiter = new_limiter(None, one_at_a_time())
        waiting = await _full(limiter)
        if given_first:
            limiter.done(HEAD, 0.0, 200)
            waiting[0].cancel()
        else:
            waiting[0].cancel()
            limiter.done(HEAD, 0.0, 200)
        await asyncio.wait(waiting[:2], timeout=1.0)
        found = [task.done() and not task.cancelled() for task in waiting]
        waiting[2].cancel()
        await asyncio.wait(waiting)
        return found, limiter.in_flight

    assert virtually(main) == ([False, True, False], 1)


def test_slowing_down_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Each time to whoever wants all of it, and once a minute to others."""
    caplog.set_level(logging.DEBUG, "bulkmeta.oss.pace")

    async def main() -> None:
        limiter = new_limiter(None)
        for _ in range(2):
            for _ in range(3):
                await each(100, lambda _: ask(limiter))
                await ask(limiter, 503)
            await asyncio.sleep(60.0)

    virtually(main)
    levels = [record.levelname for record in caplog.records]
    assert levels == ["INFO", "DEBUG", "DEBUG"] * 2
    first: Any = caplog.records[0]
    assert (first.fields["throttled"], first.fields["rate"] > 0) == (1, True)
