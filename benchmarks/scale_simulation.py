"""A run simulated: drivers, worker processes and quotas, a batch of objects at a time.

It holds the model to account where that only compares capacities: here batches wait for
each other, ranges come to their ends and are cut again, partitions are of unequal size,
and processes die with work in hand. Time is virtual, and chance is seeded.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, count, pairwise
from typing import TYPE_CHECKING, Final

from benchmarks.scale_model import (
    DRIVER_CPU_S,
    REQUEST_CPU_S,
    ranges_limit,
    reached,
)
from bulkmeta.engine.window import WINDOW
from bulkmeta.oss.pacing import AdaptiveRate

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scale_model import Change, Service, Setup

BATCH: Final = 1000
"""Objects of a batch at least: a page of a listing."""

MOST_BATCHES: Final = 250_000
"""Batches of a simulation at most; larger ones stand for many."""

AT_ONCE: Final = 20
"""Ranges that a batch is taken from at most; the next one is taken from others."""

_BURST_S: Final = 0.1
_DUST: Final = 1e-6  # what of an object is left by rounding


class Server:
    """Does one thing after the other; so much `each` takes."""

    def __init__(self, each_s: float) -> None:
        self._each_s = each_s
        self._free_s = 0.0

    def done_at(self, now_s: float, amount: float) -> float:
        """When so much is done that comes now."""
        self._free_s = max(self._free_s, now_s) + amount * self._each_s
        return self._free_s


@dataclass(slots=True)
class Range:
    """A key range under way: what is left of it, by places in key order."""

    first: float
    end: float

    @property
    def left(self) -> float:
        return self.end - self.first


class Walk:
    """Takes objects of several key ranges in turn, which are cut badly at first. One
    that has come to its end is replaced by half of the largest one, as `sources.ranges`
    does it."""

    def __init__(self, first: float, end: float, spread: int) -> None:
        part = (end - first) / (spread * (spread + 1) / 2)
        cuts = [first + part * n * (n + 1) / 2 for n in range(spread + 1)]
        self._ranges = [Range(*each) for each in pairwise(cuts)]

    def take(self, objects: float) -> list[tuple[float, float]]:
        """So many objects: a place in each range, and how many there."""
        taken: list[tuple[float, float]] = []
        while objects > _DUST and self._ranges:
            turn, others = self._ranges[:AT_ONCE], self._ranges[AT_ONCE:]
            each = objects / len(turn)
            for listed in turn:
                got = min(each, listed.left)
                taken.append((listed.first, got))
                listed.first += got
                objects -= got
            going = [listed for listed in turn if listed.left > _DUST]
            self._ranges = others + going
            self._cut(len(turn) - len(going))
        return taken

    def _cut(self, times: int) -> None:
        """Cut the largest range in two, so many times."""
        for _ in range(times if self._ranges else 0):
            victim = max(self._ranges, key=lambda listed: listed.left)
            if victim.left >= 2.0:
                middle = (victim.first + victim.end) / 2
                self._ranges.append(Range(middle, victim.end))
                victim.end = middle


class Quotas:
    """What the service lets through: each request counts for the account, and for the
    partition that its key lies in."""

    def __init__(self, objects: int, service: Service, setup: Setup) -> None:
        self._account = Server(1 / reached(service.account, setup))
        limit = ranges_limit(service, setup)
        per_range = service.per_range * reached(limit, setup) / limit
        shares = partition_shares(service.partitions, service.largest)
        self._ends = [objects * share for share in accumulate(shares)][:-1]
        self._partitions = [Server(1 / per_range) for _ in shares]

    def done_at(
        self, now_s: float, places: Sequence[tuple[float, float]], asked: int
    ) -> float:
        """When the last of these requests, `asked` an object, may have left."""
        end_s, requests = now_s, 0.0
        for place, objects in places:
            partition = self._partitions[bisect_right(self._ends, place)]
            end_s = max(end_s, partition.done_at(now_s, objects * asked))
            requests += objects * asked
        return max(end_s, self._account.done_at(now_s, requests))

    def list(self, now_s: float, pages: float) -> None:
        """Pages of a listing count, too."""
        self._account.done_at(now_s, pages)


def partition_shares(partitions: int, largest: float) -> list[float]:
    """The shares of the keys that partitions hold: the first one the largest, the
    others alike."""
    if partitions == 1:
        return [1.0]
    return [largest] + [(1 - largest) / (partitions - 1)] * (partitions - 1)


@dataclass(slots=True)
class Batch:
    """Objects on their way: where in key order, how many, and the first of numbers."""

    places: list[tuple[float, float]]
    objects: float
    number: float


@dataclass(slots=True)
class Driver:
    """One driver: its walk, its CPU, its listing, its pace, batches that nobody has
    yet, and the numbers of slow objects under way."""

    walk: Walk
    cpu: Server
    listing: Server
    pace: Server
    ready: deque[Batch] = field(default_factory=deque)
    idle: list[Process] = field(default_factory=list)
    slow: deque[float] = field(default_factory=deque)
    numbered: float = 0.0
    making: int = 0
    listed_all: bool = False

    def may_go_on(self, objects: float) -> bool:
        """Whether there is room for a batch in hand, and in the window."""
        beyond = self.numbered - self.slow[0] if self.slow else 0.0
        return self.making + len(self.ready) < 2 and beyond + objects / 2 < WINDOW


@dataclass(eq=False, slots=True)
class Process:
    """A worker process, and when it is to die next."""

    driver: Driver
    dies_s: float


@dataclass(slots=True)
class Simulated:
    """What a simulated run took."""

    seconds: float = 0.0
    objects: float = 0.0
    requests: float = 0.0
    deaths: int = 0
    events: int = 0


class Simulation:
    """One run. Events are functions of the time that they happen at."""

    def __init__(
        self, objects: int, change: Change, service: Service, setup: Setup, seed: int
    ) -> None:
        self._asked, self._service, self._setup = change.total, service, setup
        self._size = max(BATCH, objects / MOST_BATCHES)
        self._quotas = Quotas(objects, service, setup)
        self._chance = random.Random(seed)  # noqa: S311 no secret
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self.found = Simulated()
        for first, end in shards(objects, setup):
            self._start(first, end)

    def run(self) -> Simulated:
        """Have it come to its end."""
        while self._events:
            now_s, _, happen = heapq.heappop(self._events)
            self.found.events += 1
            happen(now_s)
        return self.found

    def _start(self, first: float, end: float) -> None:
        setup = self._setup
        alone = setup.processes == 1
        driver = Driver(
            Walk(first, end, setup.spread),
            Server(0.0 if alone else DRIVER_CPU_S / 2),
            Server(self._service.page_s / setup.page_keys / setup.spread),
            Server(setup.drivers / setup.rate if setup.rate else 0.0),
        )
        driver.idle = [
            Process(driver, self._next_death(0.0)) for _ in range(setup.processes)
        ]
        for _ in range(2):  # one is taken, the next one listed ahead
            self._make(driver, 0.0)

    def _next_death(self, now_s: float) -> float:
        rate = self._setup.deaths_per_s
        return now_s + self._chance.expovariate(rate) if rate else math.inf

    def _at(self, when_s: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when_s, next(self._order), happen))

    def _make(self, driver: Driver, now_s: float) -> None:
        """List a batch and number it: it is there a little later."""
        if driver.listed_all or not driver.may_go_on(self._size):
            return
        places = driver.walk.take(self._size)
        objects = sum(each for _, each in places)
        if objects <= _DUST:
            driver.listed_all = True
            return
        driver.making += 1
        pages = objects / self._setup.page_keys
        self._quotas.list(driver.pace.done_at(now_s, pages), pages)
        self.found.requests += pages
        listed_s = driver.listing.done_at(now_s, objects)
        ready_s = max(listed_s, driver.cpu.done_at(now_s, objects))
        batch = Batch(places, objects, driver.numbered)
        driver.numbered += objects
        self._at(ready_s, lambda at_s: self._made(driver, batch, at_s))

    def _made(self, driver: Driver, batch: Batch, now_s: float) -> None:
        driver.making -= 1
        driver.ready.append(batch)
        self._hand_out(driver, now_s)

    def _hand_out(self, driver: Driver, now_s: float) -> None:
        while driver.ready and driver.idle:
            self._work(driver.idle.pop(), driver.ready.popleft(), now_s)
        self._make(driver, now_s)

    def _work(self, process: Process, batch: Batch, now_s: float) -> None:
        """A process has a batch, until that is done, or the process dies."""
        requests = batch.objects * self._asked
        self._meet_slow(process.driver, batch, now_s)
        in_flight_s = requests * self._service.latency_s / self._setup.concurrency
        end_s = max(
            now_s + requests * REQUEST_CPU_S,
            now_s + in_flight_s,
            process.driver.pace.done_at(now_s, requests),
            self._quotas.done_at(now_s, batch.places, self._asked),
        )
        if process.dies_s < end_s:
            done = (max(process.dies_s, now_s) - now_s) / (end_s - now_s)
            self._at(
                max(process.dies_s, now_s),
                lambda at_s: self._die(process, batch, done, at_s),
            )
        else:
            self.found.requests += requests
            self._at(end_s, lambda at_s: self._done(process, batch, at_s))

    def _meet_slow(self, driver: Driver, batch: Batch, now_s: float) -> None:
        """One of the objects may be slow; the others go on without it."""
        every = self._service.slow_every
        place = self._chance.expovariate(1 / every) if every < math.inf else math.inf
        if place >= batch.objects:
            return
        driver.slow.append(batch.number + place)

        def end(at_s: float) -> None:
            driver.slow.popleft()
            self.found.seconds = max(self.found.seconds, at_s)
            self._make(driver, at_s)

        self._at(now_s + self._service.slow_s, end)

    def _done(self, process: Process, batch: Batch, now_s: float) -> None:
        driver = process.driver
        self.found.objects += batch.objects
        driver.idle.append(process)
        taken_in_s = driver.cpu.done_at(now_s, batch.objects)
        self.found.seconds = max(self.found.seconds, taken_in_s)
        self._hand_out(driver, now_s)

    def _die(self, process: Process, batch: Batch, done: float, now_s: float) -> None:
        """What was done is done; what it had in hand is done again, and so is the rest
        for the first time. Its place is taken a little later."""
        driver = process.driver
        lost = min(self._setup.concurrency, batch.objects * done)
        kept = batch.objects * done - lost
        share = kept / batch.objects
        self.found.deaths += 1
        self.found.objects += kept
        self.found.requests += batch.objects * done * self._asked
        driver.cpu.done_at(now_s, kept)
        places = [(place, each * (1 - share)) for place, each in batch.places]
        driver.ready.appendleft(Batch(places, batch.objects - kept, batch.number))
        back_s = now_s + self._setup.missing_s
        other = Process(driver, self._next_death(back_s))

        def come(at_s: float) -> None:
            driver.idle.append(other)
            self._hand_out(driver, at_s)

        self._at(back_s, come)
        self._hand_out(driver, now_s)


def shards(objects: int, setup: Setup) -> list[tuple[float, float]]:
    """Where each driver's shard begins and ends in key order: the first one is the
    largest, the others alike."""
    mean = objects / setup.drivers
    first = mean * setup.uneven
    other = (objects - first) / max(setup.drivers - 1, 1)
    ends = list(accumulate([first, *[other] * (setup.drivers - 1)]))
    return list(zip([0.0, *ends], ends, strict=False))


def simulate(
    objects: int, change: Change, service: Service, setup: Setup, seed: int = 1
) -> Simulated:
    """What a run takes, by simulation."""
    return Simulation(objects, change, service, setup, seed).run()


def found_share(quota: float, latency_s: float, seconds: float, seed: int = 1) -> float:
    """How much of a quota the pace uses that has to find it: that of `oss.pacing` asks,
    a quota with as much burst as a tenth of a second brings answers."""
    chance = random.Random(seed)  # noqa: S311 no secret
    pace = AdaptiveRate(0.0, jitter=chance.uniform)
    under_way: deque[tuple[float, int]] = deque()
    now_s = due_s = 0.0
    accepted = 0
    while now_s < seconds:
        now_s += 1 / pace.rate
        while under_way and under_way[0][0] + latency_s <= now_s:
            sent_s, status = under_way.popleft()
            pace.answered(sent_s + latency_s, sent_s, status)
        admitted = max(due_s, now_s) - now_s <= _BURST_S
        if admitted:
            due_s = max(due_s, now_s) + 1 / quota
            accepted += 1
        pace.wanted = True
        under_way.append((now_s, 200 if admitted else 503))
    return accepted / (quota * seconds)
