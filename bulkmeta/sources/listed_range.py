"""One key range while it is listed: what of it is at hand, and what is to come."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from bulkmeta.model.item import Item
from bulkmeta.model.key_ranges import (
    Sample,
    Span,
    in_order,
    keys_beyond,
    sample_of,
)
from bulkmeta.oss.bucket import PAGE_KEYS

if TYPE_CHECKING:
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.page import Page
    from bulkmeta.sources.ahead import Ahead

MOST_LISTED: Final = 20_000
"""Listed objects that all ranges together may hold, one page each."""


FEW: Final = 64
"""Objects that are not worth a range of their own."""


class Lister:
    """Lists one prefix for `ranges` ranges, the more in smaller pages."""

    def __init__(self, bucket: Bucket, prefix: str, ranges: int) -> None:
        self.prefix = prefix
        self.few = FEW
        self._bucket = bucket
        self._page_keys = max(1, min(PAGE_KEYS, MOST_LISTED // ranges))
        self.low = self._page_keys // 2

    async def page(self, after: str, token: str | None = None) -> Page:
        """The next page behind key `after`, by the last one's token if there was one;
        empty only if there are no more keys."""
        # The very first page is mostly all there is: in one request, if it can be.
        keys = self._page_keys if after or token else PAGE_KEYS
        return await self._list(after, token, keys)

    async def first_of_many(self, span: Span) -> str | None:
        """The first key of `span` if it has more than few."""
        page = await self._list(span.after, None, self.few + 1)
        return page.objects[0].key if self.shows_many(page, span) else None

    def shows_many(self, page: Page, span: Span) -> bool:
        """Whether a page that begins inside `span` shows more than few objects there,
        or is a short one with more to come."""
        seen = page.objects[: self.few + 1]
        more = len(seen) > self.few or page.next_token is not None
        return bool(seen) and more and span.reaches(seen[-1].key)

    async def _list(self, after: str, token: str | None, keys: int) -> Page:
        page = await self._bucket.list_page(
            self.prefix, token, start_after=after, keys=keys
        )
        while not page.objects and page.next_token is not None:
            page = await self._bucket.list_page(
                self.prefix, page.next_token, start_after=after, keys=keys
            )
        return page


class ListedRange:
    """A range under way. `listed_all`: what is at hand is all that is left of it."""

    def __init__(self, span: Span) -> None:
        self.passed = span.after
        self.up_to = span.up_to
        self.items: deque[Item] = deque()
        self.listed_all = False
        self.sample: Sample | None = None
        self._seen_end: str | None = None
        self._beyond = math.inf
        self._begin = span.after
        self._token: str | None = None
        self._coming: asyncio.Future[Page] | None = None

    @property
    def span(self) -> Span:
        """What is left of it."""
        return Span(self.passed, self.up_to)

    @property
    def end(self) -> str | None:
        """Behind which text there are few keys, as far as is known."""
        known = [end for end in (self.up_to, self._seen_end) if end is not None]
        return min(known) if known else None

    @property
    def coming(self) -> asyncio.Future[Page] | None:
        """The page that was asked for and is not added yet."""
        return self._coming

    def ask(self, lister: Lister, ahead: Ahead) -> None:
        """Ask for the next page, unless that has been done."""
        if self._coming is None and not self.listed_all:
            self._coming = ahead.start(lister.page, self._begin, self._token)

    def receive(self) -> None:
        """Add the page that has come.

        Raises:
            RunFatalError: it could not be had.
        """
        if self._coming is not None and self._coming.done():
            page, self._coming = self._coming.result(), None
            self.add(page)

    def add(self, page: Page) -> None:
        """Take a page's objects, as far as they belong here."""
        span = self.span
        keys = [listed.key for listed in page.objects if span.reaches(listed.key)]
        for listed in page.objects[: len(keys)]:
            self.items.append(Item(listed.key, listed=listed))
        self._token = page.next_token
        self.listed_all = page.next_token is None or len(keys) < len(page.objects)
        if keys:
            self.sample = sample_of(keys)
        self._weigh()

    def continues(self, at: str, page: Page) -> bool:
        """Take the page behind `at` if it is the next one of this range."""
        is_next = self._coming is None and self.sample and self.sample.last == at
        if is_next:
            self.add(page)
        return bool(is_next)

    def take(self) -> Item:
        """The next item at hand."""
        item = self.items.popleft()
        self.passed = item.key
        return item

    def left(self) -> float:
        """About how many objects are left."""
        return len(self.items) + self._beyond

    def see_end(self, end: str | None) -> None:
        """There were few keys behind `end` when they were looked for."""
        if end is not None:
            self._seen_end = min(end, self.end or end)
            self._weigh()

    def give_up(self, at: str) -> ListedRange:
        """Leave all that is behind `at` to a new range."""
        made = ListedRange(Span(at, self.up_to))
        made._seen_end = self._seen_end
        self.up_to = at
        while self.items and in_order(self.items[-1].key) > in_order(at):
            self.items.pop()
        self._weigh()
        return made

    def hold(self, items: Iterable[Item]) -> None:
        """Take all items that there are."""
        self.items.extend(items)
        self.listed_all = True
        self._weigh()

    def _weigh(self) -> None:
        """Estimate what is beyond the last page."""
        if self.sample and self.up_to is not None:
            at_end = in_order(self.sample.last) >= in_order(self.up_to)
            self.listed_all = self.listed_all or at_end
        self._beyond = math.inf
        if self.listed_all:
            self._beyond = 0.0
        elif self.sample and self.end is not None:
            self._beyond = max(keys_beyond(self.sample, self.end), 0.0)
