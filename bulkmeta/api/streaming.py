"""A run whose outcomes are handed on while it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.errors import UsageError
from bulkmeta.model.outcome import Outcome

if TYPE_CHECKING:
    from bulkmeta.api.bucket import OpenBucket
    from bulkmeta.runners.host import Host

Outcomes = AsyncGenerator[Outcome, None]


class Streamed:
    """A run that hands its outcomes on, a batch at a time; whoever takes them sets the
    pace."""

    def __init__(self, run: Callable[[Host], Awaitable[object]], host: Host) -> None:
        self._batches: asyncio.Queue[list[Outcome] | None] = asyncio.Queue(1)
        self._stop = StopRequest()
        self._is_left = False
        host = replace(host, hand_on=self._hand_on, stop=self._stop)
        self._task = asyncio.create_task(self._work(run, host))

    async def _work(self, run: Callable[[Host], Awaitable[object]], host: Host) -> None:
        try:
            await run(host)
        finally:
            await self._hand_on(None)

    async def _hand_on(self, batch: list[Outcome] | None) -> None:
        if not self._is_left:
            await self._batches.put(batch)

    async def outcomes(self) -> Outcomes:
        """Every outcome.

        Raises:
            BulkmetaError: what ended the run before its time.
        """
        while (batch := await self._batches.get()) is not None:
            for outcome in batch:
                yield outcome

    async def leave(self) -> None:
        """Let objects under way come to their end, unless the run is at its own.

        Raises:
            BulkmetaError: what ended the run before its time.
        """
        self._is_left = True
        self._stop.request()
        while not self._batches.empty():
            self._batches.get_nowait()  # somebody may wait for the room
        await self._task


async def streamed(
    bucket: OpenBucket, run: Callable[[Host], Awaitable[object]], host: Host
) -> Outcomes:
    """The outcomes of a run in an open bucket, which it does not outlive."""
    if bucket.closed.is_set():
        raise UsageError("the bucket is closed; take outcomes while it is open")
    streamed = Streamed(run, replace(host, bucket=bucket.bucket, signals=False))
    bucket.runs.add(streamed)
    try:
        async with aclosing(streamed.outcomes()) as outcomes:
            async for outcome in outcomes:
                yield outcome
    finally:
        bucket.runs.discard(streamed)
        await streamed.leave()
