"""Faults that last fail an object, with what may have landed on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.engine.worker import MAX_CONFLICTS
from tests.functional.faults.conftest import (
    ACL,
    AFTER,
    BEFORE,
    COPY,
    FAULTS,
    HEAD,
    KEYS,
    LASTING,
    VICTIM,
    Apply,
    asked,
    assert_changed,
    assert_untouched,
    counts,
    meet,
    refusal,
    requests,
    written,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.log import LoggedRequest
    from bulkmeta.emulator.server import EmbeddedOSS

# Refusals that no repetition changes: status, code, reason, the object's status.
REFUSALS = [
    (403, "AccessDenied", "access_denied", "failed"),
    (403, "SignatureDoesNotMatch", "signature", "failed"),
    (403, "InvalidObjectState", "archived", "skipped"),
    (405, "MethodNotAllowed", "unsupported", "failed"),
    (409, "FileImmutable", "immutable", "failed"),
    (400, "EntityTooLarge", "too_large", "failed"),
    (400, "InvalidArgument", "invalid_argument", "failed"),
    (404, "NoSuchKey", "gone", "skipped"),
    (418, "Teapot", "service_error", "failed"),
]


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("name", LASTING)
@pytest.mark.parametrize("operation", [HEAD, ACL])
def test_a_lasting_fault_of_a_read_fails_one_object(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, operation: str, name: str
) -> None:
    """The tries are bounded, the object is left alone, the others are updated."""
    meet(oss, FAULTS[name], operation, key=VICTIM)

    result = apply("--retries", "1" if name != "hang" else "0")

    assert result.code == 1, result.err
    _assert_failed(oss, read_run, LASTING[name])
    assert_untouched(oss, VICTIM)
    tries = 1 if name == "hang" else 2
    assert counts(oss)[operation] == 2 + tries
    assert read_run("run.jsonl").by_key()[VICTIM]["attempts"] == tries
    assert asked(oss, COPY, VICTIM) == 0


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("name", [name for name in LASTING if name != "truncated"])
def test_a_lasting_fault_of_the_update_records_both_states(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, name: str
) -> None:
    """An update that never got through is `failed`; it might yet land, so its line
    tells the state before and the state wanted."""
    meet(oss, FAULTS[name], COPY, key=VICTIM)

    result = apply("--retries", "1" if name != "hang" else "0")

    assert result.code == 1, result.err
    line = _assert_failed(oss, read_run, LASTING[name])
    assert (line["before"]["meta"], line["after"]["meta"]) == (BEFORE, AFTER)
    assert line["before"]["acl"] == line["after"]["acl"] == "private"
    assert (line["etag"], line["confirmed"]) == (
        oss.store.get_object("bucket", VICTIM).etag,
        False,
    )
    assert_untouched(oss, VICTIM)
    tries = 1 if name == "hang" else 2
    assert asked(oss, COPY, VICTIM) == tries
    # The last word is a head's: only it knows that nothing landed.
    assert asked(oss, HEAD, VICTIM) == 1 + tries


def _assert_failed(
    oss: EmbeddedOSS, read_run: Any, expected: tuple[str, str, int | None]
) -> dict[str, Any]:
    lines = read_run("run.jsonl")
    line: dict[str, Any] = lines.by_key()[VICTIM]
    error = line["error"]
    assert line["status"] == "failed"
    assert (line["reason"], error["code"], error["http_status"]) == expected
    for key in ("p/1", "p/3"):
        assert lines.by_key()[key]["status"] == "updated"
        assert_changed(oss, key)
    counted = lines.summary["counts"]
    assert (counted["updated"], counted["failed"]) == (2, 1)
    return line


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize(("status", "code", "reason", "ending"), REFUSALS)
@pytest.mark.parametrize("operation", [HEAD, ACL, COPY])
def test_a_refusal_for_good_is_not_repeated(
    oss: EmbeddedOSS,
    apply: Apply,
    read_run: Any,
    operation: str,
    status: int,
    code: str,
    reason: str,
    ending: str,
) -> None:
    """One request, one line with the service's own words; the others are updated."""
    meet(oss, refusal(status, code), operation, key=VICTIM)

    result = apply("--concurrency", "1")

    assert result.code == (1 if ending == "failed" else 0), result.err
    lines = read_run("run.jsonl")
    line = lines.by_key()[VICTIM]
    assert (line["status"], line["reason"]) == (ending, reason)
    assert (line["attempts"], line["conflicts"], line["confirmed"]) == (1, 0, False)
    refused = _refused(oss, operation)
    assert line["error"] == {
        "code": code,
        "http_status": status,
        "message": "made up",
        "request_id": refused.request_id,
        "ec": None,
    }
    assert line["request_id"] == refused.request_id
    assert_untouched(oss, VICTIM)
    for key in ("p/1", "p/3"):
        assert_changed(oss, key)
    assert lines.summary["reasons"] == {f"{ending}: {reason}": 1}


def _refused(oss: EmbeddedOSS, operation: str) -> LoggedRequest:
    (refused,) = [
        logged
        for logged in requests(oss)
        if (logged.operation, logged.key) == (operation, VICTIM)
    ]
    return refused


def test_real_refusals_carry_their_ec(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """What the service really refuses: retention, and encrypted content over 1 GB."""
    sse = {"x-oss-server-side-encryption": "KMS"}
    oss.store.put_object("bucket", "p/big", size=2 * 1024**3, sse=sse)

    result = apply()

    assert result.code == 1
    line = read_run("run.jsonl").by_key()["p/big"]
    assert (line["status"], line["reason"]) == ("failed", "too_large")
    assert line["error"]["ec"] == "0026-00000019"
    assert oss.store.get_object("bucket", "p/big").sse == sse
    assert written(oss, "p/big") == []


@pytest.mark.usefixtures("objects")
def test_retention_refuses_every_object_and_changes_none(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """A bucket under retention: each object `failed: immutable`, each asked once."""
    oss.store.configure_bucket("bucket", worm=True)

    result = apply()

    assert result.code == 1
    lines = read_run("run.jsonl")
    assert {line["reason"] for line in lines.objects} == {"immutable"}
    assert counts(oss)[COPY] == 3
    for key in KEYS:
        assert_untouched(oss, key)


@pytest.mark.usefixtures("objects")
def test_endless_conflicts_are_given_up(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """A 412 on every try ends as `failed: conflict` after the bound. Nothing of ours
    landed, so no states are claimed."""
    meet(oss, refusal(412, "PreconditionFailed"), COPY, key=VICTIM)

    result = apply()

    assert result.code == 1
    line = _assert_failed(oss, read_run, ("conflict", "PreconditionFailed", 412))
    assert line["conflicts"] == MAX_CONFLICTS + 1
    assert (line["before"], line["after"]) == (None, None)
    assert asked(oss, COPY, VICTIM) == MAX_CONFLICTS + 1
    assert_untouched(oss, VICTIM)


@pytest.mark.usefixtures("objects")
def test_a_head_that_fails_for_good_after_a_lost_answer_leaves_both_states(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """The write landed, but nobody can tell: never `updated`, and undo has its
    states."""
    meet(oss, Fault("reset_after"), COPY, key=VICTIM)
    meet(oss, FAULTS["500"], HEAD, key=VICTIM, skip=1)

    result = apply("--retries", "1")

    assert result.code == 1
    line = _assert_failed(oss, read_run, LASTING["500"])
    assert (line["before"]["meta"], line["after"]["meta"]) == (BEFORE, AFTER)
    assert line["confirmed"] is False


@pytest.mark.usefixtures("objects")
def test_an_unknown_header_fails_its_object(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """A header that an update might lose stops that object before any write."""
    meet(oss, Fault("extra_header", headers={"x-oss-new-thing": "1"}), HEAD, key=VICTIM)

    result = apply()

    assert result.code == 1
    _assert_failed(oss, read_run, ("unknown_header", "unknown_header", None))
    assert_untouched(oss, VICTIM)


@pytest.mark.usefixtures("objects")
def test_a_refusal_after_a_lost_answer_keeps_both_states(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """The first update's answer is lost, the second one is refused for good: the first
    may yet land, so the line says what to go back to."""
    meet(oss, FAULTS["reset"], COPY, key=VICTIM, times=1)
    meet(oss, refusal(403, "AccessDenied"), COPY, key=VICTIM)

    assert apply().code == 1

    line = read_run("run.jsonl").by_key()[VICTIM]
    assert (line["status"], line["reason"]) == ("failed", "access_denied")
    assert (line["before"]["meta"], line["after"]["meta"]) == (BEFORE, AFTER)


def test_one_success_keeps_the_run_going(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """A hundred and fifty refusals after one success are the objects' own failures."""
    oss.store.put_objects("bucket", ({"key": f"p/{i:04}"} for i in range(150)))
    meet(oss, refusal(403, "AccessDenied"), HEAD, skip=1)

    result = apply("--concurrency", "1")

    assert result.code == 1
    summary = read_run("run.jsonl").summary
    assert summary["reasons"] == {"failed: access_denied": 149}


def test_a_different_refusal_keeps_the_run_going(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """Failures of two kinds are not one cause: the run goes to its end."""
    oss.store.put_objects("bucket", ({"key": f"p/{i:04}"} for i in range(150)))
    meet(oss, refusal(409, "FileImmutable"), COPY, key="p/0050")
    meet(oss, refusal(403, "AccessDenied"), COPY)

    result = apply("--concurrency", "1")

    assert result.code == 1
    assert read_run("run.jsonl").summary["objects"] == 150
