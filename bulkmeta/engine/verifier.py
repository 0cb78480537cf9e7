"""Looking whether objects still are as a run left them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bulkmeta.engine.pipeline import Processed
from bulkmeta.errors import ErrorDetail, ObjectError
from bulkmeta.model.outcome import Outcome, timestamp
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
        """`unchanged` if the object is as recorded; `failed: drift` if not, with what
        was recorded as `before` and what is there as `after`."""
        started_s = time.perf_counter()
        effort = Effort()
        recorded = item.recorded or Outcome(seq=seq, key=item.key, status="unchanged")
        found: ObjectHead | None = None
        error: ErrorDetail | None = None
        try:
            found = await self._bucket.head(item.key, effort)
            error = _drift(recorded, found)
        except ObjectError as failure:
            error = failure.detail
        return Processed(
            Outcome(
                seq=seq,
                key=item.key,
                status="failed" if error else "unchanged",
                reason=error.code if error else None,
                before=recorded.after,
                after=found.metadata if found else None,
                etag=found.etag if found else None,
                last_modified=found.last_modified if found else None,
                version_id=found.version_id if found else None,
                error=error,
                request_id=effort.request_id,
                attempts=effort.attempts,
                elapsed_ms=round((time.perf_counter() - started_s) * 1000, 1),
                at=timestamp(datetime.now(UTC)),
            )
        )


def _drift(recorded: Outcome, found: ObjectHead) -> ErrorDetail | None:
    if recorded.etag and recorded.etag != found.etag:
        return ErrorDetail("drift", None, "the content is another one now")
    if recorded.after and not recorded.after.same_state(found.metadata):
        return ErrorDetail("drift", None, "the metadata is not as the run left it")
    return None
