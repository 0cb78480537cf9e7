"""Every request of a run meets every fault: what happens to the object and the run.

Waiting is taken out: back-off is zero, and where the worker waits for a just-written
object to settle, the embedded OSS's clock moves instead. For the adaptive rate, which
refusals lower, time passes quicker.
"""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.engine.worker import MAX_CONFLICTS, SLOW_COPY_S
from bulkmeta.oss.deadlines import Deadlines

if TYPE_CHECKING:
    from bulkmeta.emulator.log import LoggedRequest

VERSIONING, LIST = "GetBucketVersioning", "ListObjectsV2"
HEAD, ACL, COPY = "HeadObject", "GetObjectAcl", "CopyObject"
OPERATIONS = (VERSIONING, LIST, HEAD, ACL, COPY)
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
LOST_AFTER_COMMIT = {
    "reset-after": Fault("reset_after"),
    "hang-after": Fault("hang_after", seconds=HANG_S),
    "truncated": Fault("truncate"),
}
# How a lasting fault reads in an outcome: reason, code, status.
LASTING = {
    "500": ("server_error", "InternalError", 500),
    "502-html": ("server_error", "HTTP502", 502),
    "reset": ("connection", "connection", None),
    "truncated": ("connection", "connection", None),
    "hang": ("timeout", "timeout", None),
}
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
RUN_FATAL = [
    (403, "InvalidAccessKeyId"),
    (403, "UserDisable"),
    (403, "BucketDisable"),
    (404, "NoSuchBucket"),
    (403, "SecurityTokenExpired"),
    (403, "KmsInDebt"),
]


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


class Terminal(io.StringIO):
    """A terminal at which nobody types."""

    def isatty(self) -> bool:
        return True


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

    result = apply(yes=False)

    assert result.code == 4
    assert_one_line(result.err)
    assert "QpsLimitExceeded" in result.err
    assert counts(oss) == {VERSIONING: 3}


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
@pytest.mark.parametrize("offset_s", [-3600.0, 3600.0])
def test_a_wrong_clock_is_corrected_by_the_services_own(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, offset_s: float
) -> None:
    """An hour off in either direction: one refusal, then signed by the service's
    time."""
    oss.clock.offset_s = offset_s

    result = apply("--concurrency", "1", "--retries", "0")

    assert result.code == 0, result.err
    assert {line["status"] for line in read_run("run.jsonl").objects} == {"updated"}
    skewed = [r for r in requests(oss) if r.code == "RequestTimeTooSkewed"]
    assert [logged.operation for logged in skewed] == [VERSIONING]


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


@pytest.mark.usefixtures("objects")
def test_a_clock_that_jumps_in_mid_run_is_corrected(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """Many requests refused at once correct the clock once, and are sent again."""

    def jumping_s() -> float:
        begun = any(operation == HEAD for operation, _ in oss.log.operations())
        return time.time() + 3600 * begun

    oss.clock._now = jumping_s

    result = apply()

    assert result.code == 0, result.err
    assert {line["status"] for line in read_run("run.jsonl").objects} == {"updated"}
    for key in KEYS:
        assert oss.store.get_object("bucket", key).meta == AFTER


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize(
    "date",
    [
        "",
        "soon",
        "Sun, 22 Nov 2026 12:00:00",
        "Sun, 22 Nov 2026 12:00:00 -0000",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Sun, 22 Nov 2026 12:00:00 +99999999999999",
    ],
)
def test_a_service_without_a_sane_date_ends_the_run(
    oss: EmbeddedOSS, apply: Apply, monkeypatch: pytest.MonkeyPatch, date: str
) -> None:
    """Refused for its clock by a service that does not tell the time: exit 4."""
    oss.clock.offset_s = 3600
    monkeypatch.setattr("bulkmeta.emulator.service.http_date", lambda _: date)

    result = apply("--retries", "2")

    assert result.code == 4
    assert_one_line(result.err)
    assert "clock" in result.err
    assert counts(oss)[VERSIONING] <= 3
    for key in KEYS:
        assert_untouched(oss, key)


@pytest.mark.usefixtures("objects")
def test_a_skew_that_correcting_does_not_cure_ends_the_run(
    oss: EmbeddedOSS, apply: Apply
) -> None:
    """RequestTimeTooSkewed though both clocks agree: not tried for ever."""
    meet(oss, refusal(403, "RequestTimeTooSkewed"), VERSIONING)

    result = apply()

    assert result.code == 4
    assert_one_line(result.err)
    assert counts(oss) == {VERSIONING: 1}


def test_a_real_expired_token_ends_the_run(
    apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token past its time is tried three times, then it is the run's end."""
    expired = Credential("id", "s3cr3t", "t0k3n", expires_at=time.time() - 1)
    with EmbeddedOSS(EmulatorOptions(credentials=(expired,))) as other:
        other.store.create_bucket("bucket")
        for name, value in other.environment.items():
            monkeypatch.setenv(name, value)

        result = apply()

        assert result.code == 4
        assert_one_line(result.err)
        assert "SecurityTokenExpired" in result.err
        assert "s3cr3t" not in result.err
        assert "t0k3n" not in result.err
        assert other.log.operations() == [(VERSIONING, "")] * 3


@pytest.mark.usefixtures("objects")
def test_an_expired_token_in_mid_run_is_tried_a_bounded_number_of_times(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """A credential that runs out in mid-run ends it; what was done is on record."""
    meet(oss, refusal(403, "SecurityTokenExpired"), HEAD, skip=1)

    result = apply("--concurrency", "1")

    assert result.code == 4
    assert_one_line(result.err)
    assert counts(oss)[HEAD] == 1 + 3
    lines = read_run("run.jsonl")
    assert [(line["key"], line["status"]) for line in lines.objects] == [
        ("p/1", "updated")
    ]
    assert_changed(oss, "p/1")


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
