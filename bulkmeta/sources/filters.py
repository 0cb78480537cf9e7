"""Leaving out the objects that a job is not about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkmeta.model.item import Item
    from bulkmeta.model.selection import Selection


async def admitted(
    source: AsyncIterator[Item], selection: Selection
) -> AsyncIterator[Item]:
    """The items that `selection` admits, in their order."""
    async for item in source:
        if selection.admits(item.key):
            yield item
