"""Looking whether objects still are as a run left them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bulkmeta.engine.look import look_further
from bulkmeta.engine.pipeline import Processed
from bulkmeta.errors import ObjectError
from bulkmeta.model.item import recorded_of
from bulkmeta.model.outcome import AS_BEFORE, OTHER_CONTENT, Outcome, timestamp
from bulkmeta.model.parts import Parts
from bulkmeta.model.replay import was_rewritten
from bulkmeta.oss.effort import Effort

if TYPE_CHECKING:
    from bulkmeta.model.item import Item
    from bulkmeta.model.metadata import ObjectHead
    from bulkmeta.oss.bucket import Bucket


class Verifier:
    """Heads each recorded object again, and compares."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def verify_object(self, seq: int, item: Item) -> Processed[Outcome]:
        """`unchanged` if the object is as recorded (`rewritten`: but written since);
        `failed: drift` if not, with what was recorded as `before` and what is there as
        `after`."""
        started_s = time.perf_counter()
        effort = Effort()
        found: ObjectHead | None = None
        failure: ObjectError | None = None
        try:
            recorded = recorded_of(item)
            found = await self._found(recorded, effort)
            _refuse_drift(recorded, found)
        except ObjectError as error:
            failure = error
        again = found and item.recorded and was_rewritten(item.recorded, found)
        reason = failure.reason if failure else "rewritten" if again else None
        return Processed(
            Outcome(
                seq=seq,
                key=item.key,
                status="failed" if failure else "unchanged",
                reason=reason,
                before=item.recorded.after if item.recorded else None,
                after=found.metadata if found else None,
                etag=found.etag if found else None,
                last_modified=found.last_modified if found else None,
                version_id=found.version_id if found else None,
                error=failure.detail if failure else None,
                request_id=effort.request_id,
                attempts=effort.attempts,
                elapsed_ms=round((time.perf_counter() - started_s) * 1000, 1),
                at=timestamp(time.time()),
            )
        )

    async def _found(self, recorded: Outcome, effort: Effort) -> ObjectHead:
        """What is there now; with tags and ACL, if they were recorded."""
        key, after = recorded.key, recorded.after
        head = await self._bucket.head(key, effort)
        if after is None:
            return head
        read = Parts(acl=after.acl is not None, tags=after.tags is not None)
        return await look_further(self._bucket, key, head, read, effort)


def _refuse_drift(recorded: Outcome, found: ObjectHead) -> None:
    """Stop at what is not as recorded.

    Raises:
        ObjectError: `drift`, and where; or that nothing is left of what the run did.
    """
    why, before = _drift(recorded, found), recorded.before
    if why and why != OTHER_CONTENT and before and found.shows(before, recorded.after):
        why = AS_BEFORE
    if why:
        raise ObjectError("drift", why)


def _drift(recorded: Outcome, found: ObjectHead) -> str | None:
    if recorded.etag and recorded.etag != found.etag:
        return OTHER_CONTENT
    if recorded.after is None:
        return None
    if not found.metadata.same_acl(recorded.after):
        return "the access control list is another one now"
    if not found.metadata.same_tags(recorded.after):
        return "the tags are not as the run left them"
    if not found.shows(recorded.after, recorded.before):
        return "the metadata is not as the run left it"
    return None
