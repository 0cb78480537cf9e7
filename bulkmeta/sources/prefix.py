"""The objects under a prefix, in key order, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from bulkmeta.model.item import Item

if TYPE_CHECKING:
    from bulkmeta.oss.bucket import Bucket


async def list_prefix(
    bucket: Bucket, prefix: str, *, after: str | None = None
) -> AsyncIterator[Item]:
    """Every object whose key begins with `prefix`, and comes after key `after`.

    Raises:
        RunFatalError: the service does not give a page, after all retries.
    """
    token: str | None = None
    while True:
        page = await bucket.list_page(prefix, token, start_after=after)
        for listed in page.objects:
            yield Item(listed.key, listed=listed)
        if page.next_token is None:
            return
        token = page.next_token
