"""Looking at objects without any wish to change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkmeta.engine.pipeline import Processed
from bulkmeta.errors import ObjectError
from bulkmeta.model.metadata import ListedObject
from bulkmeta.model.viewed import Viewed
from bulkmeta.oss.effort import Effort

if TYPE_CHECKING:
    from bulkmeta.model.item import Item
    from bulkmeta.oss.bucket import Bucket


class Viewer:
    """Reads each object's metadata by one head."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def view_object(self, seq: int, item: Item) -> Processed[Viewed]:
        """What a head shows of one object, or why it shows nothing."""
        listed = item.listed or ListedObject(item.key)
        try:
            head = await self._bucket.head(listed.key, Effort())
        except ObjectError as error:
            return Processed(Viewed(seq, listed, error=error.detail))
        return Processed(Viewed(seq, listed, head=head))
