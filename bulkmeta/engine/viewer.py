"""Looking at objects without any wish to change them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bulkmeta.engine.pipeline import Processed
from bulkmeta.errors import ObjectError, SkipError
from bulkmeta.model.conditions import LISTED_FIELDS
from bulkmeta.model.metadata import ListedObject, ObjectHead
from bulkmeta.model.protection import is_other_version
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
        self._heads_all = needs.head or not needs.listed <= {*told}

    async def view_object(self, seq: int, item: Item) -> Processed[Viewed]:
        """What is to be seen of one object, and why there is no more."""
        view = Viewed(seq, item.key)
        try:
            async for further in self._looks(view, item):
                view = further
        except SkipError:
            view = replace(view, left_out=True)
        except ObjectError as error:
            view = replace(view, error=error.detail)
        return Processed(view)

    async def _looks(self, view: Viewed, item: Item) -> AsyncIterator[Viewed]:
        """What is known of the object, again after each request. Nothing is read of one
        that is not meant, beyond what tells so."""
        key, listed, needs = item.key, item.listed, self._needs
        condition, effort, version = self._open(listed), Effort(), None
        takes_head = bool(self._heads_all or condition or not listed)
        if listed and not (takes_head and listed.is_snapshot):
            yield (view := replace(view, listed=listed))
        if takes_head:
            head = await self._bucket.head(key, effort)
            _refuse_other_version(item, head)
            version = head.version_id
            yield (view := _with_head(view, head))
        if condition and condition.reads_tags:
            tags = await self._bucket.tags(key, effort, version)
            yield (view := replace(view, tags=tags))
        if condition:
            condition.require(key, _read(view))
        if needs.tags and view.tags is None:
            tags = await self._bucket.tags(key, effort, version)
            yield (view := replace(view, tags=tags))
        if needs.acl:
            yield replace(view, acl=await self._bucket.acl(key, effort, version))

    def _open(self, listed: ListedObject | None) -> Condition | None:
        """The condition, unless the listing settles that it holds."""
        condition = self._condition
        if condition and listed and condition.holds(listed, self._told):
            return None
        return condition


def _refuse_other_version(item: Item, head: ObjectHead) -> None:
    if is_other_version(item, head):
        raise ObjectError("other_version", "another version is current by now")


def _with_head(view: Viewed, head: ObjectHead) -> Viewed:
    """With what a listing would have told, where none did."""
    listed = view.listed or ListedObject(
        view.key,
        head.size_bytes,
        head.etag,
        f"{head.modified_at():%Y-%m-%dT%H:%M:%S.000Z}",
        head.object_type,
        head.metadata.storage_class or "",
    )
    return replace(view, listed=listed, head=head)


def _read(view: Viewed) -> ObjectHead:
    """The head, with the tags if they were read."""
    assert view.head  # noqa: S101 an open condition takes one
    metadata = replace(view.head.metadata, tags=view.tags)
    return replace(view.head, metadata=metadata)
