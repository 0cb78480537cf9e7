"""What a run came to, counted line by line: bounded, however many objects it had."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from bulkmeta.model.outcome import STATUSES, Outcome
from bulkmeta.model.plan import Difference, differences
from bulkmeta.model.run_file import Resumed, Summary
from bulkmeta.model.selection import share_of

if TYPE_CHECKING:
    from bulkmeta.model.outcome import PaceSeen
    from bulkmeta.model.run_file import Record, RunHeader

_NAMES: Final = 200
_VALUES: Final = 20
_EXAMPLES: Final = 5
_SAMPLE: Final = 1000
_SLICES: Final = 240
_BINS: Final = 40
"""A latency goes to bin n if it is below 2 ** (n / 2) ms: up to 9 minutes."""


@dataclass(slots=True)
class Slice:
    """A span of time: how many objects came to their end in it, and how; and the pace
    in it, as sums over the moments it was told of (`paces`)."""

    objects: int = 0
    failed: int = 0
    retried: int = 0
    paces: int = 0
    in_flight: int = 0
    rate: float = 0.0
    throttled: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * _BINS)

    def add(self, other: Slice) -> None:
        self.objects += other.objects
        self.failed += other.failed
        self.retried += other.retried
        self.paces += other.paces
        self.in_flight += other.in_flight
        self.rate += other.rate
        self.throttled += other.throttled
        self.latencies = [
            a + b for a, b in zip(self.latencies, other.latencies, strict=True)
        ]

    def mean_pace(self) -> tuple[float, float] | None:
        """Requests under way, and how many a second might leave; None if it was not
        told."""
        if not self.paces:
            return None
        return self.in_flight / self.paces, self.rate / self.paces

    def latency_ms(self, share: float) -> float | None:
        """The latency that so many objects stayed below, within 20 percent."""
        wanted, seen = share * sum(self.latencies), 0
        for number, count in enumerate(self.latencies):
            seen += count
            if count and seen >= wanted:
                return float(2 ** ((number - 0.5) / 2))
        return None


@dataclass(slots=True)
class Kind:
    """One kind of difference: how many objects have it, and its commonest values (of a
    few, as they came first)."""

    sign: str
    part: str
    name: str
    objects: int = 0
    values: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    others: int = 0

    def add(self, difference: Difference) -> None:
        self.objects += 1
        value = (difference.old, difference.new)
        if value in self.values or len(self.values) < _VALUES:
            self.values[value] += 1
        else:
            self.others += 1


@dataclass(slots=True)
class Account:
    """All that is told of a run. A sink, too: outcomes may come as they happen.

    `before` is how many objects were done when it was taken up for the last time; what
    the summary tells of time and requests is of the part since then.
    """

    header: RunHeader | None = None
    summary: Summary | None = None
    resumed: int = 0
    before: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    kinds: dict[tuple[str, str, str], Kind] = field(default_factory=dict)
    unnamed: int = 0
    examples: dict[str, list[Outcome]] = field(default_factory=dict)
    retried: int = 0
    conflicts: int = 0
    throttled: int = 0
    first_s: float | None = None
    width_s: float = 1.0
    slices: list[Slice] = field(default_factory=list)
    sample: list[Outcome] = field(default_factory=list)
    share: float = 1.0
    _throttled_before: int = 0

    @property
    def objects(self) -> int:
        return self.counts.total()

    def add(self, records: Iterable[Record]) -> Account:
        """Count the lines of a run file in; the same account."""
        for record in records:
            if isinstance(record, Outcome):
                self.emit(record)
            elif isinstance(record, Resumed):
                self.resumed += 1
                self.before = self.objects
                self._throttled_before = 0
            elif isinstance(record, Summary):
                self.summary = record
            else:
                self.header = record
        return self

    def emit(self, result: Outcome) -> None:
        self.counts[result.status] += 1
        self.retried += result.attempts > 1
        self.conflicts += result.conflicts
        if result.reason:
            reason = f"{result.status}: {result.reason}"
            self.reasons[reason] += 1
            examples = self.examples.setdefault(reason, [])
            if len(examples) < _EXAMPLES:
                examples.append(result)
        if result.status in {"updated", "planned"}:
            self._count_differences(result)
        self._place_in_time(result)
        self._sample(result)

    def flush(self) -> None:
        """Counters hold nothing back."""

    def _count_differences(self, result: Outcome) -> None:
        if result.before is None or result.after is None:
            return
        for found in differences(result.before, result.after):
            key = (found.sign, found.field, found.name)
            if key not in self.kinds and len(self.kinds) >= _NAMES:
                self.unnamed += 1
                continue
            self.kinds.setdefault(key, Kind(*key)).add(found)

    def _place_in_time(self, result: Outcome) -> None:
        at_s = _seconds_of(result.at)
        if at_s is None:
            return
        if self.first_s is None:
            self.first_s = at_s
        number = max(int((at_s - self.first_s) / self.width_s), 0)
        while number >= _SLICES:
            self._widen()
            number = int((at_s - self.first_s) / self.width_s)
        self.slices += [Slice() for _ in range(number + 1 - len(self.slices))]
        place = self.slices[number]
        place.objects += 1
        place.failed += result.status == "failed"
        place.retried += result.attempts > 1
        place.latencies[_bin_of(result.elapsed_ms)] += 1
        if result.pace:
            self._note_pace(place, result.pace)

    def _note_pace(self, place: Slice, pace: PaceSeen) -> None:
        """The file tells how often the service has throttled so far, a slice how often
        it did in its time."""
        more = max(pace.throttled - self._throttled_before, 0)
        self._throttled_before = pace.throttled
        self.throttled += more
        place.paces += 1
        place.in_flight += pace.in_flight
        place.rate += pace.rate
        place.throttled += more

    def _widen(self) -> None:
        """Twice as long spans of time, half as many."""
        for sooner, later in zip(self.slices[::2], self.slices[1::2], strict=False):
            sooner.add(later)
        self.slices = self.slices[::2]
        self.width_s *= 2

    def _sample(self, result: Outcome) -> None:
        """Keep a share of all objects, the same ones each time, by their keys' hash."""
        if share_of(result.key, "report") >= self.share:
            return
        self.sample.append(result)
        if len(self.sample) > _SAMPLE:
            self.share /= 2
            self.sample = [
                kept
                for kept in self.sample
                if share_of(kept.key, "report") < self.share
            ]

    def whole(self) -> Slice:
        """All of its time as one span."""
        total = Slice()
        for part in self.slices:
            total.add(part)
        return total

    def by_status(self) -> list[tuple[str, int]]:
        """The counters that are not zero, in their usual order."""
        return [(name, self.counts[name]) for name in STATUSES if self.counts[name]]


def _seconds_of(text: str) -> float | None:
    """A moment as Unix time; None if the line tells none, or was altered."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def _bin_of(elapsed_ms: float) -> int:
    if elapsed_ms <= 1:
        return 0
    return min(math.floor(2 * math.log2(elapsed_ms)) + 1, _BINS - 1)
