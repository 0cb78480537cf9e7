"""Counters of a run: how many objects ended how, and why."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkmeta.model.outcome import STATUSES
from bulkmeta.report.text import last_line

if TYPE_CHECKING:
    from bulkmeta.model.outcome import Outcome


_FAILURES: Final = 3


class Failure(NamedTuple):
    """An object that failed, why, and the last line of what was said about it."""

    key: str
    reason: str
    message: str


class RunStats:
    """Counts outcomes as they come, on top of those that a run has already; `before`
    is how many these are."""

    def __init__(
        self,
        counts: Mapping[str, int] | None = None,
        reasons: Mapping[str, int] | None = None,
    ) -> None:
        self.counts = Counter(counts or {})
        self.reasons = Counter(reasons or {})
        self.objects = self.before = self.counts.total()
        self.failures: deque[Failure] = deque(maxlen=_FAILURES)

    def emit(self, result: Outcome) -> None:
        self.objects += 1
        self.counts[result.status] += 1
        if result.reason:
            self.reasons[f"{result.status}: {result.reason}"] += 1
        if result.status == "failed":
            message = result.error.message if result.error else ""
            failure = Failure(result.key, result.reason or "", last_line(message))
            self.failures.append(failure)

    def flush(self) -> None:
        """Counters hold nothing back."""

    def line(self) -> str:
        """The counters on one line, those that are not zero."""
        parts = [
            f"{self.counts[status]:,} {status}"
            for status in STATUSES
            if self.counts[status]
        ]
        return ", ".join(parts) or "no objects"
