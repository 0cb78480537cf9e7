"""Walking a prefix page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bulkmeta.model.metadata import ListedObject
from bulkmeta.oss.wire import Page
from bulkmeta.sources.prefix import list_prefix

if TYPE_CHECKING:
    from bulkmeta.oss.bucket import Bucket


class PagedBucket:
    """Serves pages by token and remembers what was asked."""

    def __init__(self, pages: dict[str | None, Page]) -> None:
        self._pages = pages
        self.asked: list[tuple[str, str | None]] = []

    async def list_page(self, prefix: str, token: str | None) -> Page:
        self.asked.append((prefix, token))
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
    keys = [listed.key async for listed in list_prefix(cast("Bucket", bucket), "p")]
    assert (keys, bucket.asked) == (
        ["a", "b", "c"],
        [("p", None), ("p", "t1"), ("p", "t2")],
    )
