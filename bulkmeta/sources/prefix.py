"""The objects under a prefix, in key order, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from bulkmeta.model.item import Item

if TYPE_CHECKING:
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.sources.ahead import Ahead


async def list_prefix(
    bucket: Bucket, prefix: str, ahead: Ahead, *, after: str = ""
) -> AsyncIterator[Item]:
    """Every object whose key begins with `prefix`, and comes after key `after`. Once
    half of a page is used the next one is on its way.

    Raises:
        RunFatalError: the service does not give a page, after all retries.
    """
    page = await bucket.list_page(prefix, None, start_after=after)
    while True:
        items = [Item(listed.key, listed=listed) for listed in page.objects]
        half = len(items) // 2
        for item in items[:half]:
            yield item
        token = page.next_token
        coming = token and ahead.start(
            bucket.list_page, prefix, token, start_after=after
        )
        for item in items[half:]:
            yield item
        if not coming:
            return
        page = await coming
