"""What a run will take, in words and numbers: requests as they are billed, and time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from bulkmeta.cli.nothing import left_alone
from bulkmeta.model import billing
from bulkmeta.model.billing import Billed, billed, billed_counts
from bulkmeta.model.conditions import Condition
from bulkmeta.model.parts import Parts
from bulkmeta.model.quantity import counted
from bulkmeta.model.templates import reads_tags
from bulkmeta.oss.bucket import PAGE_KEYS

if TYPE_CHECKING:
    from pathlib import Path

    from bulkmeta.model.billing import Prices
    from bulkmeta.model.job import JobSpec, Pace, RunSpec
    from bulkmeta.report.forecast import Forecast
    from bulkmeta.runners.host import RunEnd
    from bulkmeta.runners.preflight import Findings

_MANY: Final = 1_000_000
"""What costs and times are told for, as long as nobody has counted the objects."""

_LEAST_S: Final = 0.05
"""What is shorter would be told as 0.0 s."""

_SPANS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))

_LOOKS: Final = {
    "HeadObject": "head",
    "GetObjectAcl": "acl",
    "GetObjectTagging": "tags",
}
_UPDATES: Final = {
    "GetObjectAcl": "acl",
    "CopyObject": "update",
    "PutObjectTagging": "put tags",
    "PutObjectAcl": "put acl",
    "GetObjectTagging": "tags again",
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Requests, what they cost at the user's prices, and how long they take at least at
    the run's rate; None where there is no price, or no rate. Some of the requests may
    be `listings`."""

    requests: Billed
    cost: float | None
    seconds: float | None
    listings: int = 0

    def as_json(self) -> dict[str, Any]:
        """The names are those of `plan --json`."""
        return {
            "requests": {"GET": self.requests.get, "PUT": self.requests.put},
            "cost": None if self.cost is None else float(f"{self.cost:.4g}"),
            "seconds": None if self.seconds is None else round(self.seconds, 3),
        }


def estimate_of(requests: Billed, pace: Pace, prices: Prices) -> Estimate:
    """What so many requests come to."""
    seconds = requests.total() / pace.rate if pace.rate else None
    return Estimate(requests, prices.cost(requests), seconds)


def beforehand_lines(
    spec: RunSpec, findings: Findings, prices: Prices
) -> Iterator[str]:
    """How many objects at least, and what each, or all of them, will take."""
    if findings.listed is None:
        return
    yield f"objects   {_count_words(findings.listed, findings)}"
    yield billed_line(spec, findings)
    each = billed([*_looks(spec.job), *_updates(spec.job, findings)])
    count = _MANY if findings.more else findings.listed
    pages = math.ceil(count / PAGE_KEYS) if spec.job.takes == "listing" else 0
    sum_ = estimate_of(each.times(count) + Billed(put=pages), spec.pace, prices)
    of = "for each million changed" if findings.more else "if each is changed"
    if not findings.more:
        yield f"in sum    {_requests(sum_.requests)}, {of}"
    if sum_.cost is not None:
        yield f"cost      {_number(sum_.cost)} at {_named(prices)}, {of}"
    if sum_.seconds and sum_.seconds >= _LEAST_S:
        at = f"at {spec.pace.rate:,g} requests/s"
        yield f"time      at least {_span(sum_.seconds)} {at}, {of}"


def billed_line(spec: RunSpec, findings: Findings) -> str:
    """The requests that each object will take, by the class they are billed in."""
    looks, updates = _looks(spec.job), _updates(spec.job, findings)
    each, look = billed([*looks, *updates]), billed(looks)
    listing = f"; 1 PUT per {PAGE_KEYS:,} objects to list them"
    names = [*map(_LOOKS.get, looks), *map(_UPDATES.get, updates)]
    return (
        f"billed    {_both(each)} per object ({', '.join(map(str, names))}), "
        f"{_both(look)} for one that needs no change"
        f"{listing if spec.job.takes == 'listing' else ''}"
    )


def _count_words(count: int, findings: Findings) -> str:
    """So many, as far as the first page of a listing tells and conditions leave it
    open."""
    at_least = "" if findings.at_most or not findings.more else "at least "
    where = " on the first page of the listing" if findings.more else ""
    return f"{'at most ' if findings.at_most else at_least}{count:,}{where}"


def plan_estimate(
    end: RunEnd, forecast: Forecast, prices: Prices, out: Path | None
) -> Estimate:
    """What it takes to apply what was planned: the plan file, if there is one, or else
    the same order again."""
    if out:
        return estimate_of(forecast.replay, end.spec.pace, prices)
    asked = billed_counts(end.requests)
    looks = Billed(max(asked.get - forecast.unbilled, 0), asked.put)
    estimate = estimate_of(looks + forecast.updates, end.spec.pace, prices)
    return replace(estimate, listings=end.requests.get(billing.LISTING, 0))


def plan_lines(
    end: RunEnd, estimate: Estimate, prices: Prices, out: Path | None
) -> Iterator[str]:
    """The estimate for people."""
    what = "what was looked at" if end.interrupted else out.name if out else "it"
    restores = end.spec.job.restores()
    if not end.stats.counts["planned"]:
        yield _nothing_words(end, f" in {what}" if end.interrupted else "")
        return
    doing = "undoing" if restores else "applying"
    updates = counted(end.stats.counts["planned"], "update")
    requests = f"{_requests(estimate.requests)}{_listings(estimate.listings)}"
    yield f"{doing} {what}: about {requests}, for {updates}"
    if estimate.cost is not None:
        yield f"cost: {_number(estimate.cost)} at {_named(prices)}"
    if estimate.seconds and estimate.seconds >= _LEAST_S:
        rate = f"{end.spec.pace.rate:,g} requests/s"
        yield f"at {rate}: {_span(estimate.seconds)} at least"


def _nothing_words(end: RunEnd, where: str) -> str:
    """That no update is planned; and of an undo, what it would leave alone."""
    if not end.spec.job.restores():
        return f"nothing to update{where}"
    left = left_alone(end) + end.stats.counts["failed"]
    if not left:
        return f"nothing to put back{where}"
    return f"nothing can be put back{where}: {counted(left)} left alone"


def _looks(job: JobSpec) -> Sequence[str]:
    """The requests that tell what an object is like."""
    parts = job.parts()
    asks = bool(job.where) and Condition(job.where).reads_tags
    tags = parts.tags or asks or reads_tags(job.change)
    return billing.looks(Parts(tags=tags, acl=parts.acl))


def _updates(job: JobSpec, findings: Findings) -> Sequence[str]:
    """The requests that change it."""
    parts = job.parts()
    reads_acl = job.reads_acl() and not parts.acl and findings.copies is None
    return billing.updates(parts, reads_acl=reads_acl)


def _both(requests: Billed) -> str:
    """The classes that there are requests of."""
    counts = {"GET": requests.get, "PUT": requests.put}
    words = [f"{count:,} {name}" for name, count in counts.items() if count]
    return " and ".join(words) or "no"


def _requests(requests: Billed) -> str:
    """So many requests, by their classes."""
    return f"{_both(requests)} request{'' if requests.total() == 1 else 's'}"


def _listings(count: int) -> str:
    """How many of the requests list, which are billed as those that write are."""
    words = "1 of them lists" if count == 1 else f"{count:,} of them list"
    return f" ({words})" if count else ""


def _named(prices: Prices) -> str:
    known = prices.known()
    return "these prices" if len(known) == 2 else f"this price ({known[0]} only)"


def _span(seconds: float) -> str:
    """A time span in its two largest units: 4.2 s, 1 min 30 s, 2 h 5 min, 12 d."""
    for (large_s, large), (small_s, small) in pairwise(_SPANS):
        count, rest = divmod(round(seconds / small_s), large_s // small_s)
        if count:
            return f"{count:,} {large}{f' {rest} {small}' if rest else ''}"
    return f"{seconds:.1f} s"


def _number(value: float) -> str:
    """Three digits, without an exponent: 0.0123, 1.50, 12,300."""
    return f"{Decimal(f'{value:#.3g}'):,f}"
