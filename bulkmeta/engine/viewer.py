"""Looking at objects without any wish to change them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec

from bulkmeta.engine.pipeline import Processed
from bulkmeta.errors import ObjectError, SkipError
from bulkmeta.model.conditions import LISTED_FIELDS
from bulkmeta.model.metadata import ListedObject, ObjectHead
from bulkmeta.model.viewed import Viewed
from bulkmeta.oss.effort import Effort

if TYPE_CHECKING:
    from bulkmeta.model.conditions import Condition
    from bulkmeta.model.item import Item
    from bulkmeta.model.viewed import Needs
    from bulkmeta.oss.bucket import Bucket


class Viewer:
    """Reads what is needed of each object: as few requests as that takes. `told` are
    the fields of a condition that the listing tells."""

    def __init__(
        self,
        bucket: Bucket,
        needs: Needs,
        condition: Condition | None = None,
        told: Collection[str] = LISTED_FIELDS,
    ) -> None:
        self._bucket = bucket
        self._needs = needs
        self._condition = condition
        self._told = told

    async def view_object(self, seq: int, item: Item) -> Processed[Viewed]:
        """What is to be seen of one object, or why there is nothing."""
        listed = item.listed or ListedObject(item.key)
        try:
            view = await self._view(seq, item)
        except SkipError:
            view = Viewed(seq, listed, left_out=True)
        except ObjectError as error:
            view = Viewed(seq, listed, error=error.detail)
        return Processed(view)

    async def _view(self, seq: int, item: Item) -> Viewed:
        key, effort, head, tags = item.key, Effort(), None, None
        condition, listed = self._condition, item.listed
        if listed and condition and condition.holds(listed, self._told):
            condition = None
        if self._needs.head or listed is None or condition:
            head = await self._bucket.head(key, effort)
            listed = listed or _as_listed(key, head)
        version = head.version_id if head else None
        if self._needs.tags or (condition and condition.reads_tags):
            tags = await self._bucket.tags(key, effort, version)
        if condition and head:
            state = msgspec.structs.replace(head.metadata, tags=tags)
            condition.require(key, msgspec.structs.replace(head, metadata=state))
        acl = await self._bucket.acl(key, effort, version) if self._needs.acl else None
        assert listed is not None  # noqa: S101 narrows for the type checker
        return Viewed(seq, listed, head, acl=acl, tags=tags)


def _as_listed(key: str, head: ObjectHead) -> ListedObject:
    """What a listing would have told."""
    return ListedObject(
        key,
        head.size_bytes,
        head.etag,
        f"{head.modified_at():%Y-%m-%dT%H:%M:%S.000Z}",
        head.object_type,
        head.metadata.storage_class or "",
    )
