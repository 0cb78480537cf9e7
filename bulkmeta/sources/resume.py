"""Taking up an interrupted run: what is done is left out, what is in doubt marked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec

from bulkmeta.model.item import Item

if TYPE_CHECKING:
    from bulkmeta.model.plan import UpdatePlan


async def take_up(
    source: AsyncIterator[Item],
    *,
    done: set[str],
    doubts: dict[str, UpdatePlan],
    in_key_order: bool,
) -> AsyncIterator[Item]:
    """The items of `source` that are not `done`; those in doubt with their update.

    A listing does not name objects that were deleted meanwhile: in doubt, they come all
    the same, at their place in key order, so that they get their line.
    """
    waiting = dict(sorted(doubts.items()))
    async for item in source:
        while in_key_order and waiting and next(iter(waiting)) < item.key:
            yield _doubted(waiting)
        doubt = waiting.pop(item.key, None)
        if item.key not in done:
            yield msgspec.structs.replace(item, doubt=doubt) if doubt else item
    while waiting:
        yield _doubted(waiting)


def _doubted(waiting: dict[str, UpdatePlan]) -> Item:
    key = next(iter(waiting))
    return Item(key, doubt=waiting.pop(key))
