"""Items on their way to the workers: one puts them in, many take them out."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Holds up to `size` items; whoever fills it waits while it is full."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._is_closed = False
        self._filled = asyncio.Event()
        self._has_room = asyncio.Event()

    async def put(self, item: T) -> None:
        """Leave an item for the workers."""
        while len(self._items) >= self._size:
            self._has_room.clear()
            await self._has_room.wait()
        self._items.append(item)
        self._filled.set()

    async def take(self) -> T | None:
        """The next item; None if there is none any more."""
        while not self._items:
            if self._is_closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        self._has_room.set()
        return self._items.popleft()

    def close(self) -> None:
        """Say that nothing more comes."""
        self._is_closed = True
        self._filled.set()

    def clear(self) -> None:
        """Drop what nobody took."""
        self._items.clear()
        self._has_room.set()
