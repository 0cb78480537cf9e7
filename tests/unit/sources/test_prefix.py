"""Walking a prefix page by page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from bulkmeta.model.item import Item
from bulkmeta.model.key_ranges import Span
from bulkmeta.model.metadata import ListedObject
from bulkmeta.oss.page import Page
from bulkmeta.runners.flow import requests_ahead
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
    async with requests_ahead() as ahead:
        walk = list_prefix(cast("Bucket", bucket), "p", ahead, Span("0"))
        items = [item async for item in walk]
    assert (items, bucket.asked) == (
        [Item(key, listed=ListedObject(key)) for key in "abc"],
        [("p", None, "0"), ("p", "t1", "0"), ("p", "t2", "0")],
    )


async def test_the_next_page_is_on_its_way() -> None:
    """Once half of a page is used the next one is asked for, and no further one."""
    bucket = PagedBucket(
        {
            None: Page([ListedObject("a"), ListedObject("b")], "t1"),
            "t1": Page([ListedObject("c")], "t2"),
            "t2": Page([ListedObject("d")], None),
        }
    )
    async with requests_ahead() as ahead:
        walk = list_prefix(cast("Bucket", bucket), "p", ahead, Span())
        assert [(await anext(walk)).key, (await anext(walk)).key] == ["a", "b"]
        for _ in range(5):
            await asyncio.sleep(0)
    assert [token for _, token, _ in bucket.asked] == [None, "t1"]
