"""The objects under a prefix, in key order, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ListedObject
    from bulkmeta.oss.bucket import Bucket


async def list_prefix(bucket: Bucket, prefix: str) -> AsyncIterator[ListedObject]:
    """Every object whose key begins with `prefix`.

    Raises:
        ObjectError: the service does not give a page, after all retries.
    """
    token: str | None = None
    while True:
        page = await bucket.list_page(prefix, token)
        for listed in page.objects:
            yield listed
        if page.next_token is None:
            return
        token = page.next_token
