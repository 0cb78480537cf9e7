"""The service's time, corrected once the service objects to ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.oss.clock import ServiceClock

NOW_S = 1_795_341_600.0
NOW = datetime.fromtimestamp(NOW_S, UTC)
NONE = timedelta()


def clock() -> ServiceClock:
    return ServiceClock(lambda: NOW_S)


def date(offset: timedelta) -> str:
    return format_datetime(NOW + offset, usegmt=True)


def test_starts_with_this_machines_clock() -> None:
    """Until somebody objects, now is now."""
    assert clock().now() == NOW


@pytest.mark.parametrize("offset", [timedelta(hours=5), timedelta(minutes=-20)])
def test_takes_the_services_time(offset: timedelta) -> None:
    """A refused request tells the service's time; from then on that is now."""
    tested = clock()
    corrected = tested.correct(date(offset), signed_with=NONE)
    assert (corrected, tested.now()) == (True, NOW + offset)


def test_many_refused_at_once_correct_once() -> None:
    """Requests that were signed before the correction are simply sent again."""
    tested = clock()
    tested.correct(date(timedelta(hours=5)), signed_with=NONE)
    later = tested.correct(date(timedelta(hours=9)), signed_with=NONE)
    assert (later, tested.offset) == (True, timedelta(hours=5))


def test_a_second_skew_is_corrected_too() -> None:
    """A machine's clock that is set during a run is objected to again."""
    tested = clock()
    tested.correct(date(timedelta(hours=5)), signed_with=NONE)
    again = tested.correct(date(timedelta(hours=1)), signed_with=timedelta(hours=5))
    assert (again, tested.offset) == (True, timedelta(hours=1))


def test_correction_that_would_not_help() -> None:
    """If the service shows our own time, its objection is about something else."""
    tested = clock()
    refused = tested.correct(date(timedelta(seconds=59)), signed_with=NONE)
    assert (refused, tested.offset) == (False, NONE)


@pytest.mark.parametrize(
    "text",
    [None, "", "soon", "Sun, 22 Nov 99999999999999 10:00:00 GMT", "Sun, 99 Nov 2026"],
)
def test_no_usable_date(text: str | None) -> None:
    """Without a date to go by the clock stays as it is."""
    tested = clock()
    assert (tested.correct(text, signed_with=NONE), tested.offset) == (False, NONE)


def test_a_date_without_zone_is_utc() -> None:
    """A sloppy proxy's date is good enough to be understood."""
    tested = clock()
    tested.correct("Sun, 22 Nov 2026 10:00:00 -0000", signed_with=NONE)
    assert tested.now() == datetime(2026, 11, 22, 10, tzinfo=UTC)


@given(st.text(max_size=30))
def test_any_date(text: str) -> None:
    """No text that comes as a date can break the clock."""
    tested = clock()
    tested.correct(text, signed_with=NONE)
    assert tested.now().tzinfo is UTC


@pytest.mark.parametrize("year", ["0001", "1000", "9999"])
def test_unbelievable_dates(year: str) -> None:
    """A time that no machine can be off by is not taken over."""
    own = clock()
    date = f"Fri, 31 Dec {year} 23:59:59 GMT"
    assert (own.correct(date, signed_with=NONE), own.now()) == (False, NOW)
