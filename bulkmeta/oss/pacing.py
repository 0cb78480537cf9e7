"""The request rate of a run: additive increase, multiplicative decrease (AIMD).

Pure decisions: answers go in, a rate comes out. It knows no clock, no waiting and no
requests; `oss.limiter` keeps to the rate that comes of it.

- *Slow start*: the rate doubles until the service refuses (429, 503), or until it is
  more than the run can use.
- *Decrease*: refusals beyond noise take 15 % off. Answers to what was sent before say
  nothing about the new rate, and are ignored; so there is one decrease per round trip.
  If much is still refused a moment later, the refused share comes off as well. At the
  bottom (an outage) it starts anew.
- *Increase*: the rate rises by its square root each second, and the faster the longer
  nothing is refused. Who has more is refused more often and rises less in proportion;
  so runs that share a quota come to have equal shares of it.
- *Retry budget*: other failures (5xx, no answer) are not refusals as long as good
  answers pay for them, five for one. Beyond that, each slows the run down like one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Final

START_RATE: Final = 200.0
"""Requests per second to begin with."""

LEAST_RATE: Final = 5.0
"""Requests per second that are always tried, to learn whether more are possible."""

_MOST_RATE: Final = 1e6  # requests per second that no process can send
_DOUBLING_S: Final = 0.2  # of slow start; nothing raises the rate faster
_STEP_S: Final = 0.05
_WINDOW_S: Final = 0.2
_WINDOW_ANSWERS: Final = 10

# Tried out on simulated quotas of 50 to 6,000 requests per second, round trips of 2 to
# 150 ms, one to three runs and a foreground client (benchmarks/throttled.py has some).
_DECREASE: Final = 0.85
_FIRST_DECREASE: Final = 0.5  # slow start finds out late, at about twice the limit
_SEVERE_SHARE: Final = 0.2
_STEEPEST: Final = 0.6
_INCREASE: Final = 0.1  # at most, as a share of the rate per second
_PATIENCE_S: Final = 2.0

# Some refusals have nothing to do with the rate: one in a hundred is forgiven, and of
# the others a tenth of the rate's square root (one at 400 requests per second).
_FORGIVEN: Final = 0.01
_NOISE: Final = 0.1

RETRY_SHARE: Final = 0.2
"""How much of a failure each good answer pays for."""

RETRY_RESERVE: Final = 100.0
"""How many failures are paid for beforehand, and at most."""


class AdaptiveRate:
    """Requests per second that may be sent: `rate`, never above `cap`.

    Set `wanted` when a request has to wait for its turn: a rate that is not used up is
    not raised either. `jitter` keeps several runs from moving in step.
    """

    def __init__(
        self,
        now_s: float,
        cap: float | None = None,
        *,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._most = min(cap or _MOST_RATE, _MOST_RATE)
        self._least = min(LEAST_RATE, self._most)
        self.rate = min(START_RATE, self._most)
        self.wanted = False
        self._jitter = jitter
        self._retries = RETRY_RESERVE
        self._is_starting = True
        self._is_settling = False
        self._decreased_s = -math.inf
        self._raised_s = now_s
        self._used = math.inf
        self._was_wanted = False
        self._refusals = 0.0
        self._open_window(now_s)

    def answered(self, now_s: float, sent_s: float, status: int) -> None:
        """Take note of an answer to what was sent at `sent_s`; status 0: none came."""
        if 0 < status < 429:
            refused = False
            if self._retries < RETRY_RESERVE:
                self._retries += RETRY_SHARE
        else:
            refused = self._is_refusal(status)
        if sent_s < self._decreased_s:
            return
        self._answers += 1
        if refused:
            self._note_refusal(now_s)
        elif self._refusals > 0.0:
            self._refusals -= _FORGIVEN
        if sent_s >= self._ends_s and self._answers >= _WINDOW_ANSWERS:
            self._close_window(now_s, sent_s)
        elif now_s - self._raised_s >= _STEP_S and not self._is_settling:
            self._increase(now_s)

    def _is_refusal(self, status: int) -> bool:
        if status in {429, 503}:
            return True
        if 0 < status < 500:
            return False
        self._retries = max(self._retries - 1.0, -1.0)
        return self._retries < 0.0

    def _note_refusal(self, now_s: float) -> None:
        self._refused += 1
        self._refusals += 1.0
        noise = _NOISE * math.sqrt(min(self.rate, self._used)) - 1.0
        if self._refusals > noise and not self._is_settling:
            factor = _FIRST_DECREASE if self._is_starting else _DECREASE
            self._decrease(now_s, factor)

    def _open_window(self, opened_s: float) -> None:
        self._opened_s = opened_s
        self._ends_s = opened_s + _WINDOW_S * self._jitter(0.75, 1.25)
        self._answers = 0
        self._refused = 0

    def _close_window(self, now_s: float, sent_s: float) -> None:
        elapsed_s = sent_s - self._opened_s
        self._used = math.inf if self._was_wanted else self._answers / elapsed_s
        self._was_wanted = False
        share = self._refused / self._answers
        if share > _SEVERE_SHARE:
            self._decrease(now_s, max(_STEEPEST, 1.0 - share))
        else:
            self._is_settling = False
            self._open_window(sent_s)

    def _decrease(self, now_s: float, factor: float) -> None:
        self.rate = max(self._least, min(self.rate, self._used) * factor)
        self._is_starting = self.rate <= self._least
        self._is_settling = True
        self._decreased_s = self._raised_s = now_s
        self._refusals = 0.0
        self._open_window(now_s)

    def _increase(self, now_s: float) -> None:
        elapsed_s = min(now_s - self._raised_s, _WINDOW_S)
        self._raised_s = now_s
        if self.wanted:
            self.wanted, self._was_wanted = False, True
            growth = self._growth(now_s, elapsed_s)
            self.rate = min(self._most, self.rate * growth)

    def _growth(self, now_s: float, elapsed_s: float) -> float:
        fastest: float = 2.0 ** (elapsed_s / _DOUBLING_S)
        if self._is_starting:
            return fastest
        impatience = 1.0 + ((now_s - self._decreased_s) / _PATIENCE_S) ** 2
        share = min(_INCREASE, 1.0 / math.sqrt(self.rate))
        return min(fastest, 1.0 + share * impatience * elapsed_s)
