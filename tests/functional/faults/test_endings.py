"""Faults of all objects end the run, and what was done is on record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from tests.functional.faults.conftest import (
    ACL,
    AFTER,
    BEFORE,
    BUCKET_WIDE,
    COPY,
    FAULTS,
    HEAD,
    KEYS,
    LASTING,
    LIST,
    VICTIM,
    Apply,
    assert_one_line,
    assert_untouched,
    counts,
    meet,
    refusal,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

RUN_FATAL = [
    (403, "InvalidAccessKeyId"),
    (403, "UserDisable"),
    (403, "BucketDisable"),
    (404, "NoSuchBucket"),
    (403, "SecurityTokenExpired"),
    (403, "KmsInDebt"),
]


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("name", LASTING)
@pytest.mark.parametrize("operation", BUCKET_WIDE)
def test_a_lasting_fault_of_the_bucket_ends_the_run(
    oss: EmbeddedOSS, apply: Apply, operation: str, name: str
) -> None:
    """Without a listing there is no run: exit 4, one line, a bound on the tries."""
    meet(oss, FAULTS[name], operation)
    retries = "0" if name == "hang" else "1"

    result = apply("--retries", retries)

    assert result.code == 4
    assert_one_line(result.err)
    assert counts(oss)[operation] == int(retries) + 1
    assert counts(oss)[COPY] == 0


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("operation", [LIST, HEAD, ACL, COPY])
@pytest.mark.parametrize(("status", "code"), RUN_FATAL)
def test_what_is_wrong_for_every_object_ends_the_run(
    oss: EmbeddedOSS,
    apply: Apply,
    read_run: Any,
    operation: str,
    status: int,
    code: str,
) -> None:
    """Credentials, bucket or account at fault: exit 4, one line, no summary."""
    meet(oss, refusal(status, code), operation)

    result = apply("--concurrency", "1")

    assert result.code == 4
    assert_one_line(result.err)
    assert code in result.err
    assert "[request " in result.err
    assert read_run("run.jsonl").summary is None
    tries = 3 if code == "SecurityTokenExpired" else 1
    assert counts(oss)[operation] == tries
    for key in KEYS:
        assert_untouched(oss, key)


def test_slow_updates_under_way_have_their_line(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """The refusals of many end the run while updates of a few are slow to commit:
    each object that was changed has its line."""
    slow = [f"p/0{i}" for i in range(10)]
    denied = [f"p/x{i:03}" for i in range(154)]
    oss.store.put_objects("bucket", ({"key": key} for key in [*slow, *denied]))
    meet(oss, Fault("latency", seconds=0.7), COPY, key="p/0*")
    meet(oss, refusal(403, "AccessDenied"), HEAD, key="p/x*")

    result = apply("--concurrency", "64")

    assert result.code == 4
    assert "objects all failed with AccessDenied" in result.err
    lines = read_run("run.jsonl")
    assert lines.summary is None
    changed = {stored.key for stored in oss.store.objects("bucket") if stored.meta}
    assert set() < changed <= set(slow)  # on a busy machine some are not sent any more
    updated = {k for k, ln in lines.by_key().items() if ln["status"] == "updated"}
    assert updated == changed


def test_a_service_that_no_longer_answers_ends_the_run(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """Nothing but resets after a good start: not an hour of failures, but exit 4."""
    oss.store.put_objects("bucket", ({"key": f"p/{i:04}"} for i in range(500)))
    meet(oss, FAULTS["reset"], HEAD, skip=10)

    result = apply("--concurrency", "8", "--retries", "0")

    assert result.code == 4
    assert_one_line(result.err)
    assert "no longer answers" in result.err
    lines = read_run("run.jsonl")
    assert lines.summary is None
    assert 74 <= len(lines.by_key()) < 200


@pytest.mark.usefixtures("objects")
def test_what_ends_the_run_does_not_lose_an_object_in_doubt(
    oss: EmbeddedOSS, apply: Apply, bulkmeta: Callable[..., Any], read_run: Any
) -> None:
    """An update landed, its answer was lost, and the head that should tell finds the
    credentials refused: exit 4, and both states stand in the journal; `resume` tells
    with them."""
    meet(oss, Fault("reset_after"), COPY, key=VICTIM, times=1)
    meet(oss, refusal(403, "InvalidAccessKeyId"), HEAD, key=VICTIM, skip=1)

    result = apply("--concurrency", "1")

    assert result.code == 4
    assert_one_line(result.err)
    assert "InvalidAccessKeyId" in result.err
    assert oss.store.get_object("bucket", VICTIM).meta == AFTER
    lines = read_run("run.jsonl")
    assert lines.summary is None
    assert VICTIM not in lines.by_key()
    assert "p/3" not in lines.by_key()

    oss.faults.clear()
    assert bulkmeta("resume", "run.jsonl").code == 0

    line = read_run("run.jsonl").by_key()[VICTIM]
    assert (line["status"], line["confirmed"]) == ("updated", True)
    assert (line["before"]["meta"], line["after"]["meta"]) == (BEFORE, AFTER)


@pytest.mark.parametrize("operation", [HEAD, ACL, COPY])
@pytest.mark.parametrize("concurrency", ["1", "64"])
def test_a_hundred_equal_refusals_end_the_run(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, operation: str, concurrency: str
) -> None:
    """The first hundred objects all AccessDenied: exit 4 with the cause, and every
    line that was had until then is in the run file."""
    oss.store.put_objects("bucket", ({"key": f"p/{i:04}"} for i in range(1500)))
    meet(oss, refusal(403, "AccessDenied"), operation)

    result = apply("--concurrency", concurrency)

    assert result.code == 4
    assert_one_line(result.err)
    assert "objects all failed with AccessDenied" in result.err
    lines = read_run("run.jsonl")
    assert lines.summary is None
    assert len(lines.by_key()) >= 100
    assert {line["reason"] for line in lines.objects} == {"access_denied"}
    assert counts(oss)[operation] < 400
