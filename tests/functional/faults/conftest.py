"""A fault for one operation, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.oss.deadlines import Deadlines

if TYPE_CHECKING:
    from bulkmeta.emulator.log import LoggedRequest
    from bulkmeta.emulator.server import EmbeddedOSS


VERSIONING, LIST = "GetBucketVersioning", "ListObjectsV2"
HEAD, ACL, COPY = "HeadObject", "GetObjectAcl", "CopyObject"
BUCKET_WIDE = (VERSIONING, LIST)
KEYS = ("p/1", "p/2", "p/3")
VICTIM = "p/2"
BEFORE = {"owner": "测试"}
AFTER = {"owner": "测试", "project": "atlas"}
# Long enough for a busy machine to answer, short enough to wait for.
TIMEOUT_S = 1.0
HANG_S = 30.0
Apply = Callable[..., Any]


def refusal(status: int, code: str) -> Fault:
    return Fault("error", status=status, code=code, message="made up")


FAULTS = {
    "429": refusal(429, "QpsLimitExceeded"),
    "429-other": refusal(429, "SomeNewLimit"),
    "503": refusal(503, "ServiceUnavailable"),
    "503-other": refusal(503, "SomeOtherLimit"),
    "500": refusal(500, "InternalError"),
    "502-html": Fault("html"),
    "reset": Fault("reset_before"),
    "truncated": Fault("truncate"),
    "hang": Fault("hang", seconds=HANG_S),
}
# How a lasting fault reads in an outcome: reason, code, status.
LASTING = {
    "500": ("server_error", "InternalError", 500),
    "502-html": ("server_error", "HTTP502", 502),
    "reset": ("connection", "connection", None),
    "truncated": ("connection", "connection", None),
    "hang": ("timeout", "timeout", None),
}


@pytest.fixture(autouse=True)
def _no_waiting(
    time_jumps: None, quick_pace: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del time_jumps, quick_pace
    monkeypatch.setattr("bulkmeta.oss.retry.backoff_s", lambda _: 0.0)
    monkeypatch.setattr("bulkmeta.engine.worker.backoff_s", lambda _: 0.0)
    monkeypatch.setattr(
        "bulkmeta.oss.transport.Deadlines", lambda _: Deadlines(TIMEOUT_S)
    )


@pytest.fixture
def objects(oss: EmbeddedOSS) -> None:
    """Three objects, each with metadata that is not named by the change."""
    for key in KEYS:
        oss.store.put_object(
            "bucket",
            key,
            body=key.encode(),
            meta=BEFORE,
            headers={"cache-control": "no-cache"},
            content_type="text/plain",
            acl="private",
            tags={"t": "1"},
        )


@pytest.fixture
def apply(bulkmeta: Callable[..., Any]) -> Apply:
    """The main job, without questions and progress."""

    def invoke(*options: str, yes: bool = True) -> Any:
        return bulkmeta(
            "apply", "oss://bucket/p/", "--set", "project=atlas",
            *(["--yes"] if yes else []),
            "--run-file", "run.jsonl", "--progress", "none", *options,
        )  # fmt: skip

    return invoke


def meet(oss: EmbeddedOSS, fault: Fault, operation: str, **changes: Any) -> None:
    """Put a fault in force for one operation."""
    oss.faults.add(
        Fault(
            **{
                **{name: getattr(fault, name) for name in Fault.__slots__},
                "operation": operation,
                **changes,
            }
        )
    )


def requests(oss: EmbeddedOSS) -> list[LoggedRequest]:
    """All requests, once those that a client gave up have been logged as well."""
    deadline_s = time.monotonic() + 10
    while True:
        logged = oss.log.requests()
        met = sum(len(r.fault.split("+")) for r in logged if r.fault)
        if met == sum(fired for _, fired in oss.faults.rules()):
            return logged
        assert time.monotonic() < deadline_s, "a request was never logged"
        time.sleep(0.01)


def counts(oss: EmbeddedOSS) -> Counter[str]:
    """Requests by operation."""
    return Counter(logged.operation for logged in requests(oss))


def asked(oss: EmbeddedOSS, operation: str, key: str) -> int:
    """Requests of one operation for one object."""
    return sum((r.operation, r.key) == (operation, key) for r in requests(oss))


def written(oss: EmbeddedOSS, key: str) -> list[LoggedRequest]:
    """The updates of a key that took effect."""
    return [
        logged
        for logged in requests(oss)
        if (logged.operation, logged.key, logged.status) == (COPY, key, 200)
    ]


def assert_changed(oss: EmbeddedOSS, key: str) -> None:
    """The object carries our change, and lost nothing by it."""
    stored = oss.store.get_object("bucket", key)
    assert stored.meta == AFTER
    assert stored.headers == {"cache-control": "no-cache"}
    assert stored.content_type == "text/plain"
    assert stored.acl == "private"
    assert stored.tags == {"t": "1"}
    assert len(written(oss, key)) == 1


def assert_untouched(oss: EmbeddedOSS, key: str) -> None:
    assert oss.store.get_object("bucket", key).meta == BEFORE
    assert written(oss, key) == []


def assert_one_line(err: str) -> None:
    """A complaint is the last line, and the only one of its kind."""
    *order, last = err.splitlines()
    assert last.startswith("bulkmeta: ")
    assert not any(line.startswith("bulkmeta: ") for line in order)
    assert "Traceback" not in err
