"""One pace for several processes: each keeps to its share, and tells of its answers.

The whole is decided in one place (`OwnPace`). Who has to wait for turns is given more,
at the expense of those who leave some unused. Shares are lowered at once, and raised
one round later out of what has become free by then: so they never come to more than the
whole, whatever is still on its way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkmeta.oss.pace import PaceNow

if TYPE_CHECKING:
    from bulkmeta.oss.pace import Pace

ROUND_S: Final = 0.1
"""How often shares are made anew."""

_MARGIN: Final = 1.25
"""How much more than it used a share is left, to grow by itself."""

_LEAST: Final = 0.02
_LEAST_OF_ALL: Final = 0.2
"""What part of the whole each is left at least, and all together: who wakes up is not
to wait a round."""


class Answer(NamedTuple):
    """An answer to a request of one process: how long ago it came, and how long after
    the request had left."""

    operation: str
    status: int
    ago_s: float
    took_s: float


class Share:
    """The part of a budget that one process has; a pace for the driver's own requests.

    Of another process, `report` passes on what it says.
    """

    def __init__(self, budget: Budget, rate: float) -> None:
        self._budget = budget
        self.rate = rate
        self.limit = math.inf
        self.turn_wanted = False
        self.place_wanted = False
        self.in_flight = 0
        self.answers = 0

    def want_turn(self) -> None:
        self.turn_wanted = True

    def want_place(self) -> None:
        self.place_wanted = True

    def answered(
        self, now_s: float, sent_s: float, operation: str, status: int, in_flight: int
    ) -> None:
        self.answers += 1
        self.in_flight = in_flight
        self._budget.answered(now_s, sent_s, operation, status)

    def seen(self, in_flight: int) -> PaceNow:
        self.in_flight = in_flight
        return self._budget.seen()

    def report(self, now_s: float, answers: Sequence[Answer], in_flight: int) -> None:
        """Take note of what another process was answered up to now."""
        self.answers += len(answers)
        self.in_flight = in_flight
        for operation, status, ago_s, took_s in answers:
            came_s = now_s - ago_s
            self._budget.answered(came_s, came_s - took_s, operation, status)

    def demand(self, elapsed_s: float) -> float:
        """How many requests a second it can use."""
        if self.turn_wanted:
            return math.inf
        return self.answers / elapsed_s * _MARGIN


class Budget:
    """The pace that several processes share: `whole`, cut into shares."""

    def __init__(
        self, whole: Pace, *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.whole = whole
        self.now_s = now_s
        self._shares: list[Share] = []
        self._divided_s = now_s()

    def new_share(self, rate: float = 0.0) -> Share:
        """A share, small at first; `leave` gives it back."""
        share = Share(self, rate)
        self._shares.append(share)
        return share

    def leave(self, share: Share) -> None:
        """Give a share back: the others may have it from the next round on."""
        self._shares.remove(share)

    def answered(
        self, now_s: float, sent_s: float, operation: str, status: int
    ) -> None:
        """Take note of an answer to any process."""
        others = max(self._in_flight() - 1, 0)
        self.whole.answered(now_s, sent_s, operation, status, others)

    def seen(self) -> PaceNow:
        """What is let through at present, for all together."""
        return self.whole.seen(self._in_flight())

    def divide(self) -> None:
        """Make shares anew, by what each used and wanted since the last time."""
        now_s = self.now_s()
        elapsed_s, self._divided_s = max(now_s - self._divided_s, 1e-3), now_s
        if any(share.turn_wanted for share in self._shares):
            self.whole.want_turn()
        if any(share.place_wanted for share in self._shares):
            self.whole.want_place()
        part = min(_LEAST, _LEAST_OF_ALL / len(self._shares))
        least = part * self.whole.rate
        demands = [max(share.demand(elapsed_s), least) for share in self._shares]
        rates = moved(
            [share.rate for share in self._shares],
            fair_shares(self.whole.rate, demands),
            self.whole.rate,
        )
        for share, rate in zip(self._shares, rates, strict=True):
            share.rate = rate
            share.limit = self._limit_of(rate)
            share.turn_wanted = share.place_wanted = False
            share.answers = 0

    def _limit_of(self, rate: float) -> float:
        """How many requests a share may have under way: as many of all as of the
        rate."""
        if self.whole.limit == math.inf:
            return math.inf
        return max(1.0, self.whole.limit * rate / self.whole.rate)

    def _in_flight(self) -> int:
        return sum(share.in_flight for share in self._shares)


def fair_shares(total: float, demands: Sequence[float]) -> list[float]:
    """The total, cut up by demands: nobody gets less than another who wants as much
    (max-min fairness), and what nobody wants is cut into equal parts."""
    shares = [0.0] * len(demands)
    left = total
    order = sorted(range(len(demands)), key=lambda place: demands[place])
    for number, place in enumerate(order):
        shares[place] = min(demands[place], left / (len(order) - number))
        left -= shares[place]
    return [share + left / len(shares) for share in shares]


def moved(now: Sequence[float], wanted: Sequence[float], total: float) -> list[float]:
    """The shares as far as they can be moved at once: less is taken at once, more is
    given out of what was free already."""
    free = max(total - sum(now), 0.0)
    growth = sum(max(new - old, 0.0) for old, new in zip(now, wanted, strict=True))
    given = min(1.0, free / growth) if growth > 0.0 else 0.0
    return [
        new if new <= old else old + (new - old) * given
        for old, new in zip(now, wanted, strict=True)
    ]


class FollowedPace:
    """The share of a process as that process has it: set from outside, where its
    answers go as well."""

    def __init__(self) -> None:
        self.rate = 0.0
        self.limit = math.inf
        self.turn_wanted = False
        self.place_wanted = False
        self._answers: list[tuple[str, int, float, float]] = []

    def want_turn(self) -> None:
        self.turn_wanted = True

    def want_place(self) -> None:
        self.place_wanted = True

    def answered(
        self, now_s: float, sent_s: float, operation: str, status: int, in_flight: int
    ) -> None:
        self._answers.append((operation, status, now_s, sent_s))

    def seen(self, in_flight: int) -> PaceNow:
        return PaceNow(in_flight, self.rate, 0)

    def take_answers(self, now_s: float) -> list[Answer]:
        """The answers since the last time."""
        answers, self._answers = self._answers, []
        return [
            Answer(operation, status, now_s - came_s, came_s - sent_s)
            for operation, status, came_s, sent_s in answers
        ]
