"""Times of the day, over midnight, in other zones, on days when clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.errors import UsageError
from bulkmeta.model.windows import Window, parse_window

NIGHT = Window(time(22), time(4, 30), "Asia/Shanghai")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_what_it_says() -> None:
    """Hours, and a zone if it is not this machine's."""
    assert parse_window("01:00-05:00") == Window(time(1), time(5))
    assert parse_window("22:00-04:30@Asia/Shanghai") == NIGHT
    assert str(NIGHT) == "22:00-04:30@Asia/Shanghai"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write it as"),
        ("1-5", "write it as"),
        ("24:00-05:00", "write it as"),
        ("01:60-05:00", "write it as"),
        ("01:00-05:00@", "write it as"),
        ("01:00-01:00", "always open, or never; 00:00-24:00 is always"),
        ("00:00-00:00", "always open, or never; 00:00-24:00 is always"),
        ("24:00-24:00", "write it as"),
        ("00:00-24:00@Mars/Base", "no time zone 'Mars/Base'"),
        ("01:00-05:00@Mars/Base", "no time zone 'Mars/Base'; one is Asia/Shanghai$"),
        ("01:00-05:00@Asia/Shangai", "'Asia/Shangai'; did you mean 'Asia/Shanghai'.$"),
        ("01:00-05:00@../../etc/passwd", "no time zone"),
    ],
)
def test_what_it_cannot_say(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_window(text)


def test_no_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine knows none, the name may be right."""
    monkeypatch.setattr("bulkmeta.model.windows.available_timezones", set)
    with pytest.raises(UsageError, match="pip install tzdata brings all"):
        parse_window("01:00-05:00@Asia/Shangai")


def test_the_days_end() -> None:
    """It is the next one's beginning; a window of the whole day is none."""
    assert parse_window("00:00-24:00") is None
    assert parse_window("00:00-24:00@Asia/Shanghai") is None
    assert parse_window("20:00-24:00") == Window(time(20), time(0))


def test_over_midnight() -> None:
    """Shanghai is 8 hours ahead of UTC: from 14:00 to 20:30."""
    assert NIGHT.closes_at(at("2026-11-22T13:59:59")) is None
    assert NIGHT.closes_at(at("2026-11-22T14:00:00")) == at("2026-11-22T20:30:00")
    assert NIGHT.closes_at(at("2026-11-22T20:29:59")) == at("2026-11-22T20:30:00")
    assert NIGHT.closes_at(at("2026-11-22T20:30:00")) is None
    assert NIGHT.opens_at(at("2026-11-22T14:00:00")) == at("2026-11-23T14:00:00")


def test_clocks_are_changed() -> None:
    """In Berlin 02:00 to 03:00 comes twice in October, and not at all in March."""
    window = Window(time(1), time(5), "Europe/Berlin")
    for day, hours in (("2026-10-25", 5), ("2026-03-29", 3), ("2026-07-01", 4)):
        opens = window.opens_at(at(f"{day}T00:00:00") - timedelta(hours=3))
        closes = window.closes_at(opens)
        assert closes is not None
        assert closes - opens == timedelta(hours=hours)


@given(
    st.times(),
    st.times(),
    st.sampled_from([None, "UTC", "Asia/Shanghai", "America/New_York"]),
    st.integers(1_577_836_800, 1_893_456_000),
)
def test_always_comes_to_an_end(
    opens: time, closes: time, zone: str | None, now_s: int
) -> None:
    """Whatever the window, it closes and opens within two days, and in that order."""
    if opens == closes:
        return
    window, here = Window(opens, closes, zone), datetime.fromtimestamp(now_s, UTC)
    end, start = window.closes_at(here), window.opens_at(here)
    assert end is None or here < end <= here + timedelta(days=1, hours=2)
    assert here < start <= here + timedelta(days=1, hours=2)
    if end:
        assert window.closes_at(end - timedelta(microseconds=1)) is not None
