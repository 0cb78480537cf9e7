"""The keys under a prefix, counted without listing them all.

Pages are listed one after the other. Where several in a row are alike, those that
follow are passed over, more of them each time, as long as the page behind proves it
(`model/leaps`). A page that does not is kept, and the listing goes on up to it. So all
keys are listed where they lie unevenly. What is missed is what lies amid many keys that
are alike, and is unlike them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkmeta.model.key_ranges import Span
from bulkmeta.model.leaps import PAGES, Row
from bulkmeta.oss.bucket import PAGE_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkmeta.model.leaps import Leap
    from bulkmeta.model.shards import Tally
    from bulkmeta.oss.page import Page
    from bulkmeta.sources.listed_range import Lister

_NEAR: Final = 0.9 * PAGE_KEYS
"""Keys that are listed as quickly as they are passed over."""

_SHORT: Final = 4 * PAGE_KEYS
"""A leap may always be as long; a longer one is at most a shard of what is known."""

_CREDIT: Final = 8.0
"""Requests that may be lost by leaps beyond those that others spared."""


class _Ahead(NamedTuple):
    """A page that is known before the listing comes to it: it begins behind `after`."""

    after: str
    page: Page


class Survey:
    """Counts the keys of a `lister` into a `tally`, so well that they can be cut into
    so many parts. `told` is called after each page."""

    def __init__(
        self, lister: Lister, tally: Tally, parts: int, told: Callable[[], object]
    ) -> None:
        self._lister = lister
        self._tally = tally
        self._parts = parts
        self._told = told
        self._row: deque[list[str]] = deque(maxlen=PAGES)
        self._far: float = PAGE_KEYS
        self._ahead: list[_Ahead] = []
        self._credit = _CREDIT
        self.leaps = 0

    async def count(self) -> None:
        """Count them.

        Raises:
            RunFatalError: the service does not give a page, after all retries.
        """
        page: Page | None = await self._lister.page("")
        while page is not None:
            page = await self._next(page)
            self._told()

    async def _next(self, page: Page) -> Page | None:
        """Count a page; the one to be counted next, or None behind the last."""
        keys = [listed.key for listed in page.objects]
        if self._ahead:
            upto = Span(up_to=self._ahead[-1].after)
            before = [key for key in keys if upto.reaches(key)]
            if len(before) < len(keys) or page.next_token is None:
                self._note(before)
                return self._come_to_known()
        self._note(keys)
        if page.next_token is None:
            return None
        self._row.append(keys)
        return await self._leap() or await self._lister.page("", page.next_token)

    def _note(self, keys: list[str]) -> None:
        for key in keys:
            self._tally.note(key)

    def _come_to_known(self) -> Page:
        self._row.clear()
        self._far = PAGE_KEYS
        return self._ahead.pop().page

    async def _leap(self) -> Page | None:
        """The page behind a leap that was proved; None: there is no such."""
        if len(self._row) < PAGES or self._credit < 1:
            return None
        row = Row(tuple(self._row), self._lister.prefix)
        far, self._far = self._far, PAGE_KEYS
        if not row.is_even:
            return None
        while leap := self._planned(row, far):
            page = await self._lister.page(leap.to)
            keys = self._proved(leap, page)
            if keys is not None:
                self._pass_over(leap, keys)
                self._far = 2 * far
                return page
            self._ahead.append(_Ahead(leap.to, page))
            self._credit -= 1
            far = leap.keys / 2
        return None

    def _planned(self, row: Row, far: float) -> Leap | None:
        """A leap over about so many keys; a longer one if that is what it takes to pass
        over any, and a shorter one in front of a page that is known."""
        most = max(_SHORT, self._tally.total / self._parts)
        far = min(far, most)
        leap = row.leap(far)
        while far < most and (leap is None or leap.keys < _NEAR):
            far = min(2 * far, most)
            leap = row.leap(far)
        while leap and self._ahead and leap.to >= self._ahead[-1].after:
            far /= 2
            leap = row.leap(far)
        return leap if leap and leap.keys >= _NEAR else None

    def _proved(self, leap: Leap, page: Page) -> float | None:
        """How many keys it passes over; None: nobody knows."""
        if page.next_token is None:
            return None
        keys = [listed.key for listed in page.objects]
        if self._ahead and not Span(up_to=self._ahead[-1].after).reaches(keys[-1]):
            return None
        return leap.counted(keys)

    def _pass_over(self, leap: Leap, keys: float) -> None:
        self.leaps += 1
        self._credit += keys / PAGE_KEYS
        for text, count in leap.parts(keys):
            self._tally.note(text, count)
