"""The progress line, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bulkmeta.model.outcome import Outcome
from bulkmeta.report.progress import report_progress
from bulkmeta.report.stats import RunStats

if TYPE_CHECKING:
    from tests.unit.conftest import VirtualTime


class EnoughError(Exception):
    """Ends a report that would go on for ever."""


async def test_lines(virtual_time: VirtualTime) -> None:
    """A line per interval, with the rate since the one before."""
    stats, lines = RunStats(), list[str]()
    done = iter((10_000, 0, 25))

    async def sleep(seconds: float) -> None:
        await virtual_time.sleep(seconds)
        count = next(done, None)
        if count is None:
            raise EnoughError
        stats.objects += count
        stats.counts["updated"] += count

    with pytest.raises(EnoughError):
        await report_progress(
            stats, lines.append, interval_s=5.0, now_s=virtual_time.now_s, sleep=sleep
        )
    assert (lines, virtual_time.slept) == (
        [
            "10,000 objects, 2,000/s: 10,000 updated",
            "10,000 objects, 0/s: 10,000 updated",
            "10,025 objects, 5/s: 10,025 updated",
        ],
        [5.0] * 4,
    )


async def test_a_clock_that_stands_still() -> None:
    """No interval is so short that it divides by zero."""
    lines: list[str] = []

    async def sleep(_seconds: float) -> None:
        if lines:
            raise EnoughError

    stats = RunStats()
    stats.emit(Outcome(seq=1, key="a", status="updated"))
    with pytest.raises(EnoughError):
        await report_progress(stats, lines.append, now_s=lambda: 1.0, sleep=sleep)
    assert [line.partition(",")[0] for line in lines] == ["1 objects"]
