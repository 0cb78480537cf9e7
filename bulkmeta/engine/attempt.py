"""What is known of one object under way, and what that makes of it. Decisions only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from bulkmeta.errors import (
    ErrorDetail,
    ObjectError,
    ServiceError,
    SkipError,
    Verdict,
)
from bulkmeta.model.outcome import Outcome, Status
from bulkmeta.oss.effort import Effort

if TYPE_CHECKING:
    from bulkmeta.model.item import Item
    from bulkmeta.model.metadata import ObjectHead
    from bulkmeta.model.plan import UpdatePlan


class Fate(Enum):
    """What became of an update that was not answered with success."""

    REFUSED = "refused"  # the guard did not hold
    UNKNOWN = "unknown"  # the answer was lost: it may have landed, or yet land


class Sent(NamedTuple):
    """An update that was sent, and its fate as far as its answer told."""

    plan: UpdatePlan
    fate: Fate


@dataclass(slots=True)
class Attempt:
    """One object under way. `sent` holds updates without success, the oldest first."""

    seq: int
    item: Item
    effort: Effort = field(default_factory=Effort)
    sent: list[Sent] = field(default_factory=list)
    losses: int = 0
    waits: int = 0
    last_error: ObjectError | None = None

    @property
    def key(self) -> str:
        return self.item.key

    def in_doubt(self) -> UpdatePlan | None:
        """The last update that may have landed, or may yet."""
        unknown = [sent.plan for sent in self.sent if sent.fate is Fate.UNKNOWN]
        return unknown[-1] if unknown else None


@dataclass(frozen=True, slots=True)
class End:
    """How an object ended without an error."""

    status: Status
    plan: UpdatePlan
    last_modified: str | None = None
    version_id: str | None = None
    confirmed: bool = False


def end_by_head(
    attempt: Attempt, now: UpdatePlan, head: ObjectHead, *, write: bool
) -> End | None:
    """How the object ends by what a head shows; None if an update is to be sent.

    `now` is the update merged from that head. An update sent before is in effect if the
    head shows just what it sent, even if its condition was refused: something on the
    way may have sent it twice. If its answer was lost and nothing is left to change, it
    is in effect under what another writer changed on top; what that writer's date is
    shown then is not ours.
    """
    for sent in reversed(attempt.sent):
        if sent.plan.after.same_state(now.before):
            return End(
                "updated",
                sent.plan,
                head.last_modified,
                head.version_id,
                confirmed=True,
            )
    doubt = attempt.in_doubt()
    if doubt and now.is_noop():
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
    doubt = attempt.in_doubt()
    return Outcome(
        seq=attempt.seq,
        key=attempt.key,
        status="skipped" if skip else "failed",
        reason=error.reason,
        before=doubt.before if doubt else None,
        after=doubt.after if doubt else None,
        etag=doubt.etag if doubt else None,
        last_modified=doubt.last_modified if doubt else None,
        error=error.detail,
    )


def interrupted(attempt: Attempt, cause: Exception) -> Outcome | None:
    """The line of an object left in the middle; none if nothing was done to it."""
    if attempt.in_doubt() is None:
        return None
    message = f"the run ended while the fate of an update was unknown: {cause}"
    return failed(attempt, ObjectError("interrupted", message))


def skipped(attempt: Attempt, reason: str) -> Outcome:
    """The line of an object that is left alone."""
    return Outcome(seq=attempt.seq, key=attempt.key, status="skipped", reason=reason)


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
