"""When a run has to end by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkmeta.model.job import StopRules

TimeLeft = Callable[[], tuple[float, str] | None]


def time_left(rules: StopRules, began_s: float) -> TimeLeft:
    """What tells how many seconds are left of a run that began at `began_s` (of the
    monotonic clock), and what ends it then; None if nothing does."""

    def left() -> tuple[float, str] | None:
        ends = []
        if rules.max_duration_s is not None:
            passed_s = time.monotonic() - began_s
            ends.append((rules.max_duration_s - passed_s, "--max-duration is over"))
        if rules.window:
            now = datetime.now(UTC)
            closes = rules.window.closes_at(now) or now
            seconds = (closes - now).total_seconds()
            ends.append((seconds, f"the window {rules.window} has closed"))
        return min(ends, default=None)

    return left
