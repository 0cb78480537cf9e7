"""The line of one object in the run file."""

from __future__ import annotations

import json

import msgspec

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.outcome import STATUSES, Outcome, timestamp

FULL = Outcome(
    seq=17,
    key="a/测试",
    status="failed",
    reason="conflict",
    before=Metadata(
        {"a": "1"}, {"expires": "e"}, "private", {"t": "v"}, "IA", {"s": "k"}
    ),
    after=Metadata({}, {}),
    etag="E",
    last_modified="Sun, 22 Nov 2026 10:00:00 GMT",
    version_id="v1",
    confirmed=True,
    error=ErrorDetail("C", 412, "m", "r", "ec"),
    request_id="r",
    attempts=2,
    conflicts=1,
    elapsed_ms=12.3,
    at="2026-11-22T10:00:00.000Z",
)


def test_fields_of_the_line_and_their_order() -> None:
    """The names of design section 4 in that order (and last_modified after etag)."""
    fields = list(json.loads(msgspec.json.encode(FULL)))
    assert fields == [
        "type",
        "seq",
        "key",
        "status",
        "reason",
        "before",
        "after",
        "etag",
        "last_modified",
        "version_id",
        "confirmed",
        "error",
        "request_id",
        "attempts",
        "conflicts",
        "elapsed_ms",
        "at",
    ]


def test_line_of_the_least() -> None:
    """Every field stands in every line, those without a value too."""
    line = json.loads(msgspec.json.encode(Outcome(seq=1, key="a", status="unchanged")))
    assert line == {
        "type": "object",
        "seq": 1,
        "key": "a",
        "status": "unchanged",
        "reason": None,
        "before": None,
        "after": None,
        "etag": None,
        "last_modified": None,
        "version_id": None,
        "confirmed": False,
        "error": None,
        "request_id": None,
        "attempts": 1,
        "conflicts": 0,
        "elapsed_ms": 0.0,
        "at": "",
    }


def test_states_hold_what_was_read() -> None:
    """A state has the six names of the design, less what was neither read nor there."""
    line = json.loads(msgspec.json.encode(FULL))
    assert (list(line["before"]), line["after"]) == (
        ["meta", "headers", "acl", "tags", "storage_class", "sse"],
        {"meta": {}, "headers": {}},
    )


def test_error_fields() -> None:
    """The service's words carry the five names of the design."""
    line = json.loads(msgspec.json.encode(FULL))
    assert line["error"] == {
        "code": "C",
        "http_status": 412,
        "message": "m",
        "request_id": "r",
        "ec": "ec",
    }


def test_round_trip() -> None:
    """A line read back is the outcome that was written."""
    assert msgspec.json.decode(msgspec.json.encode(FULL), type=Outcome) == FULL


def test_statuses() -> None:
    """The five ends that an object can have."""
    assert STATUSES == ("updated", "unchanged", "planned", "skipped", "failed")


def test_timestamp() -> None:
    """In UTC, with the milliseconds that have passed: all three digits of them."""
    assert timestamp(1_795_000_000.0625) == "2026-11-18T11:06:40.062Z"
    assert timestamp(1_795_000_000.0) == "2026-11-18T11:06:40.000Z"
