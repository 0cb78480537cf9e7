"""Producer -> bounded queue -> workers -> bounded queue -> reporter.

The two queues are the only meeting points. A slow service makes the producer wait, a
slow disk makes the workers wait; memory stays what the queues hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import Enum
from typing import Final, TypeVar

from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.errors import BulkmetaError
from bulkmeta.model.metadata import ListedObject

T = TypeVar("T")


class End(Enum):
    """Closes a queue: nothing comes after it."""

    END = "end"


END: Final = End.END
KEYS_AHEAD: Final = 1000
"""How far the listing may run ahead of the workers: one page."""

Numbered = tuple[int, ListedObject]
Process = Callable[[int, ListedObject], Awaitable[T]]
Drain = Callable[[AsyncIterator[list[T]]], Awaitable[None]]


async def run_pipeline(
    source: AsyncIterator[ListedObject],
    process: Process[T],
    drain: Drain[T],
    *,
    workers: int,
    stop: StopRequest,
) -> None:
    """Process every listed object and report each result, until the source or `stop`
    ends it.

    Raises:
        ExceptionGroup: of whatever made going on senseless (source, process or drain);
            all results had until then are reported first.
    """
    outcomes: asyncio.Queue[T | End] = asyncio.Queue(2 * workers)
    async with asyncio.TaskGroup() as group:
        reporter = group.create_task(_report(drain, outcomes))
        try:
            await _run_workers(source, process, outcomes, workers, stop)
        finally:
            await _close(outcomes, reporter)


async def _report(drain: Drain[T], outcomes: asyncio.Queue[T | End]) -> None:
    await drain(batches(outcomes))


async def batches(queue: asyncio.Queue[T | End]) -> AsyncIterator[list[T]]:
    """Everything that waits in the queue, at least one item at a time."""
    item = await queue.get()
    while item is not END:
        batch = [item]
        while not queue.empty() and (item := queue.get_nowait()) is not END:
            batch.append(item)
        yield batch
        if item is not END:
            item = await queue.get()


async def _run_workers(
    source: AsyncIterator[ListedObject],
    process: Process[T],
    outcomes: asyncio.Queue[T | End],
    workers: int,
    stop: StopRequest,
) -> None:
    """Feed and work to the end. An error that ends the run lets objects under way come
    to theirs first, so that whatever was done to them is reported."""
    if stop.requested:
        return
    keys: asyncio.Queue[Numbered | End] = asyncio.Queue(KEYS_AHEAD)
    halt = _Halt()
    stop.on_request(halt.request)
    async with asyncio.TaskGroup() as group:
        feeder = group.create_task(feed(source, keys, halt))
        halt.on_request(feeder.cancel)
        for _ in range(workers):
            group.create_task(work(keys, process, outcomes, halt))
    if halt.error:
        raise halt.error


class _Halt(StopRequest):
    """No further object is to be taken up; `error` says why, unless it was a wish."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BulkmetaError | None = None

    def fail(self, error: BulkmetaError) -> None:
        self.error = self.error or error
        self.request()


async def feed(
    source: AsyncIterator[ListedObject],
    keys: asyncio.Queue[Numbered | End],
    halt: _Halt,
) -> None:
    """Number the objects from 1 and hand them on; closes the queue at the end."""
    seq = 0
    try:
        async for listed in source:
            seq += 1
            await keys.put((seq, listed))
        await keys.put(END)
    except BulkmetaError as error:
        _close_now(keys)
        halt.fail(error)
    except asyncio.CancelledError:
        _close_now(keys)
        raise


def _close_now(keys: asyncio.Queue[Numbered | End]) -> None:
    """Drop what waits and end the queue, at once: nobody may be left to make room."""
    while not keys.empty():
        keys.get_nowait()
    keys.put_nowait(END)


async def work(
    keys: asyncio.Queue[Numbered | End],
    process: Process[T],
    outcomes: asyncio.Queue[T | End],
    halt: _Halt,
) -> None:
    """Process keys until the queue is closed; after a halt, drop them unprocessed."""
    while (item := await keys.get()) is not END:
        if halt.requested:
            continue
        try:
            outcome = await process(*item)
        except BulkmetaError as error:
            halt.fail(error)
        else:
            await outcomes.put(outcome)
    keys.put_nowait(END)


async def _close(
    outcomes: asyncio.Queue[T | End], reporter: asyncio.Task[None]
) -> None:
    """End the reporter's queue, and let it finish what it has."""
    while not reporter.done():
        try:
            outcomes.put_nowait(END)
        except asyncio.QueueFull:
            await asyncio.sleep(0)
        else:
            await asyncio.wait([reporter])
