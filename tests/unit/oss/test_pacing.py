"""The adaptive rate: its rules one by one, then whole runs on a simulated service.

The service is a quota with as much burst as a tenth of a second brings, or a server
with a capacity; time is virtual and chance is seeded.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.oss.limiter import RateLimiter
from bulkmeta.oss.pacing import (
    LEAST_RATE,
    RETRY_RESERVE,
    START_RATE,
    AdaptiveRate,
)
from tests.unit.conftest import VirtualLoop

LATENCY_S: Final = 0.02


def middle(low: float, high: float) -> float:
    """No jitter."""
    return (low + high) / 2


class Answers:
    """A run that uses all it is allowed: answers come in at the rate."""

    def __init__(self, cap: float | None = None) -> None:
        self.now_s = 1000.0
        self.pace = AdaptiveRate(self.now_s, cap, jitter=middle)

    def come(self, status: int, seconds: float, *, wanted: bool = True) -> float:
        """The same answer for so long; the rate after it."""
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s += 1.0 / self.pace.rate
            self.pace.wanted = wanted
            self.pace.answered(self.now_s, self.now_s - LATENCY_S, status)
        return self.pace.rate

    def refuse(self) -> float:
        """Refusals until they are more than noise."""
        rate = self.pace.rate
        while self.pace.rate == rate:
            self.come(503, 0.5 / rate)
        return self.pace.rate

    def settle(self) -> float:
        """Refusals, and good answers until the rate would rise again."""
        self.refuse()
        return self.come(200, LATENCY_S + 0.21)


answered = st.lists(
    st.tuples(
        st.floats(0.0, 1.0),
        st.floats(0.0, 30.0),
        st.sampled_from([200, 200, 200, 404, 429, 431, 500, 503, 0]),
        st.integers(1, 100),
        st.booleans(),
    ),
    max_size=60,
)


@given(st.none() | st.floats(0.1, 1e5), answered)
def test_bounds(
    cap: float | None, answers: list[tuple[float, float, int, int, bool]]
) -> None:
    """Whatever is answered, the rate is neither above the cap nor nothing."""
    now_s = 0.0
    pace = AdaptiveRate(now_s, cap)
    most = cap or math.inf
    for elapsed_s, latency_s, status, times, wanted in answers:
        pace.wanted = wanted
        for _ in range(times):
            now_s += elapsed_s / 10
            pace.answered(now_s, now_s - latency_s, status)
            assert min(LEAST_RATE, most) <= pace.rate <= most


@given(answered)
def test_recovery(answers: list[tuple[float, float, int, int, bool]]) -> None:
    """Whatever was before: once the service is well, so is the run soon."""
    run = Answers(cap=300.0)
    for _, latency_s, status, times, _ in answers:
        for _ in range(times):
            run.now_s += 0.01
            run.pace.answered(run.now_s, run.now_s - latency_s, status)

    assert run.come(200, 20.0) == 300.0


def test_slow_start() -> None:
    """A well service sees 10,000 requests per second in two seconds, not at once."""
    run = Answers()
    rates = [START_RATE, run.come(200, 0.2), run.come(200, 1.8)]

    assert (rates[1] <= 2 * START_RATE, rates[2] > 10_000) == (True, True)


def test_what_is_not_used_does_not_rise() -> None:
    """A rate at which nobody waits is high enough."""
    assert Answers().come(200, 5.0, wanted=False) == START_RATE


def test_the_cap_is_kept() -> None:
    """However well the service is."""
    assert Answers(cap=300.0).come(200, 10.0) == 300.0


def test_one_decrease_per_round_trip() -> None:
    """Refusals of what was sent before the decrease are part of the same refusal."""
    run = Answers()
    run.come(200, 0.5)
    before, after = run.settle(), run.refuse()
    for _ in range(50):
        run.pace.answered(run.now_s, run.now_s - LATENCY_S, 503)

    assert after == pytest.approx(0.85 * before)
    assert run.pace.rate == after


def test_a_flood_of_refusals_goes_further() -> None:
    """Where most is still refused after the decrease, the refused share comes off."""
    run = Answers(cap=1000.0)
    run.come(200, 5.0)
    run.come(503, 1.0)

    assert run.pace.rate < 150.0


def test_few_refusals_are_noise() -> None:
    """At high rates one refusal in a thousand is not about the rate."""
    run = Answers(cap=2000.0)
    run.come(200, 3.0)
    for _ in range(20):
        run.come(503, 0.0001)
        run.come(200, 0.5)

    assert run.pace.rate == 2000.0


def test_it_rises_faster_the_longer_it_goes_well() -> None:
    """First by a few per cent per second; within ten seconds it has doubled."""
    run = Answers()
    run.come(200, 0.2)
    rates = [run.settle(), run.come(200, 1.0), run.come(200, 8.0)]

    assert (rates[1] < 1.1 * rates[0], rates[2] > 2 * rates[0]) == (True, True)


def test_a_rate_that_was_not_used_is_forgotten() -> None:
    """A decrease starts from what was really sent."""
    run = Answers()
    high = run.come(200, 1.0)
    for status in [200] * 100 + [503] * 6:
        run.now_s += 0.01
        run.pace.answered(run.now_s, run.now_s - LATENCY_S, status)

    assert (high > 5000.0, run.pace.rate < 100.0) == (True, True)


def test_failures_are_paid_for_from_the_budget() -> None:
    """A few failures slow nothing down; nor do some among many good answers."""
    run = Answers(cap=500.0)
    run.come(200, 2.0)
    for status in [500] * int(RETRY_RESERVE) + ([200] * 9 + [0]) * 1000:
        run.now_s += 0.002
        run.pace.answered(run.now_s, run.now_s, status)

    assert run.pace.rate == 500.0


def test_a_service_that_fails_is_left_in_peace() -> None:
    """If every second request fails, retries do not add to its load."""
    run = Answers(cap=500.0)
    run.come(200, 2.0)
    rates: list[float] = []
    for _ in range(2000):
        run.now_s += 1.0 / run.pace.rate
        run.pace.wanted = True
        status = 500 if len(rates) % 2 else 200
        run.pace.answered(run.now_s, run.now_s, status)
        rates.append(run.pace.rate)

    assert max(rates[1000:]) < 100.0
    assert run.come(200, 10.0) == 500.0


@dataclass(slots=True)
class Seen:
    """One request, as the service saw it."""

    at_s: float
    sender: int
    latency_s: float
    accepted: bool


class Service:
    """`quota` requests per second (None: any number), or a line before a server that
    handles `capacity`."""

    def __init__(self, quota: float | None, capacity: float = math.inf) -> None:
        self.quota = quota
        self.seen: list[Seen] = []
        self._handling_s = 1.0 / capacity
        self._due_s = 0.0
        self._free_s = 0.0
        self._chance = random.Random(7)  # noqa: S311

    async def answer(self, sender: int) -> int:
        """The status, after the time it takes."""
        sent_s = _now_s()
        await asyncio.sleep(LATENCY_S * self._chance.uniform(0.4, 0.6))
        accepted = self._admits(_now_s())
        seen = Seen(_now_s(), sender, 0.0, accepted)
        self.seen.append(seen)
        await asyncio.sleep(self._line_s() + LATENCY_S * self._chance.uniform(0.4, 0.6))
        seen.latency_s = _now_s() - sent_s
        return 200 if accepted else 503

    def _admits(self, now_s: float) -> bool:
        due_s = max(self._due_s, now_s)
        if self.quota is None or due_s - now_s > 0.1:
            return self.quota is None
        self._due_s = due_s + 1.0 / self.quota
        return True

    def _line_s(self) -> float:
        now_s = _now_s()
        self._free_s = max(self._free_s, now_s) + self._handling_s
        return self._free_s - now_s

    def between(self, start_s: float, end_s: float, sender: int = 0) -> list[Seen]:
        """What one sender sent in that time."""
        return [
            seen
            for seen in self.seen
            if start_s <= seen.at_s < end_s and seen.sender == sender
        ]


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def run_from(
    start_s: float, service: Service, sender: int, until_s: float
) -> None:
    """64 workers that send as fast as their limiter lets them."""
    await asyncio.sleep(start_s)
    chance = random.Random(sender)  # noqa: S311
    limiter = RateLimiter(None, now_s=_now_s, jitter=chance.uniform)

    async def work() -> None:
        refusals = 0
        while _now_s() < until_s:
            sent_s = await limiter.acquire()
            status = await service.answer(sender)
            limiter.done("HeadObject", sent_s, status)
            refusals = refusals + 1 if status == 503 else 0
            if refusals:
                span_s = min(20.0, 0.1 * 2.0**refusals)
                await asyncio.sleep(chance.uniform(0.0, span_s))

    async with asyncio.TaskGroup() as group:
        for _ in range(64):
            group.create_task(work())


FOREGROUND: Final = 99


async def ask_now_and_then(service: Service, until_s: float) -> None:
    """Somebody else's production: ten requests per second, at random."""
    chance = random.Random(99)  # noqa: S311
    while _now_s() < until_s:
        await asyncio.sleep(chance.expovariate(10.0))
        await service.answer(FOREGROUND)


def simulate(
    service: Service,
    seconds: float,
    starts: Sequence[float] = (0.0,),
    changes: Sequence[tuple[float, Callable[[], None]]] = (),
) -> Service:
    """Runs on one service, each from its start on, and a foreground client."""

    async def change(at_s: float, call: Callable[[], None]) -> None:
        await asyncio.sleep(at_s)
        call()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for at_s, call in changes:
                group.create_task(change(at_s, call))
            for sender, start_s in enumerate(starts):
                group.create_task(run_from(start_s, service, sender, seconds))
            group.create_task(ask_now_and_then(service, seconds))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    return service


def refused_share(seen: list[Seen]) -> float:
    return sum(not one.accepted for one in seen) / len(seen)


def accepted_rate(seen: list[Seen], seconds: float) -> float:
    return sum(one.accepted for one in seen) / seconds


@pytest.mark.no_cover
@pytest.mark.parametrize("quota", [300.0, 600.0])
def test_the_quota_is_found_and_followed(quota: float) -> None:
    """Within ten seconds of the start, of a doubling and of a halving: at least 90 %
    of the quota is used (a foreground client has its part), under 2 % refused."""
    service = Service(quota)

    def doubled() -> None:
        service.quota = 2 * quota

    def halved() -> None:
        service.quota = quota

    simulate(service, 54.0, changes=[(18.0, doubled), (36.0, halved)])
    found = []
    for settled_s, present in ((10.0, quota), (28.0, 2 * quota), (46.0, quota)):
        seen = service.between(settled_s, settled_s + 8.0)
        share = (accepted_rate(seen, 8.0) + 10.0) / present
        found.append((0.9 < share < 1.02, refused_share(seen) < 0.02))
    assert found == [(True, True)] * 3


@pytest.mark.no_cover
def test_two_runs_share_a_quota() -> None:
    """A second run gets its part of what the first one had, 60:40 or better."""
    service = simulate(Service(600.0), 60.0, starts=[0.0, 10.0])
    first, second = (service.between(35.0, 60.0, sender) for sender in (0, 1))
    shares = Counter(one.sender for one in first + second if one.accepted)
    assert min(shares.values()) / shares.total() > 0.4
    assert accepted_rate(first + second, 25.0) > 0.9 * 600.0
    assert refused_share(first + second) < 0.02


@pytest.mark.no_cover
def test_a_foreground_client_is_hardly_refused() -> None:
    """A run at the quota leaves room for others."""
    service = simulate(Service(600.0), 60.0)
    assert refused_share(service.between(10.0, 60.0, FOREGROUND)) < 0.02


@pytest.mark.no_cover
def test_a_foreground_client_does_not_wait_twice_as_long() -> None:
    """Where the service has no quota but a capacity, all of it is used without the
    line that 64 requests in flight would make (128 ms)."""
    service = simulate(Service(None, capacity=500.0), 40.0)
    times_s = sorted(one.latency_s for one in service.between(10.0, 40.0, FOREGROUND))
    assert times_s[len(times_s) // 2] < 2.2 * LATENCY_S
    assert accepted_rate(service.between(10.0, 40.0), 30.0) > 0.9 * 500.0


@pytest.mark.no_cover
def test_full_speed_without_limits() -> None:
    """Two seconds after the start, 64 workers send what their latency lets them."""
    service = simulate(Service(None), 4.0)
    assert accepted_rate(service.between(2.0, 4.0), 2.0) > 0.95 * 64 / LATENCY_S


@pytest.mark.no_cover
def test_an_outage_is_over_soon_after_its_end() -> None:
    """While all is refused hardly anything is sent; then the quota is found again."""
    service = Service(300.0)

    def down() -> None:
        service.quota = 1e-9

    def up() -> None:
        service.quota, service._due_s = 300.0, 0.0

    simulate(service, 45.0, changes=[(10.0, down), (20.0, up)])
    assert len(service.between(15.0, 20.0)) < 60
    assert accepted_rate(service.between(32.0, 45.0), 13.0) > 0.9 * 300.0
