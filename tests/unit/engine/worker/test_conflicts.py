"""Other writers, and updates whose answer was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bulkmeta.engine.worker import MAX_CONFLICTS, SLOW_COPY_S
from bulkmeta.errors import (
    TransportError,
    Verdict,
)
from tests.unit.engine.worker.conftest import (
    ACCEPTED,
    BOTH,
    CONFLICT,
    NEW_TIME,
    OLD,
    OLD_TIME,
    OTHERS,
    UPDATED,
    WANTED,
    Run,
    head,
    lost,
    refused,
)

if TYPE_CHECKING:
    from tests.unit.conftest import VirtualTime


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
