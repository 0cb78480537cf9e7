"""One object's journey: head -> merge -> update, and every way in which it can end.

The worker decides nothing about metadata (`model.plan` does) and nothing about requests
(`oss.bucket` does). It keeps promises 2 to 4: no pointless write, every write guarded,
a write of unknown fate settled by a head.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.errors import (
    AmbiguousWriteError,
    ErrorDetail,
    ObjectError,
    ServiceError,
    UsageError,
    Verdict,
)
from bulkmeta.model.limits import is_utf8
from bulkmeta.model.metadata import SETTLE_S
from bulkmeta.model.outcome import Outcome, Status
from bulkmeta.model.plan import UpdatePlan, plan_update, with_acl
from bulkmeta.oss.effort import Effort
from bulkmeta.oss.retry import backoff_s
from bulkmeta.sources.filters import refusal

if TYPE_CHECKING:
    from bulkmeta.model.job import JobSpec
    from bulkmeta.model.metadata import ListedObject, ObjectHead
    from bulkmeta.oss.bucket import Bucket

MAX_CONFLICTS: Final = 5
"""How often another writer may come first before the object is given up."""

Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class _Attempt:
    """What is known so far of one object under way.

    `doubt` is an update that was sent and not answered with success; `lost` says that
    its fate is unknown. `earlier` is one of unknown fate before it, which may yet land.
    """

    key: str
    effort: Effort
    doubt: UpdatePlan | None = None
    lost: bool = False
    earlier: UpdatePlan | None = None
    last_error: ObjectError | None = None
    failures: int = 0
    waits: int = 0


@dataclass(frozen=True, slots=True)
class _End:
    status: Status
    plan: UpdatePlan
    last_modified: str | None = None
    version_id: str | None = None
    confirmed: bool = False


class Worker:
    """Processes the objects of one job. Stateless between objects.

    With `write=False` it stops short of the update: `planned` instead of `updated`.
    """

    def __init__(
        self,
        bucket: Bucket,
        job: JobSpec,
        *,
        write: bool,
        retries: int,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._bucket = bucket
        self._job = job
        self._write = write
        self._retries = retries
        self._sleep = sleep

    async def process_object(self, seq: int, listed: ListedObject) -> Outcome:
        """The outcome of one listed object; its own failures are outcomes too.

        Raises:
            RunFatalError: nothing can be done for any object.
            UsageError: the run would do what it was not allowed to.
        """
        started_s = time.perf_counter()
        attempt = _Attempt(listed.key, Effort())
        outcome = await self._outcome(seq, listed, attempt)
        elapsed_ms = round((time.perf_counter() - started_s) * 1000, 1)
        return _stamped(outcome, attempt.effort, elapsed_ms)

    async def _outcome(
        self, seq: int, listed: ListedObject, attempt: _Attempt
    ) -> Outcome:
        if not is_utf8(listed.key):
            return _unnameable(seq, listed.key)
        reason = refusal(listed, self._job.rules)
        if reason:
            return Outcome(seq=seq, key=listed.key, status="skipped", reason=reason)
        try:
            return _ended(seq, await self._settle(attempt))
        except ObjectError as error:
            return _failed(seq, attempt, error)

    async def _settle(self, attempt: _Attempt) -> _End:
        """Go round head, merge and update until the object is as wanted."""
        while True:
            head = await self._bucket.head(attempt.key, attempt.effort)
            plan = plan_update(attempt.key, head, self._job.change)
            end = _end_without_write(attempt, plan, head, write=self._write)
            if end:
                return end
            if attempt.last_error:
                raise attempt.last_error
            self._refuse_new_version(head)
            if await self._waited(attempt, head):
                continue
            end = await self._update(attempt, plan)
            if end:
                return end

    async def _update(self, attempt: _Attempt, plan: UpdatePlan) -> _End | None:
        """Send one update; None if the object has to be looked at again."""
        if self._job.rules.acl == "preserve":
            acl = await self._bucket.acl(attempt.key, attempt.effort)
            plan = with_acl(plan, acl)
        if attempt.lost:
            attempt.earlier = attempt.doubt
        attempt.doubt, attempt.lost = plan, False
        try:
            result = await self._bucket.replace_metadata(plan, attempt.effort)
        except ServiceError as error:
            self._note_refused(attempt, error)
            return None
        except AmbiguousWriteError as error:
            await self._note_lost(attempt, error)
            return None
        return _End("updated", plan, result.last_modified, result.version_id)

    def _note_refused(self, attempt: _Attempt, error: ServiceError) -> None:
        """An update was refused: only another writer's doing is worth another look."""
        if error.verdict is not Verdict.CONFLICT:
            attempt.doubt = attempt.earlier
            raise error
        attempt.effort.count_conflict()
        if attempt.effort.conflicts > MAX_CONFLICTS:
            attempt.last_error = ObjectError(
                "conflict",
                "other writers kept changing the object while it was being updated",
                detail=error.detail,
            )

    async def _note_lost(self, attempt: _Attempt, error: AmbiguousWriteError) -> None:
        """An update's answer was lost: look again, after a pause."""
        attempt.lost = True
        attempt.effort.count_retry()
        attempt.failures += error.reason != "throttled"
        if attempt.failures > self._retries:
            attempt.last_error = error
        else:
            await self._sleep(backoff_s(attempt.effort.attempts - 1))

    async def _waited(self, attempt: _Attempt, head: ObjectHead) -> bool:
        """Whether a just written object was waited for, until its guard can hold."""
        unsettled_s = head.unsettled_s()
        if not unsettled_s:
            return False
        attempt.waits += 1
        if attempt.waits > MAX_CONFLICTS:
            raise ObjectError(
                "unsettled",
                "the object was always written within the last 2 seconds; an update "
                "could overwrite another writer's",
            )
        await self._sleep(min(unsettled_s, SETTLE_S))
        return True

    def _refuse_new_version(self, head: ObjectHead) -> None:
        if head.version_id and self._write and not self._job.rules.allow_new_versions:
            raise UsageError(new_versions_refusal(self._bucket.name))


def new_versions_refusal(bucket: str) -> str:
    """The line that stops a run on a bucket that would keep a version per update."""
    return (
        f"bucket {bucket!r} keeps versions: each update adds one, billed as a full "
        "object; pass --allow-new-versions if that is meant"
    )


def _end_without_write(
    attempt: _Attempt, plan: UpdatePlan, head: ObjectHead, *, write: bool
) -> _End | None:
    doubt = attempt.doubt
    if doubt and has_landed(doubt, plan, lost=attempt.lost):
        return _End(
            "updated", doubt, head.last_modified, head.version_id, confirmed=True
        )
    if plan.is_noop():
        return _End("unchanged", plan, head.last_modified, head.version_id)
    if not write:
        return _End("planned", plan, head.last_modified, head.version_id)
    return None


def has_landed(doubt: UpdatePlan, now: UpdatePlan, *, lost: bool) -> bool:
    """Whether an update in doubt is in effect, by the plan merged from a later head.

    A refused condition can be an update's own echo: something on the way may have sent
    it twice. If the answer was lost and nothing is left to change, the update is in
    effect too, under what another writer changed on top.
    """
    return doubt.after.same_state(now.before) or (lost and now.is_noop())


def _ended(seq: int, end: _End) -> Outcome:
    return Outcome(
        seq=seq,
        key=end.plan.key,
        status=end.status,
        before=end.plan.before,
        after=end.plan.after,
        etag=end.plan.etag,
        last_modified=end.last_modified,
        version_id=end.version_id,
        confirmed=end.confirmed,
    )


def _failed(seq: int, attempt: _Attempt, error: ObjectError) -> Outcome:
    """A failure; with both states if an update was sent, for it might yet land."""
    skip = isinstance(error, ServiceError) and error.verdict is Verdict.SKIP
    doubt = attempt.doubt
    return Outcome(
        seq=seq,
        key=attempt.key,
        status="skipped" if skip else "failed",
        reason=error.reason,
        before=doubt.before if doubt else None,
        after=doubt.after if doubt else None,
        etag=doubt.etag if doubt else None,
        last_modified=doubt.last_modified if doubt else None,
        error=error.detail,
    )


def _unnameable(seq: int, key: str) -> Outcome:
    detail = ErrorDetail("invalid_key", None, "the key is not valid UTF-8")
    return Outcome(
        seq=seq,
        key=key.encode("utf-8", "backslashreplace").decode(),
        status="failed",
        reason=detail.code,
        error=detail,
    )


def _stamped(outcome: Outcome, effort: Effort, elapsed_ms: float) -> Outcome:
    return msgspec.structs.replace(
        outcome,
        request_id=effort.request_id,
        attempts=effort.attempts,
        conflicts=effort.conflicts,
        elapsed_ms=elapsed_ms,
        at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )
