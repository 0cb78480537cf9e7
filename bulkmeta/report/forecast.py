"""What carrying out a plan takes, and what comes with it: counted as it is made."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from bulkmeta.model.billing import Billed, billed, looks, updates
from bulkmeta.model.parts import parts_between
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.model.protection import HAS_MINIMUM, NEEDS_RESTORE

if TYPE_CHECKING:
    from bulkmeta.model.job import JobSpec
    from bulkmeta.model.metadata import Metadata
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.probe import Probed


class Reach(NamedTuple):
    """How many objects are rewritten; how many of these are in a class with a minimum
    duration (`early`), come to be in one (`bound`), get other standard `headers`, or
    become `archived`; and how many get other `tags`. None: nobody knows how many."""

    rewrites: int | None = 0
    early: int | None = 0
    bound: int | None = 0
    headers: int | None = 0
    archived: int | None = 0
    tags: int | None = 0


class Forecast:
    """Counts what updates a plan is made of. A sink.

    `updates` are the requests that change what was looked at just as the plan did;
    `replay` are all that carry out the plan's lines. `unbilled` are requests of the
    plan itself that had no success for an answer: such are not billed (OSS, request
    fees). `copies` is what the bucket was seen to keep on copies.
    """

    def __init__(self, job: JobSpec) -> None:
        self.copies: Probed | None = None
        self.updates = Billed()
        self.replay = Billed()
        self.unbilled = 0
        self._job = job
        self._met: Counter[str] = Counter()

    def emit(self, result: Outcome) -> None:
        self.unbilled += result.attempts - 1
        self.unbilled += bool(result.error and result.error.http_status)
        if result.status == "planned" and result.before and result.after:
            self._count(result, result.before, result.after)

    def flush(self) -> None:
        """Counters hold nothing back."""

    def reach(self) -> Reach:
        """What the updates met so far touch."""
        return Reach(**self._met)

    def _count(self, result: Outcome, before: Metadata, after: Metadata) -> None:
        parts, met = parts_between(before, after), self._met
        carries = parts.rewrite and self._reads_acl(result, before, after)
        unread = carries and before.acl is None
        self.updates += billed(updates(parts, reads_acl=unread))
        # By a line only what it changes is looked at: an ACL that it leaves is not.
        unread = carries and not parts.acl
        self.replay += billed([*looks(parts), *updates(parts, reads_acl=unread)])
        met["tags"] += parts.tags
        met["rewrites"] += parts.rewrite
        met["early"] += parts.rewrite and before.storage_class in HAS_MINIMUM
        met["headers"] += before.headers != after.headers
        moved = before.storage_class != after.storage_class
        met["bound"] += moved and after.storage_class in HAS_MINIMUM
        met["archived"] += moved and after.storage_class in NEEDS_RESTORE

    def _reads_acl(self, result: Outcome, before: Metadata, after: Metadata) -> bool:
        """Whether a copy has to carry along an access control list that was read."""
        if not self._job.reads_acl():
            return False
        if self.copies is None:
            return True
        etag = result.etag or ""
        plan = UpdatePlan(result.key, before, after, etag, result.last_modified or "")
        # Only an upload in parts has a hyphen there; a line does not tell the type.
        object_type = "Multipart" if "-" in etag else "Normal"
        return not self.copies.spares_acl(plan, object_type)
