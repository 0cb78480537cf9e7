"""One object's journey: head -> merge -> update, and every way in which it can end.

The worker decides nothing about metadata (`model.plan` does), nothing about requests
(`oss.bucket` does), and what an answer means for the object stands in `engine.attempt`.
It keeps promises 2 to 4: no pointless write, every write guarded, a write of unknown
fate settled by a head.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from bulkmeta.engine.attempt import (
    Attempt,
    End,
    Fate,
    Sent,
    begun,
    confirmed,
    end_by_head,
    ended,
    failed,
    rooted,
    skipped,
    unnameable,
)
from bulkmeta.engine.look import look_further
from bulkmeta.engine.pipeline import Processed
from bulkmeta.errors import (
    AmbiguousWriteError,
    BulkmetaError,
    ErrorDetail,
    ObjectError,
    RunFatalError,
    ServiceError,
    Verdict,
)
from bulkmeta.model.item import Item
from bulkmeta.model.limits import is_utf8
from bulkmeta.model.metadata import SETTLE_S, ObjectHead
from bulkmeta.model.outcome import Outcome, timestamp
from bulkmeta.model.parts import NOTHING, Parts
from bulkmeta.model.plan import UpdatePlan, with_acl
from bulkmeta.model.protection import (
    is_other_version,
    refusal_of_head,
    refusal_of_listed,
)
from bulkmeta.model.transforms import UnreadError
from bulkmeta.oss.retry import backoff_s, is_retriable

if TYPE_CHECKING:
    from bulkmeta.model.job import Rules
    from bulkmeta.model.probe import Probed
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.effort import Effort
    from bulkmeta.oss.wire import Written

MAX_CONFLICTS: Final = 5
"""How often another writer may come first before the object is given up."""

SLOW_COPY_S: Final = 30.0
"""After a time-out the copy may still be under way: it is given this long to show."""

Write = Callable[[UpdatePlan, "Effort"], "Awaitable[Written]"]
Record = Callable[[int, UpdatePlan], Awaitable[None]]


class Goal(msgspec.Struct, frozen=True):
    """What a job wants: `concerns` tells which parts of an item's object are to be
    looked at, and `decide` what it should become by them. `require` stops at an object
    that is not meant, as far as its head tells."""

    concerns: Callable[[Item], Parts]
    require: Callable[[Item, ObjectHead], object]
    decide: Callable[[Item, ObjectHead], UpdatePlan]


class Stopping(Protocol):
    """Tells when the run is to end, and waits no longer than that."""

    def is_requested(self) -> bool: ...

    async def sleep(self, seconds: float) -> None: ...


class Worker:
    """Processes the objects of one job. Stateless between objects.

    With `record` None it stops short of the update: `planned` instead of `updated`;
    otherwise each update is recorded before it is sent. Once `stopping`, nothing is
    waited for: an object ends as it stands. `copies` is what the bucket was seen to
    keep by itself.
    """

    def __init__(  # noqa: PLR0913 all but three by name
        self,
        bucket: Bucket,
        rules: Rules,
        goal: Goal,
        *,
        record: Record | None,
        retries: int,
        stop: Stopping,
        copies: Probed | None = None,
    ) -> None:
        self._bucket = bucket
        self._rules = rules
        self._goal = goal
        self._record = record
        self._retries = retries
        self._stop = stop
        self._copies = copies

    async def process_object(self, seq: int, item: Item) -> Processed[Outcome]:
        """The outcome of one object; its own failures are outcomes too.

        What ends the run comes in its place: if an update may have landed, its intent
        is in the journal, and a resumed run looks at the object.
        """
        started_s = time.perf_counter()
        attempt = begun(seq, item)
        done = await self._done(attempt)
        if done.result is None:
            return done
        elapsed_ms = round((time.perf_counter() - started_s) * 10_000) / 10
        return Processed(_stamped(done.result, attempt, elapsed_ms), done.error)

    async def _done(self, attempt: Attempt) -> Processed[Outcome]:
        try:
            return Processed(await self._outcome(attempt))
        except ObjectError as error:
            if self._stop.is_requested() and _is_passing(error):
                return Processed(None)  # its intent, if it has one, stays in doubt
            return Processed(failed(attempt, error))
        except Exception as error:  # noqa: BLE001 others come to their end first
            return Processed(None, error)

    async def _outcome(self, attempt: Attempt) -> Outcome:
        if not is_utf8(attempt.key):
            return unnameable(attempt)
        parts = self._goal.concerns(attempt.item)
        listed = attempt.item.listed if not attempt.sent else None
        reason = refusal_of_listed(listed, self._rules, parts) if listed else None
        if reason:
            return skipped(attempt, reason)
        end = await self._settle(attempt, parts)
        return skipped(attempt, end) if isinstance(end, str) else ended(attempt, end)

    async def _settle(self, attempt: Attempt, parts: Parts) -> End | str:
        """Go round head, merge and update until the object is as wanted; a text is the
        reason to leave it alone."""
        while True:
            head, known = await self._look(attempt, parts)
            if known:
                return known
            try:
                plan = self._goal.decide(attempt.item, head)
            except UnreadError as unread:
                plan = await self._decided_by_more(attempt, head, unread.parts)
            needed = plan.parts()
            late = needed if needed.rewrite and not parts.rewrite else NOTHING
            end = refusal_of_head(head, self._rules, late) or end_by_head(
                attempt, plan, head, write=self._record is not None
            )
            if end:
                return end
            if attempt.last_error:
                raise attempt.last_error
            if needed.rewrite:
                self._refuse_new_version(head)
                if await self._waited(attempt, head):
                    continue
            end = await self._update(attempt, plan, needed, head.object_type)
            if end:
                return end

    def _refusal(self, attempt: Attempt, head: ObjectHead, parts: Parts) -> str | None:
        """Why the object is left alone, by what it is."""
        if is_other_version(attempt.item, head):
            return "other_version"
        return refusal_of_head(head, self._rules, parts)

    async def _look(
        self, attempt: Attempt, parts: Parts
    ) -> tuple[ObjectHead, End | str | None]:
        """The object as it is, in all that `parts` names, or that was sent before; and
        how it ends, if that is known: more than a head is read only of what is meant.
        """
        head = await self._bucket.head(attempt.key, attempt.effort)
        if attempt.sent:
            head = await self._look_further(attempt, head, parts | attempt.touched())
            return head, confirmed(attempt, head) or self._refusal(attempt, head, parts)
        refused = self._refusal(attempt, head, parts)
        if not refused:
            self._goal.require(attempt.item, head)
            head = await self._look_further(attempt, head, parts)
        return head, refused

    async def _look_further(
        self, attempt: Attempt, head: ObjectHead, parts: Parts
    ) -> ObjectHead:
        if not (parts.tags or parts.acl):
            return head
        return await look_further(
            self._bucket, attempt.key, head, parts, attempt.effort
        )

    async def _decided_by_more(
        self, attempt: Attempt, head: ObjectHead, parts: Parts
    ) -> UpdatePlan:
        """What the object is to become; reads what turned out to be needed for that."""
        while True:
            head = await self._look_further(attempt, head, parts)
            try:
                return self._goal.decide(attempt.item, head)
            except UnreadError as unread:
                parts = unread.parts

    async def _update(
        self, attempt: Attempt, plan: UpdatePlan, parts: Parts, object_type: str
    ) -> End | None:
        """Record and send one update of these parts; None if the object has to be
        looked at again."""
        if attempt.sent:
            plan = rooted(attempt, plan)
            # What was copied stands; the rest is sent whole, and written once more.
            parts = msgspec.structs.replace(plan.parts(), rewrite=parts.rewrite)
        unread = plan.before.acl is None
        if parts.rewrite and unread and not self._leaves_acl(plan, object_type):
            plan = await self._with_acl(attempt, plan)
        if self._record:
            await self._record(attempt.seq, plan)
        attempt.sent.append(Sent(plan, Fate.UNKNOWN))
        landed: Written | None = None
        try:
            for write in self._writes(parts):
                landed = await write(plan, attempt.effort)
        except AmbiguousWriteError as error:
            await self._note_lost(attempt, error)
            return None
        except BulkmetaError as error:
            if landed is None:
                attempt.sent[-1] = Sent(plan, Fate.REFUSED)
            _note_refused(attempt, error)
            return None
        if parts.tags and not await self._tags_stand(attempt, plan):
            return None
        assert landed is not None  # noqa: S101 a plan that changes nothing is not sent
        return End(
            "updated",
            plan,
            landed.last_modified,
            landed.version_id,
            confirmed=parts.tags,
        )

    def _leaves_acl(self, plan: UpdatePlan, object_type: str) -> bool:
        """Whether the access control list is left to the service."""
        if self._rules.acl == "auto" and self._copies:
            return self._copies.spares_acl(plan, object_type)
        return self._rules.acl == "skip"

    async def _with_acl(self, attempt: Attempt, plan: UpdatePlan) -> UpdatePlan:
        """The update with the access control list that a copy has to carry along."""
        listed = attempt.item.listed
        if self._rules.acl == "inventory" and listed and listed.acl:
            return with_acl(plan, listed.acl, was_read=False)
        acl = await self._bucket.acl(attempt.key, attempt.effort, plan.version_id)
        return with_acl(plan, acl, was_read=True)

    def _writes(self, parts: Parts) -> Iterator[Write]:
        """The fewest requests that change these parts: a copy carries them all."""
        if parts.rewrite:
            yield self._bucket.replace_metadata
            return
        if parts.tags:
            yield self._bucket.put_tags
        if parts.acl:
            yield self._bucket.put_acl

    async def _tags_stand(self, attempt: Attempt, plan: UpdatePlan) -> bool:
        """Whether the tags are as just written. The service guards no write of tags, so
        another writer's may have come behind it; then the object is looked at again."""
        found = await self._bucket.tags(attempt.key, attempt.effort, plan.version_id)
        if found == plan.after.tags:
            return True
        _note_conflict(attempt)
        return False

    async def _note_lost(self, attempt: Attempt, error: AmbiguousWriteError) -> None:
        """An update's answer was lost: look again, after a pause."""
        attempt.effort.count_retry()
        attempt.losses += error.reason != "throttled"
        if attempt.losses > self._retries or self._stop.is_requested():
            attempt.last_error = error
            return
        least_s = SLOW_COPY_S if error.reason == "timeout" else error.retry_after_s
        await self._stop.sleep(max(backoff_s(attempt.effort.attempts - 1), least_s))

    async def _waited(self, attempt: Attempt, head: ObjectHead) -> bool:
        """Whether a just written object was waited for, until its guard can hold."""
        unsettled_s = head.unsettled_s()
        if not unsettled_s:
            return False
        if self._stop.is_requested():
            raise ObjectError("interrupted", "the run ended before the object settled")
        attempt.waits += 1
        if attempt.waits > MAX_CONFLICTS:
            raise ObjectError(
                "unsettled",
                "the object was always written within the last 2 seconds; an update "
                "could overwrite another writer's",
            )
        await self._stop.sleep(min(unsettled_s, SETTLE_S))
        return True

    def _refuse_new_version(self, head: ObjectHead) -> None:
        if head.version_id and not self._rules.allow_new_versions:
            raise RunFatalError(
                f"bucket {self._bucket.name!r} keeps versions, as an object shows; "
                "pass --allow-new-versions if a new version of each is meant"
            )


def _note_refused(attempt: Attempt, error: BulkmetaError) -> None:
    """An update was refused: only another writer's doing is worth another look."""
    if not isinstance(error, ServiceError) or error.verdict is not Verdict.CONFLICT:
        raise error
    _note_conflict(attempt, error.detail)


def _note_conflict(attempt: Attempt, detail: ErrorDetail | None = None) -> None:
    attempt.effort.count_conflict()
    if attempt.effort.conflicts > MAX_CONFLICTS:
        attempt.last_error = ObjectError(
            "conflict",
            "other writers kept changing the object while it was being updated",
            detail=detail,
        )


def _is_passing(error: ObjectError) -> bool:
    """Whether only time was missing to get over the error."""
    passing = isinstance(error, AmbiguousWriteError) or is_retriable(error)
    return passing or error.reason == "interrupted"


def _stamped(outcome: Outcome, attempt: Attempt, elapsed_ms: float) -> Outcome:
    return msgspec.structs.replace(
        outcome,
        request_id=attempt.effort.request_id,
        attempts=attempt.effort.attempts,
        conflicts=attempt.effort.conflicts,
        elapsed_ms=elapsed_ms,
        at=timestamp(time.time()),
    )
