"""Taking up an interrupted run: what is done is left out, what is in doubt marked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.model.item import Item

if TYPE_CHECKING:
    from bulkmeta.model.key_ranges import Marks
    from bulkmeta.model.plan import UpdatePlan


Behind = Callable[[str | None], AsyncIterator[Item]]
"""The items that come after that of a key; all of them for None."""


async def behind(source: AsyncIterator[Item], after: str | None) -> AsyncIterator[Item]:
    """The items that come after that of key `after`; all of them if it is None.

    Raises:
        UsageError: there is none of that key.
    """
    passed = after is None
    async for item in source:
        if passed:
            yield item
        passed = passed or item.key == after
    if not passed:
        raise UsageError(
            f"the run came up to {after!r}, which the given objects do not hold: give "
            "the same ones, in the same order"
        )


async def take_up(
    source: AsyncIterator[Item],
    *,
    done: set[str],
    doubts: dict[str, UpdatePlan],
    marks: Marks | None,
) -> AsyncIterator[Item]:
    """The items of `source` that are not `done`; those in doubt with their update.

    A listing does not name objects that were deleted meanwhile: in doubt, they come all
    the same, at their place in key order, so that they get their line. It is in key
    order inside each range of `marks`; without, there is no order.
    """
    waiting = _Waiting(doubts)
    async for item in source:
        while marks and (key := waiting.between(marks.start_of(item.key), item.key)):
            yield waiting.take(key)
        doubt = waiting.pop(item.key)
        if item.key not in done:
            yield msgspec.structs.replace(item, doubt=doubt) if doubt else item
    while key := waiting.between(""):
        yield waiting.take(key)


class _Waiting:
    """Updates in doubt that did not come yet."""

    def __init__(self, doubts: dict[str, UpdatePlan]) -> None:
        self._doubts = dict(doubts)
        self._keys = sorted(doubts)

    def between(self, after: str, before: str | None = None) -> str | None:
        """The first key behind `after`, if it is before `before`."""
        place = bisect_right(self._keys, after)
        if place == len(self._keys):
            return None
        key = self._keys[place]
        return key if before is None or key < before else None

    def pop(self, key: str) -> UpdatePlan | None:
        """The update of `key`, if it waits; it does so no more."""
        doubt = self._doubts.pop(key, None)
        if doubt:
            self._keys.remove(key)
        return doubt

    def take(self, key: str) -> Item:
        return Item(key, doubt=self.pop(key))
