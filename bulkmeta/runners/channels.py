"""Frames over a socket, between processes of one machine."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

_LENGTH_BYTES: Final = 4


class SocketChannel:
    """A stream of bytes, cut into frames: each one's length goes ahead of it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, frame: bytes) -> None:
        """Return when the frame is on its way; one to nobody is dropped."""
        if self._writer.is_closing():  # uvloop would complain in its own words
            return
        with suppress(ConnectionError):
            self._writer.write(len(frame).to_bytes(_LENGTH_BYTES))
            self._writer.write(frame)
            await self._writer.drain()

    async def receive(self) -> bytes | None:
        """The next frame; None if the other side is gone."""
        try:
            length = await self._reader.readexactly(_LENGTH_BYTES)
            return await self._reader.readexactly(int.from_bytes(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
