"""Walking a prefix page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bulkmeta.model.item import Item
from bulkmeta.model.metadata import ListedObject
from bulkmeta.oss.wire import Page
from bulkmeta.sources.prefix import list_prefix

if TYPE_CHECKING:
    from bulkmeta.oss.bucket import Bucket


class PagedBucket:
    """Serves pages by token and remembers what was asked."""

    def __init__(self, pages: dict[str | None, Page]) -> None:
        self._pages = pages
        self.asked: list[tuple[str, str | None, str | None]] = []

    async def list_page(
        self, prefix: str, token: str | None, *, start_after: str | None
    ) -> Page:
        self.asked.append((prefix, token, start_after))
        return self._pages[token]


async def test_walk_ends_with_the_token_not_with_a_short_page() -> None:
    """Short and even empty pages are followed as long as there is a token."""
    bucket = PagedBucket(
        {
            None: Page([ListedObject("a"), ListedObject("b")], "t1"),
            "t1": Page([], "t2"),
            "t2": Page([ListedObject("c")], None),
        }
    )
    items = [item async for item in list_prefix(cast("Bucket", bucket), "p", after="0")]
    assert (items, bucket.asked) == (
        [Item(key, listed=ListedObject(key)) for key in "abc"],
        [("p", None, "0"), ("p", "t1", "0"), ("p", "t2", "0")],
    )
