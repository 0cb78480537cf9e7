"""The objects under a prefix, in key order, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from bulkmeta.model.item import Item

if TYPE_CHECKING:
    from bulkmeta.model.key_ranges import Span
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.sources.ahead import Ahead


async def one_after_another(
    sources: Iterable[AsyncIterator[Item]],
) -> AsyncIterator[Item]:
    """The items of each source, in their order; one is begun when it is its turn."""
    for source in sources:
        async for item in source:
            yield item


async def list_prefix(
    bucket: Bucket, prefix: str, ahead: Ahead, span: Span
) -> AsyncIterator[Item]:
    """Every object whose key begins with `prefix`, and lies in `span`. Once half of a
    page is used the next one is on its way.

    Raises:
        RunFatalError: the service does not give a page, after all retries.
    """
    page = await bucket.list_page(prefix, None, start_after=span.after)
    while True:
        objects = page.objects
        if span.up_to is not None:
            objects = [listed for listed in objects if span.reaches(listed.key)]
        items = [Item(listed.key, listed=listed) for listed in objects]
        half = len(items) // 2
        for item in items[:half]:
            yield item
        token = page.next_token if len(items) == len(page.objects) else None
        coming = token and ahead.start(
            bucket.list_page, prefix, token, start_after=span.after
        )
        for item in items[half:]:
            yield item
        if not coming:
            return
        page = await coming
