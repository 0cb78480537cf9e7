"""One object's journey, against a bucket that plays a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from bulkmeta.engine.viewer import Viewer
from bulkmeta.engine.worker import MAX_CONFLICTS, Worker, has_landed
from bulkmeta.errors import (
    AmbiguousWriteError,
    ErrorDetail,
    ObjectError,
    RunFatalError,
    ServiceError,
    TransportError,
    UsageError,
    Verdict,
)
from bulkmeta.model.changes import make_change
from bulkmeta.model.job import JobSpec, Rules, Target
from bulkmeta.model.metadata import ListedObject, Metadata, ObjectHead
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.model.view import ObjectView
from bulkmeta.oss.wire import CopyResult

if TYPE_CHECKING:
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.effort import Effort
    from tests.unit.conftest import VirtualTime

OLD_TIME = "Sun, 22 Nov 2026 10:00:00 GMT"
NEW_TIME = "Sun, 22 Nov 2026 12:00:00 GMT"
OLD = Metadata({"a": "1"}, {"expires": "x"})
WANTED = Metadata({"a": "1", "b": "2"}, {"expires": "x"})
OTHERS = Metadata({"a": "9"}, {"expires": "x"})
BOTH = Metadata({"a": "9", "b": "2"}, {"expires": "x"})
CHANGE = make_change(set_meta=[("b", "2")])
LISTED = ListedObject("k")


def head(metadata: Metadata, **other: Any) -> ObjectHead:
    plain = ObjectHead(metadata, "E", OLD_TIME, None, 0, "Normal", None, "head")
    return msgspec.structs.replace(plain, **other)


def refused(
    verdict: Verdict, reason: str = "reason", status: int = 400
) -> ServiceError:
    return ServiceError(verdict, reason, ErrorDetail("Code", status, "words", "req"))


CONFLICT = refused(Verdict.CONFLICT, "conflict", 412)


def lost(reason: str = "timeout") -> AmbiguousWriteError:
    return AmbiguousWriteError(TransportError(reason, "no answer", sent=True))


class ScriptedBucket:
    """Answers each kind of request from its script; the last answer stays."""

    name = "bucket"

    def __init__(self, heads: list[Any], updates: list[Any], acls: list[Any]) -> None:
        self._scripts = {"head": heads, "update": updates, "acl": acls}
        self.asked: list[str] = []
        self.sent: list[UpdatePlan] = []

    def _next(self, kind: str) -> Any:
        self.asked.append(kind)
        script = self._scripts[kind]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def head(self, _key: str, effort: Effort) -> ObjectHead:
        found: ObjectHead = self._next("head")
        effort.request_id = "head"
        return found

    async def acl(self, _key: str, _effort: Effort) -> str:
        acl: str = self._next("acl")
        return acl

    async def replace_metadata(self, plan: UpdatePlan, effort: Effort) -> CopyResult:
        self.sent.append(plan)
        result: CopyResult = self._next("update")
        effort.request_id = "update"
        return result


Run = Callable[..., Any]
ACCEPTED = CopyResult(NEW_TIME, None, "update")


@pytest.fixture
def process(virtual_time: VirtualTime) -> Run:
    """Process one object against a script; its outcome, less times, and the bucket."""

    async def run(
        heads: list[Any],
        updates: list[Any] | None = None,
        *,
        acls: list[Any] | None = None,
        rules: Rules | None = None,
        write: bool = True,
        retries: int = 3,
        listed: ListedObject = LISTED,
    ) -> tuple[Outcome, ScriptedBucket]:
        bucket = ScriptedBucket(heads, updates or [ACCEPTED], acls or ["default"])
        job = JobSpec(Target("bucket", "p"), CHANGE, rules or Rules(acl="skip"))
        worker = Worker(
            cast("Bucket", bucket),
            job,
            write=write,
            retries=retries,
            sleep=virtual_time.sleep,
        )
        outcome = await worker.process_object(7, listed)
        assert outcome.at.endswith("Z")
        return msgspec.structs.replace(outcome, at="", elapsed_ms=0.0), bucket

    return run


UPDATED = Outcome(
    seq=7,
    key="k",
    status="updated",
    before=OLD,
    after=WANTED,
    etag="E",
    last_modified=NEW_TIME,
    request_id="update",
)


async def test_updated(process: Run) -> None:
    """Head, merge, update: three steps, two requests."""
    outcome, bucket = await process([head(OLD)])
    assert (outcome, bucket.asked) == (UPDATED, ["head", "update"])
    assert bucket.sent == [UpdatePlan("k", OLD, WANTED, "E", OLD_TIME)]


async def test_unchanged_sends_nothing(process: Run) -> None:
    """Where nothing is to change no update leaves (promise 2)."""
    outcome, bucket = await process([head(WANTED)], rules=Rules(acl="preserve"))
    assert (outcome.status, outcome.before, outcome.after, bucket.asked) == (
        "unchanged",
        WANTED,
        WANTED,
        ["head"],
    )


async def test_planned_sends_nothing(process: Run) -> None:
    """A plan stops short of the update, and asks for no ACL."""
    outcome, bucket = await process([head(OLD)], write=False, rules=Rules())
    assert (outcome.status, outcome.after, outcome.last_modified, bucket.asked) == (
        "planned",
        WANTED,
        OLD_TIME,
        ["head"],
    )


async def test_acl_is_read_and_sent_back(process: Run) -> None:
    """By default the access control list goes along, in both states."""
    outcome, bucket = await process([head(OLD)], acls=["private"], rules=Rules())
    assert (bucket.asked, bucket.sent[0].after.acl, outcome.before) == (
        ["head", "acl", "update"],
        "private",
        msgspec.structs.replace(OLD, acl="private"),
    )


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (ListedObject("k", object_type="Symlink"), "symlink"),
        (ListedObject("k", storage_class="IA"), "early_rewrite"),
    ],
)
async def test_skipped_by_the_listing(
    process: Run, listed: ListedObject, reason: str
) -> None:
    """What the listing rules out costs no request."""
    outcome, bucket = await process([head(OLD)], listed=listed)
    assert (outcome, bucket.asked) == (
        Outcome(seq=7, key="k", status="skipped", reason=reason),
        [],
    )


async def test_key_that_is_not_utf8(process: Run) -> None:
    """A key that cannot be written down fails under a name that can."""
    outcome, bucket = await process([head(OLD)], listed=ListedObject("a\udcff"))
    assert (outcome.key, outcome.status, outcome.reason, bucket.asked) == (
        "a\\udcff",
        "failed",
        "invalid_key",
        [],
    )


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (refused(Verdict.SKIP, "gone", 404), "skipped", "gone"),
        (refused(Verdict.REFUSED, "access_denied", 403), "failed", "access_denied"),
        (ObjectError("unknown_header", "words"), "failed", "unknown_header"),
        (TransportError("timeout", "words", sent=True), "failed", "timeout"),
    ],
)
async def test_head_fails(
    process: Run, error: ObjectError, status: str, reason: str
) -> None:
    """An object that cannot be read has its own end; nothing was touched."""
    outcome, bucket = await process([error])
    assert (outcome.status, outcome.reason, outcome.error, outcome.before) == (
        status,
        reason,
        error.detail,
        None,
    )
    assert bucket.asked == ["head"]


async def test_fatal_errors_come_out(process: Run) -> None:
    """What concerns all objects is no object's outcome."""
    with pytest.raises(RunFatalError, match="no bucket"):
        await process([RunFatalError("no bucket")])


async def test_update_refused_for_good(process: Run) -> None:
    """A refusal is no doubt: the object is as it was, and no state is claimed."""
    outcome, bucket = await process(
        [head(OLD)], [refused(Verdict.REFUSED, "immutable", 409)]
    )
    assert (outcome.status, outcome.reason, outcome.after, bucket.asked) == (
        "failed",
        "immutable",
        None,
        ["head", "update"],
    )


async def test_acl_denied(process: Run) -> None:
    """If the ACL may not be read no update is sent, for it might reset it."""
    denied = refused(Verdict.REFUSED, "access_denied", 403)
    outcome, bucket = await process([head(OLD)], acls=[denied], rules=Rules())
    assert (outcome.status, bucket.asked) == ("failed", ["head", "acl"])


# Another writer


async def test_conflict_merges_again(process: Run) -> None:
    """After 412 the change is merged with what the other writer left (promise 3)."""
    outcome, bucket = await process([head(OLD), head(OTHERS)], [CONFLICT, ACCEPTED])
    assert (outcome.status, outcome.before, outcome.after, outcome.conflicts) == (
        "updated",
        OTHERS,
        BOTH,
        1,
    )
    assert bucket.asked == ["head", "update"] * 2


async def test_conflict_with_ones_own_echo(process: Run) -> None:
    """412 although the wanted state is there: the update was sent twice on its way."""
    outcome, bucket = await process(
        [head(OLD), head(WANTED, last_modified=NEW_TIME)], [CONFLICT]
    )
    assert outcome == msgspec.structs.replace(
        UPDATED, confirmed=True, conflicts=1, request_id="head"
    )
    assert bucket.asked == ["head", "update", "head"]


async def test_other_writer_did_it(process: Run) -> None:
    """412 because another writer made the same change on another state."""
    outcome, _ = await process([head(OLD), head(BOTH)], [CONFLICT])
    assert (outcome.status, outcome.confirmed) == ("unchanged", False)


async def test_conflicts_are_bounded(process: Run) -> None:
    """Writers that keep coming first end the object, not the run."""
    outcome, bucket = await process([head(OLD)], [CONFLICT])
    assert (outcome.status, outcome.reason, outcome.conflicts) == (
        "failed",
        "conflict",
        MAX_CONFLICTS + 1,
    )
    assert bucket.asked.count("update") == MAX_CONFLICTS + 1
    assert outcome.error == CONFLICT.detail


# An update of unknown fate


async def test_lost_but_landed(process: Run) -> None:
    """The answer was lost, the wanted state is there: updated (promise 4)."""
    outcome, bucket = await process(
        [head(OLD), head(WANTED, last_modified=NEW_TIME)], [lost()]
    )
    assert outcome == msgspec.structs.replace(
        UPDATED, confirmed=True, attempts=2, request_id="head"
    )
    assert bucket.asked == ["head", "update", "head"]


async def test_lost_and_not_landed(process: Run) -> None:
    """The answer was lost, the old state is there: tried again."""
    outcome, bucket = await process([head(OLD)], [lost(), ACCEPTED])
    assert (outcome, bucket.asked) == (
        msgspec.structs.replace(UPDATED, attempts=2),
        ["head", "update"] * 2,
    )


async def test_lost_and_overwritten(process: Run) -> None:
    """The answer was lost and another writer came: merged again."""
    outcome, _ = await process([head(OLD), head(OTHERS)], [lost(), ACCEPTED])
    assert (outcome.status, outcome.before, outcome.after) == ("updated", OTHERS, BOTH)


async def test_lost_landed_and_built_upon(process: Run) -> None:
    """Lost, landed, and changed on top: nothing is left to do, so it landed."""
    outcome, _ = await process([head(OLD), head(BOTH)], [lost()])
    assert (outcome.status, outcome.confirmed, outcome.after) == (
        "updated",
        True,
        WANTED,
    )


async def test_lost_until_given_up(process: Run, virtual_time: VirtualTime) -> None:
    """After the last retry the failure says what was sent: it might yet land."""
    outcome, bucket = await process([head(OLD)], [lost()], retries=2)
    assert (outcome.status, outcome.reason, outcome.before, outcome.after) == (
        "failed",
        "timeout",
        OLD,
        WANTED,
    )
    assert (bucket.asked, len(virtual_time.slept)) == (
        ["head", "update"] * 3 + ["head"],
        2,
    )


async def test_lost_last_try_landed_after_all(process: Run) -> None:
    """Even the last try is looked after before it is called a failure."""
    outcome, _ = await process([head(OLD), head(WANTED)], [lost()], retries=0)
    assert (outcome.status, outcome.confirmed) == ("updated", True)


async def test_throttled_updates_do_not_count(process: Run) -> None:
    """503 on an update may mean that it landed; patience is not a failure."""
    outcome, bucket = await process(
        [head(OLD)], [lost("throttled")] * 9 + [ACCEPTED], retries=0
    )
    assert (outcome.status, outcome.attempts, bucket.asked.count("update")) == (
        "updated",
        10,
        10,
    )


async def test_gone_while_in_doubt(process: Run) -> None:
    """Deleted after an update was sent: skipped, with what was sent."""
    gone = refused(Verdict.SKIP, "gone", 404)
    outcome, _ = await process([head(OLD), gone], [lost()])
    assert (outcome.status, outcome.reason, outcome.after) == (
        "skipped",
        "gone",
        WANTED,
    )


# Freshness


async def test_fresh_object_is_waited_for(
    process: Run, virtual_time: VirtualTime
) -> None:
    """Written this very second: waited out, and read again (promise 3)."""
    fresh = head(OLD, date=OLD_TIME)
    outcome, bucket = await process([fresh, head(OLD)])
    assert (outcome.status, bucket.asked, virtual_time.slept) == (
        "updated",
        ["head", "head", "update"],
        [2.0],
    )


async def test_fresh_and_unchanged_is_not_waited_for(
    process: Run, virtual_time: VirtualTime
) -> None:
    """Where nothing is to be written nothing needs a guard."""
    outcome, _ = await process([head(WANTED, date=OLD_TIME)])
    assert (outcome.status, virtual_time.slept) == ("unchanged", [])


async def test_always_fresh_is_given_up(
    process: Run, virtual_time: VirtualTime
) -> None:
    """An object that never rests is not written."""
    outcome, bucket = await process([head(OLD, date=OLD_TIME)])
    assert (outcome.status, outcome.reason, bucket.asked.count("update")) == (
        "failed",
        "unsettled",
        0,
    )
    assert virtual_time.slept == [2.0] * MAX_CONFLICTS


async def test_date_before_last_modified_waits_no_longer(
    process: Run, virtual_time: VirtualTime
) -> None:
    """A service whose clocks disagree is not waited for by the hour."""
    odd = head(OLD, date="Sun, 22 Nov 2026 09:00:00 GMT")
    await process([odd, head(OLD)])
    assert virtual_time.slept == [2.0]


# Versions


async def test_new_versions_need_permission(process: Run) -> None:
    """A bucket that keeps versions stops the run before the first update."""
    with pytest.raises(UsageError) as caught:
        await process([head(OLD, version_id="v1")])
    assert str(caught.value) == (
        "bucket 'bucket' keeps versions: each update adds one, billed as a full "
        "object; pass --allow-new-versions if that is meant"
    )


async def test_new_versions_allowed(process: Run) -> None:
    """With the permission the new version's id is recorded."""
    outcome, _ = await process(
        [head(OLD, version_id="v1")],
        [CopyResult(NEW_TIME, "v2", "update")],
        rules=Rules(acl="skip", allow_new_versions=True),
    )
    assert (outcome.status, outcome.version_id) == ("updated", "v2")


async def test_a_plan_needs_no_permission(process: Run) -> None:
    """Looking is allowed on any bucket."""
    outcome, _ = await process([head(OLD, version_id="v1")], write=False)
    assert (outcome.status, outcome.version_id) == ("planned", "v1")


def plan(before: Metadata, after: Metadata) -> UpdatePlan:
    return UpdatePlan("k", before, after, "E", OLD_TIME)


@pytest.mark.parametrize(
    ("now", "lost_answer", "landed"),
    [
        (plan(OLD, WANTED), True, False),
        (plan(OLD, WANTED), False, False),
        (plan(WANTED, WANTED), True, True),
        (plan(WANTED, WANTED), False, True),
        (plan(BOTH, BOTH), True, True),
        (plan(BOTH, BOTH), False, False),
        (plan(OTHERS, BOTH), True, False),
    ],
)
def test_has_landed(now: UpdatePlan, lost_answer: bool, landed: bool) -> None:
    """The wanted state proves it; no work left proves it only if the answer is lost."""
    assert has_landed(plan(OLD, WANTED), now, lost=lost_answer) is landed


# Viewing


async def test_view() -> None:
    """A view holds the head, or why there is none."""
    gone = refused(Verdict.SKIP, "gone", 404)
    bucket = ScriptedBucket([head(OLD), gone], [], [])
    viewer = Viewer(cast("Bucket", bucket))
    views = [await viewer.view_object(seq, LISTED) for seq in (1, 2)]
    assert views == [
        ObjectView(1, LISTED, head=head(OLD)),
        ObjectView(2, LISTED, error=gone.detail),
    ]
