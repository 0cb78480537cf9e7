"""One pace for several processes: fair, and never more than the whole."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.oss.limiter import BURST_S, RateLimiter
from bulkmeta.oss.pace import OwnPace
from bulkmeta.oss.sharing import (
    ROUND_S,
    Answer,
    Budget,
    FollowedPace,
    Share,
    fair_shares,
    moved,
)
from tests.unit.conftest import VirtualLoop

HEAD = "HeadObject"
ROUNDING = 1e-9
rates = st.floats(0.0, 20_000.0)


@given(st.floats(0.1, 20_000.0), st.lists(rates | st.just(math.inf), min_size=1))
def test_all_is_shared_out_and_fairly(total: float, demands: list[float]) -> None:
    """The shares come to the whole; who wants more has no less than another, and who
    gets less than they want has as much as anybody."""
    shares = fair_shares(total, demands)
    assert sum(shares) == pytest.approx(total)
    largest = max(shares)
    for demand, share in zip(demands, shares, strict=True):
        if share < demand - ROUNDING:
            assert share == pytest.approx(largest)


@given(st.lists(st.tuples(rates, rates), min_size=1), rates)
def test_moving_gives_out_only_what_is_free(
    shares: list[tuple[float, float]], total: float
) -> None:
    """What was lowered is not given away in the same round, since whoever had it may
    not know of it yet; nothing is moved beyond what is wanted."""
    now, wanted = [old for old, _ in shares], [new for _, new in shares]
    found = moved(now, wanted, total)
    most = sum(max(old, new) for old, new in zip(now, found, strict=True))
    assert most <= max(total, sum(now)) * (1 + ROUNDING) + ROUNDING
    for old, new, share in zip(now, wanted, found, strict=True):
        assert min(old, new) - ROUNDING <= share <= max(old, new) + ROUNDING


class Remote:
    """A process with its own limiter, which hears of its share `late_s` later."""

    def __init__(self, budget: Budget, late_s: float) -> None:
        self.share: Share = budget.new_share()
        self.sent: list[float] = []
        self._late_s = late_s
        self._pace = FollowedPace()
        clock = asyncio.get_running_loop().time
        self._limiter = RateLimiter(None, pace=self._pace, now_s=clock)

    async def work(
        self, from_s: float, until_s: float, statuses: Sequence[int]
    ) -> None:
        """Send as fast as it may, one after the other."""
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(from_s)
        while clock() < until_s:
            sent_s = await self._limiter.acquire()
            self.sent.append(sent_s)
            self._limiter.done(HEAD, sent_s, statuses[len(self.sent) % len(statuses)])

    async def exchange(self) -> None:
        """Pass on what was answered, and hear of the share."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(ROUND_S / 10)
            self.share.report(clock(), self._pace.take_answers(clock()), 1)
            self.share.turn_wanted |= self._pace.turn_wanted
            self._pace.turn_wanted = False
            rate = self.share.rate
            asyncio.get_running_loop().call_later(self._late_s, self._set, rate)

    def _set(self, rate: float) -> None:
        self._pace.rate = rate
        self._limiter.follow()


def send(
    cap: float,
    plans: Sequence[tuple[float, float, Sequence[int]]],
    seconds: float,
    late_s: float = 0.02,
) -> tuple[list[list[float]], float]:
    """When each process sent, and the rate at the end; each sends from a time until
    another, and is answered with its statuses in turn."""

    async def main() -> tuple[list[list[float]], float]:
        clock = asyncio.get_running_loop().time
        whole = OwnPace(clock(), cap, jitter=random.Random(1).uniform)  # noqa: S311
        budget = Budget(whole, now_s=clock)
        remotes = [Remote(budget, late_s) for _ in plans]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(remote.exchange()) for remote in remotes]
            for remote, plan in zip(remotes, plans, strict=True):
                tasks.append(group.create_task(remote.work(*plan)))
            for _ in range(round(seconds / ROUND_S)):
                await asyncio.sleep(ROUND_S)
                budget.divide()
            for task in tasks:
                task.cancel()
        return [remote.sent for remote in remotes], whole.rate

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def busiest_second(sent: list[float]) -> int:
    """The most requests of any second."""
    times = sorted(sent)
    first = most = 0
    for last, at_s in enumerate(times):
        while times[first] <= at_s - 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_never_above_the_rate_while_shares_move() -> None:
    """One after the other has all the work: together they never send more than 5 %
    above the rate in any second, and nine tenths of it are used."""
    plans = [(0.0, 4.0, [200]), (2.0, 6.0, [200]), (5.0, 9.0, [200])]
    sent, _ = send(500.0, plans, 9.0)
    everything = [at_s for times in sent for at_s in times]
    assert busiest_second(everything) <= 500.0 * (1.0 + BURST_S) + len(plans)
    steady = [at_s for at_s in everything if 3.0 <= at_s < 8.0]
    assert len(steady) >= 0.9 * 500 * 5


def test_who_waits_gets_what_others_leave() -> None:
    """An idle process keeps little from a busy one."""
    sent, _ = send(500.0, [(0.0, 6.0, [200]), (9.0, 9.0, [200])], 6.0)
    assert len([at_s for at_s in sent[0] if at_s >= 3.0]) >= 0.93 * 500 * 3


def test_two_busy_ones_have_equal_shares() -> None:
    """Both wait all the time: both get half."""
    sent, _ = send(500.0, [(0.0, 6.0, [200]), (1.0, 6.0, [200])], 6.0)
    late = [len([at_s for at_s in times if at_s >= 3.0]) for times in sent]
    assert late[0] == pytest.approx(late[1], rel=0.05)


def test_refusals_anywhere_slow_all_down() -> None:
    """The service refuses what one process asks: the rate of all goes down."""
    refused = [200] * 5 + [503]
    _, rate = send(500.0, [(0.0, 4.0, [200]), (0.0, 4.0, refused)], 4.0)
    assert rate < 250.0


def test_a_share_that_is_left_is_free() -> None:
    """Who leaves gives back; the other's share grows to the whole."""
    budget = Budget(OwnPace(0.0, 100.0), now_s=iter(range(100)).__next__)
    one, other = budget.new_share(50.0), budget.new_share(50.0)
    budget.leave(other)
    budget.divide()
    budget.divide()
    assert one.rate == pytest.approx(100.0)


def test_places_are_shared_like_the_rate() -> None:
    """Where fewer requests may be under way, each process has its part of them, and
    one at least."""
    whole = OwnPace(0.0, 100.0)
    budget = Budget(whole, now_s=iter(range(100)).__next__)
    shares = [budget.new_share(50.0), budget.new_share(49.0), budget.new_share(1.0)]
    whole.limit = 10.0
    shares[0].turn_wanted = shares[1].turn_wanted = True
    budget.divide()
    assert [share.limit for share in shares] == pytest.approx([5.0, 5.0, 1.0], abs=0.2)


def test_what_is_seen_is_that_of_all() -> None:
    """Requests under way are added up, and refusals counted once."""
    budget = Budget(OwnPace(0.0, 100.0), now_s=lambda: 10.0)
    one, other = budget.new_share(), budget.new_share()
    one.report(10.0, [Answer(HEAD, 503, 0.1, 0.2), Answer(HEAD, 200, 0.0, 0.1)], 3)
    other.report(10.0, [], 4)
    seen = budget.seen()
    assert (seen.in_flight, seen.throttled) == (7, 1)


def test_the_driver_keeps_to_its_share_and_gets_all_back() -> None:
    """A limiter that shares its pace is a part of it for so long."""

    async def main() -> list[float]:
        clock = asyncio.get_running_loop().time
        limiter = RateLimiter(100.0, now_s=clock)
        found = [limiter._rate]
        with limiter.shared() as budget:
            other = budget.new_share()
            for _ in range(3):
                other.turn_wanted = True
                await asyncio.sleep(ROUND_S)
                budget.divide()
                limiter.follow()
            found.append(limiter._rate)
        return [*found, limiter._rate]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        before, during, after = runner.run(main())
    assert (before, after) == (100.0, 100.0)
    assert during < 5.0
