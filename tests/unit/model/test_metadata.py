"""Metadata as values: what counts as the same state, and when a head can guard."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.model.metadata import Metadata, ObjectHead, parse_http_date

STATE = Metadata(
    {"a": "1"},
    {"expires": "x"},
    "private",
    {"t": "1"},
    "IA",
    {"x-oss-server-side-encryption": "AES256"},
)


def head(last_modified: str, date: str) -> ObjectHead:
    return ObjectHead(
        STATE, "E", last_modified, date, 0, "Normal", version_id=None, request_id=None
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("meta", {"a": "2"}),
        ("headers", {}),
        ("storage_class", "Standard"),
        ("sse", {}),
    ],
)
def test_same_state_sees_what_a_head_shows(field: str, value: object) -> None:
    """Each field that a head shows makes another state."""
    other = msgspec.structs.replace(STATE, **{field: value})
    assert (STATE.same_state(STATE), STATE.same_state(other)) == (True, False)


@pytest.mark.parametrize(("field", "value"), [("acl", None), ("tags", None)])
def test_same_state_ignores_what_no_head_shows(field: str, value: object) -> None:
    """ACL and tags come from other requests; a head says nothing about them."""
    other = msgspec.structs.replace(STATE, **{field: value})
    assert STATE.same_state(other) is True


@pytest.mark.parametrize(
    ("date", "wait_s"),
    [
        ("Sun, 22 Nov 2026 10:00:00 GMT", 2.0),
        ("Sun, 22 Nov 2026 10:00:01 GMT", 1.0),
        ("Sun, 22 Nov 2026 10:00:02 GMT", 0.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 09:59:59 GMT", 3.0),
    ],
)
def test_unsettled_for_two_seconds(date: str, wait_s: float) -> None:
    """A guard needs Last-Modified to be 2 s older than the answer."""
    assert head("Sun, 22 Nov 2026 10:00:00 GMT", date).unsettled_s() == wait_s


def test_modified_at_is_aware() -> None:
    """Last-Modified becomes a moment in UTC."""
    moment = datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert head("Sun, 22 Nov 2026 10:00:00 GMT", "").modified_at() == moment


@pytest.mark.parametrize("zone", ["", " -0000", " GMT", " +0000", " UT"])
def test_every_http_date_is_utc(zone: str) -> None:
    """Dates that name no zone are UTC; none of them is naive."""
    moment = datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert parse_http_date(f"Sun, 22 Nov 2026 10:00:00{zone}") == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "never",
        "Sun, 32 Nov 2026 10:00:00 GMT",
        "Sun, 22 Nov 99999999999999 10:00:00 GMT",
        "Sun, 22 Nov 2026 10:00:00 +99999999999999",
        "Sun, 22 Nov 2026 10:00:00 +9999",
    ],
)
def test_no_date_is_a_value_error(text: str) -> None:
    """Nonsense has one exception, whatever the nonsense."""
    with pytest.raises(ValueError, match=r".+"):
        parse_http_date(text)


@given(st.text(max_size=40) | st.from_regex(r"\w{3}, \d+ (Nov|Jan) \d+ \d+:\d+:\d+ .*"))
def test_dates_raise_only_value_error(text: str) -> None:
    """Whatever a server sends as a date is an aware moment or a ValueError."""
    try:
        moment = parse_http_date(text)
    except ValueError:
        return
    assert moment.tzinfo is not None


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda date: date.year >= 1000))
def test_usual_dates(date: datetime) -> None:
    """Dates as OSS writes them come back to the second."""
    moment = date.replace(microsecond=0)
    assert parse_http_date(format_datetime(moment, usegmt=True)) == moment


@given(st.from_regex(r"\A\w{3}, \d\d (Nov|Jan) [1-9]\d{3} \d\d:\d\d:\d\d GMT\Z"))
def test_odd_dates_of_usual_length(text: str) -> None:
    """The quick way reads nothing that the general parser reads otherwise."""
    assert end_of(parse_http_date, text) == end_of(parsedate_to_datetime, text)


def end_of(parse: Callable[[str], datetime], text: str) -> datetime | None:
    try:
        return parse(text)
    except ValueError:
        return None
