"""How many requests may be in flight: fewer, where latency grows with their number.

Pure decisions, like `oss.pacing`. Where requests stand in line, even the quickest
answer in a quarter of a second had to wait (CoDel's measure: a stall here or there, or
a slow answer, leaves others quick). If that lasts, a trial follows: are they quicker
with fewer in flight? If so, our own requests were the line, and their number rises
slowly from there. If not, something else made the service slower, and more is taken for
granted. A trial goes deep enough for the line to vanish, so the least latency is
measured anew each time. Each operation is held against its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

TOLERANCE: Final = 1.3
"""How many times the least latency is not yet too much,"""

SLACK_S: Final = 0.005
"""and how many seconds beyond it: on a short way, the work at both ends counts most."""

_WINDOW_S: Final = 0.25
_WINDOW_ANSWERS: Final = 100
_OPERATION_ANSWERS: Final = 10  # fewer are too few to have a quick one among them
_LASTING: Final = 3  # windows
_DECREASE: Final = 0.6  # less than 1 / TOLERANCE, so that the line vanishes
_HELPED: Final = 0.9
_GRANTED: Final = 1.25


@dataclass(slots=True)
class _Latency:
    """One operation's latency: the least of the present window, and of all before."""

    count: int = 0
    window_s: float = math.inf
    least_s: float = math.inf

    def add(self, latency_s: float) -> None:
        self.count += 1
        self.window_s = min(self.window_s, latency_s)

    def is_known(self) -> bool:
        return self.count >= _OPERATION_ANSWERS and self.least_s < math.inf

    def restart(self) -> None:
        self.least_s = min(self.least_s, self.window_s)
        self.count, self.window_s = 0, math.inf


@dataclass(frozen=True, slots=True)
class _Trial:
    """What was before the number in flight was decreased."""

    limit: float
    stretch: float


class AdaptiveConcurrency:
    """Requests that may be in flight at once: `limit`, 1 or more; at first any number.

    Set `wanted` when a request has to wait for another's end: a limit that is not
    reached is not raised either.
    """

    def __init__(self) -> None:
        self.limit = math.inf
        self.wanted = False
        self._latencies: dict[str, _Latency] = {}
        self._answers = 0
        self._opened_s = -math.inf
        self._decreased_s = -math.inf
        self._stretched = 0
        self._trial: _Trial | None = None

    def answered(
        self, now_s: float, sent_s: float, operation: str, in_flight: int
    ) -> None:
        """Take note of a good answer; so many other requests were in flight."""
        if sent_s < self._decreased_s:
            return
        latency = self._latencies.get(operation)
        if latency is None:
            latency = self._latencies[operation] = _Latency()
        latency.add(now_s - sent_s)
        self._answers += 1
        if self._answers >= _WINDOW_ANSWERS and now_s - self._opened_s >= _WINDOW_S:
            self._close_window(now_s, in_flight + 1)

    def _close_window(self, now_s: float, in_flight: int) -> None:
        known = [latency for latency in self._latencies.values() if latency.is_known()]
        took_s = sum(latency.count * latency.window_s for latency in known)
        least_s = sum(latency.count * latency.least_s for latency in known)
        slack_s = SLACK_S * sum(latency.count for latency in known)
        stretch = took_s / least_s if least_s > 0.0 else 1.0
        trial, self._trial = self._trial, None
        if trial and stretch > _HELPED * trial.stretch:
            self._grant(trial.limit)
        elif took_s > TOLERANCE * least_s + slack_s:
            self._stretched += 1
            if self._stretched >= _LASTING:
                self._trial = _Trial(self.limit, stretch)
                self._decrease(now_s, in_flight)
        else:
            self._stretched = 0
            if self.wanted:
                self.limit += math.sqrt(self.limit)
        self._open_window(now_s)

    def _decrease(self, now_s: float, in_flight: int) -> None:
        self._stretched = 0
        self._decreased_s = now_s
        self.limit = max(1.0, _DECREASE * min(self.limit, in_flight))

    def _grant(self, limit: float) -> None:
        self.limit = limit
        for latency in self._latencies.values():
            latency.least_s *= _GRANTED

    def _open_window(self, now_s: float) -> None:
        for latency in self._latencies.values():
            latency.restart()
        self._opened_s = now_s
        self._answers = 0
        self.wanted = False
