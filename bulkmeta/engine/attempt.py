"""What is known of one object under way, and what that makes of it. Decisions only."""

from __future__ import annotations

from enum import Enum
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import msgspec

from bulkmeta.errors import (
    ErrorDetail,
    ObjectError,
    ServiceError,
    SkipError,
    Verdict,
)
from bulkmeta.model.item import Item
from bulkmeta.model.outcome import Outcome, Status
from bulkmeta.model.parts import NOTHING, Parts
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.oss.effort import Effort

if TYPE_CHECKING:
    from bulkmeta.model.metadata import Metadata, ObjectHead


class Fate(Enum):
    """What became of an update that was not answered with success."""

    REFUSED = "refused"  # the guard did not hold
    UNKNOWN = "unknown"  # the answer was lost: it may have landed, or yet land


class Sent(msgspec.Struct, frozen=True):
    """An update that was sent, and its fate as far as its answer told."""

    plan: UpdatePlan
    fate: Fate


class Attempt(msgspec.Struct):
    """One object under way. `sent` holds updates without success, the oldest first."""

    seq: int
    item: Item
    effort: Effort = msgspec.field(default_factory=Effort)
    sent: list[Sent] = []
    losses: int = 0
    waits: int = 0
    last_error: ObjectError | None = None

    @property
    def key(self) -> str:
        return self.item.key

    def touched(self) -> Parts:
        """The parts that updates sent before may have changed."""
        return reduce(or_, (sent.plan.parts() for sent in self.sent), NOTHING)

    def in_doubt(self) -> UpdatePlan | None:
        """The last update that may have landed, or may yet."""
        unknown = [sent.plan for sent in self.sent if sent.fate is Fate.UNKNOWN]
        return unknown[-1] if unknown else None


def begun(seq: int, item: Item) -> Attempt:
    """An object that is taken up, with the update that it comes with in doubt."""
    attempt = Attempt(seq, item)
    if item.doubt:
        attempt.sent.append(Sent(item.doubt, Fate.UNKNOWN))
    return attempt


class End(msgspec.Struct, frozen=True):
    """How an object ended without an error."""

    status: Status
    plan: UpdatePlan
    last_modified: str | None = None
    version_id: str | None = None
    confirmed: bool = False


def confirmed(attempt: Attempt, head: ObjectHead) -> End | None:
    """The update sent before that the head shows in effect, if there is one.

    It is if the head shows just what it sent, on the same content, even if its
    condition was refused: something on the way may have sent it twice. A class may have
    changed since, by a lifecycle rule.
    """
    for sent in reversed(attempt.sent):
        if _shows_landed(head, sent.plan):
            return End(
                "updated",
                sent.plan,
                head.last_modified,
                head.version_id,
                confirmed=True,
            )
    return None


def _shows_landed(head: ObjectHead, plan: UpdatePlan) -> bool:
    state = plan.in_class(head.metadata.storage_class)
    if head.etag != plan.etag or not head.shows(state, plan.before):
        return False
    hidden = head.forced_download and plan.parts().rewrite
    return not hidden or head.last_modified != plan.last_modified


def rooted(attempt: Attempt, plan: UpdatePlan) -> UpdatePlan:
    """The same update, with what the object had before this attempt.

    A copy, tags and the access control list are requests of their own: of an update
    sent before, some may have landed. `before` then is not what was read just now, but
    what that update replaced.
    """
    before = plan.before
    for sent in reversed(attempt.sent):
        if sent.fate is not Fate.UNKNOWN:
            continue
        mine, its = sent.plan.parts(), sent.plan
        if mine.rewrite and its.etag == plan.etag and _is_copied(before, its):
            before = _before_copied(before, its)
        if mine.tags and before.tags == its.after.tags:
            before = msgspec.structs.replace(before, tags=its.before.tags)
        if mine.acl and before.acl == its.after.acl:
            before = msgspec.structs.replace(before, acl=its.before.acl)
    return msgspec.structs.replace(plan, before=before)


def _is_copied(now: Metadata, sent: UpdatePlan) -> bool:
    """Whether what a copy changes is as that update left it."""
    return now.same_copied(sent.in_class(now.storage_class), sent.before.sse)


def _before_copied(now: Metadata, sent: UpdatePlan) -> Metadata:
    """The state with what a copy changes as it was before that update."""
    was = sent.before
    moved = was.storage_class != sent.after.storage_class
    return msgspec.structs.replace(
        now,
        meta=was.meta,
        headers=was.headers,
        sse=was.sse,
        storage_class=was.storage_class if moved else now.storage_class,
    )


def end_by_head(
    attempt: Attempt, now: UpdatePlan, head: ObjectHead, *, write: bool
) -> End | None:
    """How the object ends by what a head shows; None if an update is to be sent.

    `now` is the update merged from that head. If the answer to an update of the same
    content was lost and nothing is left to change, it is in effect under what another
    writer changed on top; the date shown then is that writer's.
    """
    doubt = attempt.in_doubt()
    if doubt and doubt.etag == head.etag and now.is_noop():
        attempt.effort.count_conflict()
        return End("updated", doubt, confirmed=True)
    if now.is_noop():
        return End("unchanged", now, head.last_modified, head.version_id)
    if not write:
        return End("planned", now, head.last_modified, head.version_id)
    return None


def ended(attempt: Attempt, end: End) -> Outcome:
    """The line of an object that ended without an error."""
    return Outcome(
        seq=attempt.seq,
        key=end.plan.key,
        status=end.status,
        before=end.plan.before,
        after=end.plan.after,
        etag=end.plan.etag,
        last_modified=end.last_modified,
        version_id=end.version_id,
        confirmed=end.confirmed,
    )


def failed(attempt: Attempt, error: ObjectError) -> Outcome:
    """The line of an object that could not be brought to its end; with both states if
    an update of it may have landed."""
    skip = isinstance(error, SkipError) or (
        isinstance(error, ServiceError) and error.verdict is Verdict.SKIP
    )
    return _unfinished(attempt, "skipped" if skip else "failed", error)


def skipped(attempt: Attempt, reason: str) -> Outcome:
    """The line of an object that is left alone."""
    return _unfinished(attempt, "skipped", reason=reason)


def _unfinished(
    attempt: Attempt,
    status: Status,
    error: ObjectError | None = None,
    reason: str | None = None,
) -> Outcome:
    doubt = attempt.in_doubt()
    return Outcome(
        seq=attempt.seq,
        key=attempt.key,
        status=status,
        reason=error.reason if error else reason,
        before=doubt.before if doubt else None,
        after=doubt.after if doubt else None,
        etag=doubt.etag if doubt else None,
        last_modified=doubt.last_modified if doubt else None,
        version_id=attempt.item.version,
        error=error.detail if error else None,
    )


def unnameable(attempt: Attempt) -> Outcome:
    """The line of an object whose key no request could carry."""
    detail = ErrorDetail("invalid_key", None, "the key is not valid UTF-8")
    return Outcome(
        seq=attempt.seq,
        key=attempt.key.encode("utf-8", "backslashreplace").decode(),
        status="failed",
        reason=detail.code,
        error=detail,
    )
