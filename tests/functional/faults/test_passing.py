"""Faults that pass cost requests, and nothing else."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.engine.worker import SLOW_COPY_S
from tests.functional.faults.conftest import (
    ACL,
    AFTER,
    BEFORE,
    BUCKET_WIDE,
    COPY,
    FAULTS,
    HANG_S,
    HEAD,
    KEYS,
    LIST,
    VERSIONING,
    VICTIM,
    Apply,
    asked,
    assert_changed,
    assert_one_line,
    counts,
    meet,
    refusal,
    requests,
    written,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

OPERATIONS = (VERSIONING, LIST, HEAD, ACL, COPY)
LOST_AFTER_COMMIT = {
    "reset-after": Fault("reset_after"),
    "hang-after": Fault("hang_after", seconds=HANG_S),
    "truncated": Fault("truncate"),
}


class Terminal(io.StringIO):
    """A terminal at which nobody types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_passing_fault_costs_only_requests(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, operation: str, name: str
) -> None:
    """Two faults in a row, on any request, and every object is updated exactly once."""
    times = 1 if name == "hang" else 2
    meet(oss, FAULTS[name], operation, times=times, key=_victim(operation))

    result = apply()

    assert result.code == 0, result.err
    lines = read_run("run.jsonl")
    for key in KEYS:
        assert_changed(oss, key)
        line = lines.by_key()[key]
        assert (line["status"], line["reason"]) == ("updated", None)
        assert (line["before"]["meta"], line["after"]["meta"]) == (BEFORE, AFTER)
        assert (line["error"], line["conflicts"]) == (None, 0)
    attempts = {key: line["attempts"] for key, line in lines.by_key().items()}
    landed = name == "truncated" and operation == COPY
    retries = 0 if operation in BUCKET_WIDE else 1 if landed else times
    assert attempts == {"p/1": 1, VICTIM: 1 + retries, "p/3": 1}
    assert counts(oss) == _expected(operation, name, times)
    assert lines.by_key()[VICTIM]["confirmed"] is landed
    assert lines.summary["counts"]["updated"] == 3


def _victim(operation: str) -> str | None:
    return None if operation in BUCKET_WIDE else VICTIM


def _expected(operation: str, name: str, times: int) -> Counter[str]:
    expected = Counter({VERSIONING: 1, LIST: 1, HEAD: 3, ACL: 3, COPY: 3})
    if operation != COPY or name.startswith("429"):
        expected[operation] += times
    elif name == "truncated":  # committed: a head finds that out, nothing else is sent
        expected[HEAD] += 1
    else:  # of unknown fate: a head, and then all of it again
        expected.update({HEAD: times, ACL: times, COPY: times})
    return expected


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("name", LOST_AFTER_COMMIT)
def test_a_lost_answer_of_a_landed_write_is_confirmed_by_a_head(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, name: str
) -> None:
    """The write is found in effect and not sent again: one write, one version."""
    meet(oss, LOST_AFTER_COMMIT[name], COPY, key=VICTIM)

    result = apply()

    assert result.code == 0, result.err
    line = read_run("run.jsonl").by_key()[VICTIM]
    assert (line["status"], line["confirmed"], line["attempts"]) == ("updated", True, 2)
    assert (line["before"]["meta"], line["after"]["meta"]) == (BEFORE, AFTER)
    assert line["before"]["acl"] == "private"
    assert_changed(oss, VICTIM)
    assert asked(oss, COPY, VICTIM) == 1
    assert asked(oss, HEAD, VICTIM) == 2


@pytest.mark.usefixtures("objects")
def test_a_landed_write_is_confirmed_even_without_retries(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """`--retries 0` forbids to send again, not to look: a head settles the doubt."""
    meet(oss, Fault("reset_after"), COPY, key=VICTIM)

    result = apply("--retries", "0")

    assert result.code == 0, result.err
    assert read_run("run.jsonl").by_key()[VICTIM]["confirmed"] is True
    assert_changed(oss, VICTIM)


@pytest.mark.usefixtures("objects")
def test_a_landed_write_under_a_later_foreign_one_is_confirmed(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """Our answer is lost and another writer follows: both changes stay, none is sent
    twice."""
    meet(oss, Fault("reset_after"), COPY, key=VICTIM)
    foreign = Fault("foreign_write", meta={"theirs": "1"}, acl="private")
    meet(oss, foreign, HEAD, key=VICTIM, skip=1, times=1)

    result = apply()

    assert result.code == 0, result.err
    line = read_run("run.jsonl").by_key()[VICTIM]
    assert (line["status"], line["confirmed"]) == ("updated", True)
    assert (line["before"]["meta"], line["after"]["meta"]) == (BEFORE, AFTER)
    # What the head shows is the other writer's date, and one conflict.
    assert (line["last_modified"], line["conflicts"]) == (None, 1)
    assert oss.store.get_object("bucket", VICTIM).meta == {**AFTER, "theirs": "1"}
    assert len(written(oss, VICTIM)) == 1


@pytest.mark.usefixtures("objects")
def test_a_lost_write_that_did_not_land_meets_a_foreign_one(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """Neither old nor wanted state after a lost answer: merged again, nothing lost."""
    meet(oss, Fault("reset_before"), COPY, key=VICTIM, times=1)
    foreign = Fault("foreign_write", meta={"theirs": "1"})
    meet(oss, foreign, HEAD, key=VICTIM, skip=1, times=1)

    result = apply()

    assert result.code == 0, result.err
    line = read_run("run.jsonl").by_key()[VICTIM]
    assert (line["status"], line["confirmed"]) == ("updated", False)
    assert line["before"]["meta"] == {**BEFORE, "theirs": "1"}
    assert oss.store.get_object("bucket", VICTIM).meta == {**AFTER, "theirs": "1"}
    assert len(written(oss, VICTIM)) == 1


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("name", ["429", "429-other", "503", "503-other"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_throttling_is_waited_out_however_long(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, operation: str, name: str
) -> None:
    """Thirty refusals in a row with `--retries 1`: no object fails for it."""
    meet(oss, FAULTS[name], operation, times=30, key=_victim(operation))

    result = apply("--retries", "1")

    assert result.code == 0, result.err
    line = read_run("run.jsonl").by_key()[VICTIM]
    assert line["status"] == "updated"
    assert line["attempts"] == (1 if operation in BUCKET_WIDE else 31)
    for key in KEYS:
        assert_changed(oss, key)
    needed = 1 if operation in BUCKET_WIDE else 3
    assert counts(oss)[operation] == needed + 30


@pytest.mark.usefixtures("objects")
def test_throttling_between_failures_does_not_use_up_the_retries(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """One real failure among many refusals is still within `--retries 1`."""
    meet(oss, FAULTS["429"], COPY, key=VICTIM, times=10)
    meet(oss, FAULTS["reset"], COPY, key=VICTIM, times=1, skip=5)
    meet(oss, FAULTS["503"], COPY, key=VICTIM, times=10)

    result = apply("--retries", "1")

    assert result.code == 0, result.err
    assert read_run("run.jsonl").by_key()[VICTIM]["status"] == "updated"
    assert_changed(oss, VICTIM)


@pytest.mark.usefixtures("objects")
def test_throttling_of_the_first_look_at_the_bucket_is_bounded(
    oss: EmbeddedOSS, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody waits for the question, but not forever: exit 4 after two retries."""
    meet(oss, FAULTS["429"], VERSIONING)
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    result = apply(yes=False)

    assert result.code == 4
    assert_one_line(result.err)
    assert "QpsLimitExceeded" in result.err
    assert counts(oss) == {VERSIONING: 3}


@pytest.mark.usefixtures("objects")
def test_one_conflict_is_merged_again(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """A 412 that nobody's write explains: head, merge and update once more."""
    meet(oss, refusal(412, "PreconditionFailed"), COPY, key=VICTIM, times=1)

    result = apply()

    assert result.code == 0, result.err
    line = read_run("run.jsonl").by_key()[VICTIM]
    assert (line["status"], line["conflicts"], line["attempts"]) == ("updated", 1, 1)
    assert_changed(oss, VICTIM)
    assert counts(oss) == {VERSIONING: 1, LIST: 1, HEAD: 4, ACL: 4, COPY: 4}


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("operation", [HEAD, ACL, COPY])
def test_an_object_deleted_under_way_is_skipped(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, operation: str
) -> None:
    """Gone before any of its requests: `skipped: gone`, exit 0, not brought back."""
    meet(oss, Fault("delete"), operation, key=VICTIM)

    result = apply()

    assert result.code == 0, result.err
    line = read_run("run.jsonl").by_key()[VICTIM]
    assert (line["status"], line["reason"]) == ("skipped", "gone")
    assert line["error"]["ec"] == "0026-00000001"
    assert oss.store.find("bucket", VICTIM) is None
    assert [stored.key for stored in oss.store.objects("bucket")] == ["p/1", "p/3"]


@pytest.mark.usefixtures("objects")
def test_an_object_deleted_after_a_lost_answer_is_skipped(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """The head that should settle the doubt finds nothing: gone, with both states."""
    meet(oss, Fault("reset_before"), COPY, key=VICTIM)
    meet(oss, Fault("delete"), HEAD, key=VICTIM, skip=1)

    result = apply()

    assert result.code == 0, result.err
    line = read_run("run.jsonl").by_key()[VICTIM]
    assert (line["status"], line["reason"]) == ("skipped", "gone")
    assert line["before"]["meta"] == BEFORE


@pytest.mark.usefixtures("objects")
def test_every_request_at_random(oss: EmbeddedOSS, apply: Apply, read_run: Any) -> None:
    """All faults at once, on all requests: whatever is said of an object is true."""
    oss.store.put_objects(
        "bucket", ({"key": f"p/x{i:03}", "meta": BEFORE} for i in range(100))
    )
    meet(oss, Fault("foreign_write", meta={"theirs": "1"}), COPY, probability=0.1)
    for operation in (LIST, HEAD, ACL, COPY):
        for name in ("429", "503", "500", "502-html", "reset", "truncated"):
            meet(oss, FAULTS[name], operation, probability=0.05)
    meet(oss, Fault("reset_after"), COPY, probability=0.1)

    result = apply("--retries", "20")

    assert result.code == 0, result.err
    lines = read_run("run.jsonl")
    assert len(lines.by_key()) == 103
    disturbed = {
        logged.key
        for logged in requests(oss)
        if "foreign_write" in (logged.fault or "")
    }
    assert disturbed
    for stored in oss.store.objects("bucket", "p/"):
        theirs = {"theirs": "1"} if stored.key in disturbed else {}
        assert stored.meta == {**AFTER, **theirs}
        assert lines.by_key()[stored.key]["status"] == "updated"
        assert len(written(oss, stored.key)) == 1


@pytest.mark.usefixtures("objects")
def test_a_slow_copy_is_waited_for_before_it_is_sent_again(
    oss: EmbeddedOSS, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer in time: the copy may be under way, and gets half a minute to show."""
    waits: list[float] = []
    jump: Any = StopRequest.sleep

    async def noted(stop: StopRequest, seconds: float) -> None:
        waits.append(seconds)
        await jump(stop, seconds)

    monkeypatch.setattr(StopRequest, "sleep", noted)
    meet(oss, FAULTS["hang"], COPY, key=VICTIM, times=1)

    result = apply("--concurrency", "1")

    assert result.code == 0, result.err
    assert waits == [SLOW_COPY_S]
    assert_changed(oss, VICTIM)


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDenied"), (405, "MethodNotAllowed"), (400, "NotImplemented")],
)
def test_a_bucket_that_does_not_tell_of_versions_is_warned_of(
    oss: EmbeddedOSS, apply: Apply, status: int, code: str
) -> None:
    """The one question that a run can do without: a warning, and it goes on."""
    meet(oss, refusal(status, code), VERSIONING)

    result = apply()

    assert result.code == 0, result.err
    assert "oss:GetBucketVersioning" in result.err
    for key in KEYS:
        assert_changed(oss, key)
