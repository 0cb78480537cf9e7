"""One object's journey, against a bucket that plays a script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from bulkmeta.engine.attempt import Attempt, End, Fate, Sent, confirmed, end_by_head
from bulkmeta.engine.pipeline import Processed
from bulkmeta.engine.viewer import Viewer
from bulkmeta.engine.worker import MAX_CONFLICTS, SLOW_COPY_S, Goal, Worker
from bulkmeta.errors import (
    AmbiguousWriteError,
    ErrorDetail,
    ObjectError,
    OutputError,
    RunFatalError,
    ServiceError,
    TransportError,
    Verdict,
)
from bulkmeta.model.changes import make_change
from bulkmeta.model.item import Item
from bulkmeta.model.job import Rules
from bulkmeta.model.metadata import ListedObject, Metadata, ObjectHead
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.parts import Parts
from bulkmeta.model.plan import UpdatePlan, plan_update
from bulkmeta.model.viewed import Needs, Viewed
from bulkmeta.oss.wire import Written

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
    plain = ObjectHead(metadata, "E", OLD_TIME, NEW_TIME, 0, "Normal", None, "head")
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
        self.recorded: list[tuple[int, UpdatePlan, int]] = []

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

    async def acl(self, _key: str, _effort: Effort, _version: str | None = None) -> str:
        acl: str = self._next("acl")
        return acl

    async def record(self, seq: int, plan: UpdatePlan) -> None:
        self.recorded.append((seq, plan, len(self.sent)))

    async def replace_metadata(self, plan: UpdatePlan, effort: Effort) -> Written:
        self.sent.append(plan)
        result: Written = self._next("update")
        effort.request_id = "update"
        return result


@dataclass
class Stopping:
    """Asked to stop or not, in virtual time."""

    time: VirtualTime
    is_requested: Callable[[], bool]

    async def sleep(self, seconds: float) -> None:
        await self.time.sleep(seconds)


def decide(item: Item, found: ObjectHead) -> UpdatePlan:
    return plan_update(item.key, found, CHANGE)


Run = Callable[..., Any]
ACCEPTED = Written(NEW_TIME, None)


@pytest.fixture
def run_one(virtual_time: VirtualTime) -> Run:
    """Process one object against a script; its outcome, less times, what ends the
    run, and the bucket."""

    async def run(
        heads: list[Any],
        updates: list[Any] | None = None,
        *,
        acls: list[Any] | None = None,
        rules: Rules | None = None,
        write: bool = True,
        retries: int = 3,
        listed: ListedObject = LISTED,
        item: Item | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> tuple[Outcome | None, Exception | None, ScriptedBucket]:
        bucket = ScriptedBucket(heads, updates or [ACCEPTED], acls or ["default"])
        worker = Worker(
            cast("Bucket", bucket),
            rules or Rules(acl="skip"),
            Goal(lambda _item: Parts(rewrite=True), decide),
            record=bucket.record if write else None,
            retries=retries,
            stop=Stopping(virtual_time, stopping),
        )
        done = await worker.process_object(7, item or Item(listed.key, listed))
        outcome = done.result
        if outcome is not None:
            assert outcome.at.endswith("Z")
            outcome = msgspec.structs.replace(outcome, at="", elapsed_ms=0.0)
        return outcome, done.error, bucket

    return run


@pytest.fixture
def process(run_one: Run) -> Run:
    """The same for objects with a line of their own, and nothing for the run."""

    async def run(*args: Any, **options: Any) -> tuple[Outcome, ScriptedBucket]:
        outcome, error, bucket = await run_one(*args, **options)
        assert error is None
        assert outcome is not None
        return outcome, bucket

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


async def test_each_update_is_recorded_before_it_is_sent(process: Run) -> None:
    """Every update, the second try's too, is on record first, ACL and all."""
    _, bucket = await process(
        [head(OLD), head(OTHERS)], [CONFLICT, ACCEPTED], rules=Rules()
    )
    assert bucket.recorded == [(7, plan, n) for n, plan in enumerate(bucket.sent)]
    assert len(bucket.sent) == 2


async def test_update_that_cannot_be_recorded_is_not_sent(
    run_one: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No record, no update, and the run ends (promise 5)."""

    async def refuse(*_: object) -> None:
        raise OutputError("disk full")

    monkeypatch.setattr(ScriptedBucket, "record", refuse)
    outcome, error, bucket = await run_one([head(OLD)])
    assert (outcome, str(error), bucket.asked) == (None, "disk full", ["head"])


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


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (head(OLD, object_type="Symlink"), "symlink"),
        (head(OLD, object_type="Appendable"), "appendable"),
        (head(msgspec.structs.replace(OLD, storage_class="IA")), "early_rewrite"),
        (head(msgspec.structs.replace(OLD, storage_class="Archive")), "archived"),
    ],
)
async def test_skipped_by_the_head(process: Run, seen: ObjectHead, reason: str) -> None:
    """What has become of an object since it was listed rules it out as well."""
    outcome, bucket = await process([seen])
    assert (outcome.status, outcome.reason, bucket.asked) == (
        "skipped",
        reason,
        ["head"],
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


@pytest.mark.parametrize("fatal", [RunFatalError("no bucket"), ValueError("a bug")])
async def test_fatal_errors_come_out(run_one: Run, fatal: Exception) -> None:
    """What concerns all objects is no object's outcome."""
    outcome, error, _ = await run_one([fatal])
    assert (outcome, error) == (None, fatal)


@pytest.mark.parametrize("fatal", [RunFatalError("bad key"), ValueError("a bug")])
async def test_fatal_error_of_an_object_in_doubt(
    run_one: Run, fatal: Exception
) -> None:
    """An update that may have landed gets no line: its intent, which is on record,
    makes a resumed run look at the object."""
    outcome, error, _ = await run_one([head(OLD), fatal], [lost()])
    assert (outcome, error) == (None, fatal)


async def test_fatal_error_of_the_update_itself(run_one: Run) -> None:
    """A refusal that ends the run is no doubt: nothing landed, so there is no line."""
    fatal = RunFatalError("bad key")
    outcome, error, _ = await run_one([head(OLD)], [fatal])
    assert (outcome, error) == (None, fatal)


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
    """412, so nothing of ours landed: another writer made the same change."""
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
    # Nothing of ours landed, so no states are claimed.
    assert (outcome.before, outcome.after, outcome.etag) == (None, None, None)


async def test_lost_then_refused_until_given_up(process: Run) -> None:
    """A lost update is remembered through the conflicts that follow it."""
    outcome, _ = await process([head(OLD)], [lost(), CONFLICT])
    assert (outcome.reason, outcome.before, outcome.after) == ("conflict", OLD, WANTED)


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
    # The date that the head shows is the other writer's.
    assert (outcome.last_modified, outcome.conflicts) == (None, 1)


@pytest.mark.parametrize(
    ("reason", "asked_s", "least_s", "most_s"),
    [
        ("timeout", 0.0, SLOW_COPY_S, SLOW_COPY_S),
        ("connection", 0.0, 0.0, 0.2),
        ("throttled", 7.0, 7.0, 7.0),
    ],
)
async def test_a_slow_copy_is_given_time(
    process: Run,
    virtual_time: VirtualTime,
    reason: str,
    asked_s: float,
    least_s: float,
    most_s: float,
) -> None:
    """After a time-out the copy may be under way: it gets its time before the next is
    sent; what the service asked for is waited too."""
    error = lost(reason)
    error.retry_after_s = asked_s
    outcome, bucket = await process([head(OLD)], [error, ACCEPTED])
    assert (outcome.status, bucket.asked) == ("updated", ["head", "update"] * 2)
    assert [least_s <= s <= most_s for s in virtual_time.slept] == [True]


# A run that is to end


async def test_stopping_does_not_wait_for_a_lost_update(
    run_one: Run, virtual_time: VirtualTime
) -> None:
    """Lost while the run is to end: one more look, and then it stays in doubt."""
    outcome, _, bucket = await run_one([head(OLD)], [lost()], stopping=lambda: True)
    assert (outcome, virtual_time.slept) == (None, [])
    assert bucket.asked == ["head", "update", "head"]


async def test_stopping_still_settles_a_lost_update(process: Run) -> None:
    """That look is enough if the update landed."""
    outcome, _ = await process(
        [head(OLD), head(WANTED)], [lost()], stopping=lambda: True
    )
    assert (outcome.status, outcome.confirmed) == ("updated", True)


@pytest.mark.parametrize(
    "heads",
    [
        [refused(Verdict.THROTTLED, "throttled", 503)],
        [TransportError("timeout", "words", sent=True)],
        [head(OLD, date=OLD_TIME)],
    ],
)
async def test_stopping_leaves_no_line_of_what_was_not_touched(
    run_one: Run, virtual_time: VirtualTime, heads: list[Any]
) -> None:
    """Only time was missing, and nothing was sent: as if it had not been begun."""
    outcome, error, _ = await run_one(heads, stopping=lambda: True)
    assert (outcome, error, virtual_time.slept) == (None, None, [])


async def test_stopping_still_tells_real_failures(process: Run) -> None:
    """A refusal has nothing to do with the end of the run."""
    outcome, _ = await process(
        [refused(Verdict.REFUSED, "access_denied", 403)], stopping=lambda: True
    )
    assert (outcome.status, outcome.reason) == ("failed", "access_denied")


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


# Taken up after a crash

DOUBTED = Item("k", doubt=UpdatePlan("k", OLD, WANTED, "E", OLD_TIME))


async def test_doubted_update_landed(process: Run) -> None:
    """What the interrupted run sent is found in effect: updated, by that run."""
    outcome, bucket = await process([head(WANTED)], item=DOUBTED)
    assert (outcome.status, outcome.confirmed, outcome.before, bucket.asked) == (
        "updated",
        True,
        OLD,
        ["head"],
    )


async def test_doubted_update_did_not_land(process: Run) -> None:
    """What the interrupted run meant to send is sent now."""
    outcome, bucket = await process([head(OLD)], item=DOUBTED)
    assert (outcome.status, outcome.confirmed, bucket.asked) == (
        "updated",
        False,
        ["head", "update"],
    )


async def test_doubted_object_is_gone(process: Run) -> None:
    """Deleted since: its line holds what may have been sent."""
    gone = refused(Verdict.SKIP, "gone", 404)
    outcome, _ = await process([gone], item=DOUBTED)
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


async def test_new_versions_need_permission(run_one: Run) -> None:
    """A bucket that keeps versions stops the run before the first update."""
    outcome, error, bucket = await run_one([head(OLD, version_id="v1")])
    assert (outcome, bucket.asked) == (None, ["head"])
    assert isinstance(error, RunFatalError)
    assert str(error) == (
        "bucket 'bucket' keeps versions, as an object shows; "
        "pass --allow-new-versions if a new version of each is meant"
    )


async def test_new_versions_allowed(process: Run) -> None:
    """With the permission the new version's id is recorded."""
    outcome, _ = await process(
        [head(OLD, version_id="v1")],
        [Written(NEW_TIME, "v2")],
        rules=Rules(acl="skip", allow_new_versions=True),
    )
    assert (outcome.status, outcome.version_id) == ("updated", "v2")


async def test_a_plan_needs_no_permission(process: Run) -> None:
    """Looking is allowed on any bucket."""
    outcome, _ = await process([head(OLD, version_id="v1")], write=False)
    assert (outcome.status, outcome.version_id) == ("planned", "v1")


# How an object ends by what a head shows


def plan(before: Metadata, after: Metadata) -> UpdatePlan:
    return UpdatePlan("k", before, after, "E", OLD_TIME)


OURS = plan(OLD, WANTED)
SHOWN = ("updated", OURS, NEW_TIME, "v", True)
UNDER = ("updated", OURS, None, None, True)


@pytest.mark.parametrize(
    ("now", "fate", "expected"),
    [
        (plan(OLD, WANTED), Fate.UNKNOWN, None),
        (plan(OLD, WANTED), Fate.REFUSED, None),
        (plan(BOTH, BOTH), Fate.UNKNOWN, UNDER),
        (
            plan(BOTH, BOTH),
            Fate.REFUSED,
            ("unchanged", plan(BOTH, BOTH), NEW_TIME, "v", False),
        ),
        (plan(OTHERS, BOTH), Fate.UNKNOWN, None),
    ],
)
def test_end_by_head(
    now: UpdatePlan, fate: Fate, expected: tuple[Any, ...] | None
) -> None:
    """No work left proves that an update landed, if its answer is lost."""
    attempt = Attempt(1, Item("k"), sent=[Sent(OURS, fate)])
    shown = head(now.before, last_modified=NEW_TIME, version_id="v")
    end = end_by_head(attempt, now, shown, write=True)
    assert end == (End(*expected) if expected else None)
    assert attempt.effort.conflicts == (expected == UNDER)


@pytest.mark.parametrize("fate", Fate)
@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (head(WANTED, last_modified=NEW_TIME, version_id="v"), SHOWN),
        (head(OLD, last_modified=NEW_TIME), None),
        (head(BOTH, last_modified=NEW_TIME), None),
        (head(WANTED, last_modified=NEW_TIME, etag="F"), None),
        (
            head(
                msgspec.structs.replace(WANTED, storage_class="IA"),
                last_modified=NEW_TIME,
                version_id="v",
            ),
            SHOWN,
        ),
        (head(WANTED, forced_download=True), None),
        (
            head(WANTED, last_modified=NEW_TIME, version_id="v", forced_download=True),
            SHOWN,
        ),
    ],
)
def test_confirmed(
    fate: Fate, shown: ObjectHead, expected: tuple[Any, ...] | None
) -> None:
    """The state sent proves it, on the same content; a lifecycle rule may have moved
    the object since. What a forced download hides proves nothing without a new date."""
    attempt = Attempt(1, Item("k"), sent=[Sent(OURS, fate)])
    assert confirmed(attempt, shown) == (End(*expected) if expected else None)


def test_no_work_left_on_other_content() -> None:
    """Somebody uploaded the object anew, as wanted: that was not us."""
    attempt = Attempt(1, Item("k"), sent=[Sent(OURS, Fate.UNKNOWN)])
    now = UpdatePlan("k", WANTED, WANTED, "F", NEW_TIME)
    end = end_by_head(attempt, now, head(WANTED, etag="F"), write=True)
    assert end is not None
    assert end.status == "unchanged"


@pytest.mark.parametrize("storage_class", ["IA", "Archive"])
async def test_doubt_about_an_object_that_got_colder(
    run_one: Run, storage_class: str
) -> None:
    """Its update landed, and a lifecycle rule moved it before the run was resumed."""
    moved = msgspec.structs.replace(WANTED, storage_class=storage_class)
    listed = msgspec.structs.replace(LISTED, storage_class=storage_class)
    item = Item("k", listed, doubt=OURS)
    outcome, _, _ = await run_one([head(moved, last_modified=NEW_TIME)], item=item)
    assert (outcome.status, outcome.confirmed, outcome.before) == ("updated", True, OLD)


async def test_doubt_about_an_object_that_is_skipped_now(run_one: Run) -> None:
    """The former state is on record, whatever becomes of the object."""
    colder = msgspec.structs.replace(OTHERS, storage_class="Archive")
    item = Item("k", doubt=OURS)
    outcome, _, _ = await run_one([head(colder)], item=item)
    assert (outcome.status, outcome.reason) == ("skipped", "archived")
    assert (outcome.before, outcome.after) == (OLD, WANTED)


# Viewing


async def test_view() -> None:
    """A view holds the head, or why there is none."""
    gone = refused(Verdict.SKIP, "gone", 404)
    bucket = ScriptedBucket([head(OLD), gone], [], [])
    viewer = Viewer(cast("Bucket", bucket), Needs())
    views = [await viewer.view_object(seq, Item("k", LISTED)) for seq in (1, 2)]
    assert views == [
        Processed(Viewed(1, "k", LISTED, head=head(OLD))),
        Processed(Viewed(2, "k", LISTED, error=gone.detail)),
    ]
