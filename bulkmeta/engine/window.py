"""How far the work may run ahead of the oldest object that is not finished.

It bounds what a resumed run has to remember, whatever becomes of single objects.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from bulkmeta.model.low_water import HasSeq, LowWater

if TYPE_CHECKING:
    from bulkmeta.engine.pipeline import Numbered
    from bulkmeta.model.item import Item

WINDOW: Final = 20_000


class Window:
    """Numbers items, and holds them back while they are `size` above the low-water
    mark. As a sink, behind the durable ones, it learns what is finished."""

    def __init__(self, size: int = WINDOW, first_seq: int = 1) -> None:
        self._size = size
        self._first_seq = first_seq
        self._low = LowWater(first_seq)
        self._moved = asyncio.Event()

    async def number(self, source: AsyncIterator[Item]) -> AsyncIterator[Numbered]:
        """The items with their sequence numbers."""
        seq = self._first_seq
        async for item in source:
            while seq >= self._low.next_seq + self._size:
                self._moved.clear()
                await self._moved.wait()
            yield seq, item
            seq += 1

    def emit(self, result: HasSeq) -> None:
        self._low.finish(result.seq, "")

    def flush(self) -> None:
        """A batch is finished: the window may have moved."""
        self._moved.set()
