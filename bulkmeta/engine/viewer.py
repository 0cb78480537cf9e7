"""Looking at objects without any wish to change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkmeta.errors import ObjectError
from bulkmeta.model.view import ObjectView
from bulkmeta.oss.effort import Effort

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ListedObject
    from bulkmeta.oss.bucket import Bucket


class Viewer:
    """Reads each object's metadata by one head."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def view_object(self, seq: int, listed: ListedObject) -> ObjectView:
        """What a head shows of one object, or why it shows nothing."""
        try:
            head = await self._bucket.head(listed.key, Effort())
        except ObjectError as error:
            return ObjectView(seq, listed, error=error.detail)
        return ObjectView(seq, listed, head=head)
