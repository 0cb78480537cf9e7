"""What a run takes, on paper: requests, time, cost, files, and what holds it up. Pure.

A run goes as fast as the narrowest of its stages lets through. Each stage's capacity is
in objects a second, so that they can be compared; all else follows from the number of
objects. Constants that were measured say by what.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from bulkmeta.engine.window import WINDOW
from bulkmeta.journal.writer import COMPACT_BYTES
from bulkmeta.model.billing import Billed, Prices, billed, looks, updates
from bulkmeta.model.job import ACCOUNT_RATE, RANGE_RATE, spread_for
from bulkmeta.model.parts import REWRITE, Parts
from bulkmeta.oss.bucket import PAGE_KEYS
from bulkmeta.sources.listed_range import MOST_LISTED

REQUEST_CPU_S: Final = 0.193e-3
"""CPU of a process per request, all else that it does for the object included: half of
what two requests took over https (docs/performance.md: 0.385 CPU-s per 1,000)."""

DRIVER_CPU_S: Final = 0.06e-3
"""CPU of a driver per object that worker processes do: listing, numbering, messages,
journal, run file. Measured on a busy machine, 0.055 ms where messages are full, and up
to 0.1 where each tells of an object or two (`scale real --processes 2`)."""

LINE_BYTES: Final = 842
"""A line of the run file, of an object with three user metadata and two headers, one of
each changed; before and after stand in it (`scale real`)."""

INTENT_BYTES: Final = 643
"""A line of the journal, of the same object (`scale real`)."""

SCAN_CPU_S: Final = 4.0e-6
"""CPU of `resume` per line until it knows where to go on (`scale real`, of 5,000,000
lines; in shorter files the journal shows, which takes half a second at most)."""

PACE_SHARE: Final = 0.95
"""How much of a quota the pace uses that has to find it (`scale pace`)."""


@dataclass(frozen=True, slots=True)
class Change:
    """A kind of change, by the requests that it takes for an object."""

    name: str
    requests: Billed

    @property
    def total(self) -> int:
        return self.requests.total()


def _change(name: str, parts: Parts, *, reads_acl: bool = False) -> Change:
    asked = [*looks(parts), *updates(parts, reads_acl=reads_acl)]
    return Change(name, billed(asked))


UNCHANGED: Final = Change("nothing to change", billed(looks(REWRITE)))
METADATA: Final = _change("metadata", REWRITE)
CHANGES: Final = (
    UNCHANGED,
    METADATA,
    _change("metadata, ACLs carried along", REWRITE, reads_acl=True),
    _change("tags", Parts(tags=True)),
    _change("metadata and tags", Parts(rewrite=True, tags=True)),
    _change("ACL", Parts(acl=True)),
)


@dataclass(frozen=True, slots=True)
class Service:
    """What it lets through, in requests a second: for the account, and for each of the
    `partitions` that it keeps the keys in; the largest holds this share of the keys.
    Answers take `latency_s`, pages of a listing `page_s`; one object of `slow_every`
    takes `slow_s`, since an answer never comes. All of that is assumed."""

    account: float = ACCOUNT_RATE
    per_range: float = RANGE_RATE
    partitions: int = 20
    largest: float = 0.05
    latency_s: float = 0.02
    page_s: float = 0.1
    slow_every: float = math.inf
    slow_s: float = 90.0


@dataclass(frozen=True, slots=True)
class Setup:
    """How a run is set up; each of its drivers has so many processes, on a shard of its
    own, the largest of which is so many times as large as the mean. `rate` is the cap
    of all together (None: the service decides). Worker processes die so often, and are
    missing for so long."""

    rate: float | None = RANGE_RATE
    drivers: int = 1
    processes: int = 1
    concurrency: int = 64
    uneven: float = 1.0
    deaths_per_hour: float = 0.0
    missing_s: float = 1.0

    @property
    def spread(self) -> int:
        """Key ranges that each driver walks in turn."""
        return spread_for(self.rate and self.rate / self.drivers)

    @property
    def page_keys(self) -> int:
        """Keys that a page of the listing is asked for."""
        return max(1, min(PAGE_KEYS, MOST_LISTED // self.spread))

    @property
    def workers(self) -> int:
        """Processes that send requests."""
        return self.drivers * self.processes

    @property
    def deaths_per_s(self) -> float:
        """Of one process."""
        return self.deaths_per_hour / 3600


def reached(limit: float, setup: Setup) -> float:
    """How much of a limit a run uses: nearly all, if it has to find it, and all that it
    wants, if its cap keeps it below."""
    below = setup.rate is not None and setup.rate <= limit
    return limit if below else limit * PACE_SHARE


def ranges_limit(service: Service, setup: Setup) -> float:
    """Requests a second that partitions let through, if keys come out of as many of
    them as ranges are walked in turn, and out of each as many as it holds."""
    walked = min(setup.spread * setup.drivers, service.partitions)
    return min(service.per_range * walked, service.per_range / service.largest)


def capacities(change: Change, service: Service, setup: Setup) -> dict[str, float]:
    """Objects a second that each stage lets through."""
    asked = change.total + 1 / setup.page_keys
    shared = {
        "account quota": reached(service.account, setup) / asked,
        "key ranges": reached(ranges_limit(service, setup), setup) / change.total,
    }
    alive = setup.processes / (1 + setup.deaths_per_s * setup.missing_s)
    in_flight_s = change.total * service.latency_s / setup.concurrency
    of_one = {
        "requests in flight": alive / in_flight_s,
        "processes": alive / (change.total * REQUEST_CPU_S),
        "listing": setup.spread * setup.page_keys / service.page_s,
    }
    if setup.rate is not None:
        of_one["--rate"] = setup.rate / setup.drivers / asked
    if setup.processes > 1:  # one alone has its driver's work in its own
        of_one["driver"] = 1 / DRIVER_CPU_S
    whole = setup.drivers / setup.uneven  # until the largest shard is done
    found = {**shared, **{stage: whole * per_s for stage, per_s in of_one.items()}}
    if service.slow_every < math.inf:
        found["window"] = whole * through_window(min(found.values()) / whole, service)
    return found


def through_window(per_s: float, service: Service) -> float:
    """Objects a second that are left of so many, if a driver gets no further than a
    window beyond a slow object: what is slow within that window costs nothing more."""
    waits_s = max(WINDOW / per_s, service.slow_s)
    return (WINDOW + service.slow_every) / (waits_s + service.slow_every / per_s)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run takes. `reading_s` is how long `resume` reads at worst, if a run dies
    at its end; each driver has its own file. Bytes are those of all drivers; the
    largest journal is one driver's."""

    requests: Billed
    seconds: float
    bottleneck: str
    run_file_bytes: int
    journal_bytes: int
    largest_journal_bytes: int
    reading_s: float

    def cost(self, prices: Prices) -> float | None:
        return prices.cost(self.requests)


def forecast(objects: int, change: Change, service: Service, setup: Setup) -> Forecast:
    """What a run of so many objects takes, each of which is changed."""
    through = capacities(change, service, setup)
    bottleneck = min(through, key=lambda stage: through[stage])
    per_s = through[bottleneck] - lost_per_s(setup)
    pages = Billed(put=math.ceil(objects / setup.page_keys))
    changed = objects if change is not UNCHANGED else 0
    own = objects / setup.drivers * setup.uneven
    written = changed * INTENT_BYTES
    return Forecast(
        requests=change.requests.times(objects) + pages,
        seconds=objects / per_s if per_s > 0 else math.inf,
        bottleneck=bottleneck,
        run_file_bytes=objects * LINE_BYTES,
        journal_bytes=written,
        largest_journal_bytes=min(COMPACT_BYTES, written),
        reading_s=own * SCAN_CPU_S,
    )


def lost_per_s(setup: Setup) -> float:
    """Objects a second that have to be taken up again, since a process died over
    them."""
    return setup.workers * setup.deaths_per_s * setup.concurrency
