"""The progress line, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.outcome import Outcome
from bulkmeta.oss.pace import PaceNow
from bulkmeta.report.progress import (
    RunState,
    Speed,
    duration,
    error_lines,
    headline,
    pace_line,
    report_progress,
)
from bulkmeta.report.stats import RunStats

if TYPE_CHECKING:
    from tests.unit.conftest import VirtualTime


def calm() -> PaceNow:
    return PaceNow(8, 2000.0, 0)


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
            RunState(stats, calm),
            lines.append,
            interval_s=5.0,
            now_s=virtual_time.now_s,
            sleep=sleep,
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
        await report_progress(
            RunState(stats, calm), lines.append, now_s=lambda: 1.0, sleep=sleep
        )
    assert [line.partition(",")[0] for line in lines] == ["1 object"]


async def test_the_first_rate_of_what_was_resumed() -> None:
    """Objects done before do not count as done in the first interval."""
    stats, lines, times = RunStats({"updated": 1000}), list[str](), iter((0.0, 5.0))

    async def sleep(_seconds: float) -> None:
        if lines:
            raise EnoughError
        stats.emit(Outcome(seq=1001, key="a", status="updated"))

    with pytest.raises(EnoughError):
        await report_progress(
            RunState(stats, calm), lines.append, now_s=lambda: next(times), sleep=sleep
        )
    assert lines == ["1,001 objects, 0/s: 1,001 updated"]


async def test_throttling_is_told_once_for_each_time() -> None:
    """A line that says so follows answers that ask for fewer, and no others."""
    throttled, lines = iter((0, 3, 3)), list[str]()

    async def sleep(_seconds: float) -> None:
        if len(lines) == 3:
            raise EnoughError

    def pace() -> PaceNow:
        return PaceNow(4, 150.0, next(throttled))

    with pytest.raises(EnoughError):
        await report_progress(RunState(RunStats(), pace), lines.append, sleep=sleep)
    assert ["slowed down by the service (3 answers)" in line for line in lines] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("done", "total", "rate", "words"),
    [
        (0, None, 0.0, "0 objects, 0/s"),
        (1234, None, 99.6, "1,234 objects, 100/s"),
        (0, 2000, 0.0, "0 of 2,000 objects (0%), 0/s"),
        (500, 2000, 100.0, "500 of 2,000 objects (25%), 100/s, 0:15 left"),
        (500, 900_000, 100.0, "500 of 900,000 objects (0%), 100/s, 2:29:55 left"),
        (2000, 2000, 100.0, "2,000 of 2,000 objects (100%), 100/s"),
        (2001, 2000, 100.0, "2,001 of 2,000 objects (100%), 100/s"),
    ],
)
def test_headline(done: int, total: int | None, rate: float, words: str) -> None:
    """The rest is told only where the whole is known."""
    stats = RunStats({"updated": done})
    assert headline(RunState(stats, calm, total), rate) == words


def test_speed_is_that_of_late() -> None:
    """What was long ago does not count; nor does one moment tell a rate."""
    speed = Speed()
    assert speed.at(0.0, 0) == 0.0
    assert speed.at(10.0, 1000) == 100.0
    assert speed.at(40.0, 1000) < 40.0
    assert speed.at(60.0, 1000) == 0.0


def test_the_latest_failures() -> None:
    """Three of them, on a line each, whatever they hold."""
    stats = RunStats()
    for number in range(5):
        error = ErrorDetail("x", None, f"first\nlast {number}\x1b[2J\n")
        outcome = Outcome(
            seq=number, key=f"k\n{number}", status="failed", reason="r", error=error
        )
        stats.emit(outcome)
    lines = error_lines(RunState(stats, calm))
    assert len(lines) == 3
    assert lines[-1].endswith('4": r: last 4\\u001b[2J')
    assert not any("\n" in line or "\x1b" in line for line in lines)


def test_pace() -> None:
    """Throttling is named where there was some."""
    assert pace_line(calm()) == "8 requests under way, at most 2,000/s"
    slowed = pace_line(PaceNow(1, 55.5, 1200))
    assert slowed.endswith("at most 56/s; slowed down by the service (1,200 answers)")


def test_duration() -> None:
    """Minutes, and hours where there are some."""
    assert [duration(s) for s in (0, 59.6, 61, 3600)] == [
        "0:00",
        "1:00",
        "1:01",
        "1:00:00",
    ]
