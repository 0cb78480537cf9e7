"""A bucket that only lists."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterable

from bulkmeta.model.key_ranges import in_order
from bulkmeta.model.metadata import ListedObject
from bulkmeta.oss.page import Page


class KeysBucket:
    """Lists some keys in the service's order, on pages of at most `most`, and counts
    the requests."""

    def __init__(self, keys: Iterable[str], most: int = 1000) -> None:
        self.keys = sorted(keys, key=in_order)
        self.asked = 0
        self._most = most

    async def list_page(
        self, prefix: str, token: str | None, *, start_after: str, keys: int = 1000
    ) -> Page:
        self.asked += 1
        await asyncio.sleep(0)
        after = in_order(token or start_after or "")
        first = bisect_right(self.keys, after, key=in_order)
        under = [key for key in self.keys[first:] if key.startswith(prefix)]
        found = under[: min(keys, self._most)]
        more = len(under) > len(found)
        return Page([ListedObject(key) for key in found], found[-1] if more else None)
