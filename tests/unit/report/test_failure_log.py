"""Failed objects, told to a log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.outcome import Outcome
from bulkmeta.report.failure_log import MOST, FailureLog

if TYPE_CHECKING:
    import pytest


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, Any]]:
    return [
        (r.levelname, r.getMessage(), getattr(r, "fields", None))
        for r in caplog.records
    ]


def test_what_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Only of what failed: why, in the service's own words, and by which request."""
    log = FailureLog()
    error = ErrorDetail("AccessDenied", 403, "no", "6B04", "0003-1")
    log.emit(Outcome(seq=1, key="a", status="updated"))
    log.emit(Outcome(seq=2, key="b", status="skipped", reason="symlink"))
    log.emit(Outcome(seq=3, key="c\n", status="failed", reason="denied", error=error))
    log.emit(Outcome(seq=4, key="d", status="failed", reason="drift", request_id="77"))
    log.flush()
    fields = {
        "key": "c\n",
        "status": "failed",
        "reason": "denied",
        "code": "AccessDenied",
        "http_status": 403,
        "request_id": "6B04",
        "ec": "0003-1",
    }
    none = dict.fromkeys(("code", "http_status", "ec"))
    drift = {**fields, **none, "key": "d", "reason": "drift", "request_id": "77"}
    assert told(caplog) == [
        ("WARNING", 'failed: "c\\n": denied: no', fields),
        ("WARNING", "failed: d: drift", drift),
    ]


def test_not_without_end(caplog: pytest.LogCaptureFixture) -> None:
    """So many, and one line that says that there are more."""
    log = FailureLog()
    caplog.set_level(logging.WARNING)
    for seq in range(MOST + 500):
        log.emit(Outcome(seq=seq, key=f"{seq}", status="failed", reason="r"))
    found = told(caplog)
    assert len(found) == MOST + 1
    assert found[-2][1] == f"failed: {MOST - 1}: r"
    assert found[-1][1] == (
        f"more than {MOST} objects failed; no further one is told of here"
    )
