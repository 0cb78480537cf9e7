"""Results on their way to the reporter: many put them in, one takes all there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Outbox(Generic[T]):
    """Holds up to `size` results; whoever comes when it is full waits."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._results: list[T] = []
        self._is_closed = False
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    async def put(self, result: T) -> None:
        """Leave a result for the reporter."""
        while len(self._results) >= self._size:
            await self._emptied.wait()
        self._results.append(result)
        if len(self._results) == 1:
            self._emptied.clear()
            self._filled.set()

    def close(self) -> None:
        """Say that nothing more comes."""
        self._is_closed = True
        self._filled.set()

    async def batches(self) -> AsyncIterator[list[T]]:
        """All results there are, again and again, until it is closed and empty."""
        while self._results or not self._is_closed:
            await self._filled.wait()
            batch, self._results = self._results, []
            self._filled.clear()
            self._emptied.set()
            if batch:
                yield batch
