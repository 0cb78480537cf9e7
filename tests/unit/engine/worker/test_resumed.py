"""What an interrupted run left in doubt, and objects that are not to be written yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from bulkmeta.engine.attempt import Attempt, End, Fate, Sent, confirmed, end_by_head
from bulkmeta.engine.pipeline import Processed
from bulkmeta.engine.viewer import Viewer
from bulkmeta.engine.worker import MAX_CONFLICTS
from bulkmeta.errors import (
    RunFatalError,
    Verdict,
)
from bulkmeta.model.item import Item
from bulkmeta.model.job import Rules
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.model.viewed import Needs, Viewed
from bulkmeta.oss.wire import Written
from tests.unit.engine.worker.conftest import (
    BOTH,
    LISTED,
    NEW_TIME,
    OLD,
    OLD_TIME,
    OTHERS,
    WANTED,
    Run,
    ScriptedBucket,
    head,
    plan,
    refused,
)

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ObjectHead
    from bulkmeta.oss.bucket import Bucket
    from tests.unit.conftest import VirtualTime

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
