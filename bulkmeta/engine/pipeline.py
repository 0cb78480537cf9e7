"""Producer -> bounded inbox -> workers -> bounded outbox -> reporter.

The two boxes are the only meeting points. A slow service makes the producer wait, a
slow disk makes the workers wait; memory stays what the queues hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

from bulkmeta.engine.inbox import Inbox
from bulkmeta.engine.outbox import Outbox
from bulkmeta.model.item import Item

if TYPE_CHECKING:
    from bulkmeta.engine.shutdown import StopRequest

T = TypeVar("T")


KEYS_AHEAD: Final = 1000
"""How far the listing may run ahead of the workers: one page."""


class Processed(msgspec.Struct, Generic[T], frozen=True):
    """What came of one object: a result, or none if it was left as it was; and an error
    that ends the run, if that is what came to light."""

    result: T | None
    error: Exception | None = None


Numbered = tuple[int, Item]
Process = Callable[[int, Item], Awaitable[Processed[T]]]
Judge = Callable[[T], Exception | None]
Drain = Callable[[AsyncIterator[list[T]]], Awaitable[None]]


async def run_pipeline(
    source: AsyncIterator[Numbered],
    process: Process[T],
    drain: Drain[T],
    *,
    workers: int,
    stop: StopRequest,
    judge: Judge[T] | None = None,
) -> None:
    """Process every listed object and report each result, until the source or `stop`
    ends it. `judge` sees each result, and may name an error that ends the run.

    An error in one place requests a stop: objects under way come to their end and are
    reported first. Only if reporting itself fails are they cut short.

    Raises:
        ExceptionGroup: of whatever made going on senseless.
    """
    outbox: Outbox[T] = Outbox(2 * workers)
    async with asyncio.TaskGroup() as group:
        reporter = group.create_task(_report(drain, outbox))
        try:
            await _run_workers(source, _Hands(process, judge, outbox, stop), workers)
        finally:
            outbox.close()
            await asyncio.wait([reporter])
    if stop.error:
        raise stop.error


async def _report(drain: Drain[T], outbox: Outbox[T]) -> None:
    await drain(outbox.batches())


async def _run_workers(
    source: AsyncIterator[Numbered], hands: _Hands[T], workers: int
) -> None:
    inbox: Inbox[Numbered] = Inbox(KEYS_AHEAD)
    async with asyncio.TaskGroup() as group:
        feeder = group.create_task(feed(source, inbox, hands.stop))
        # Not by itself: one that is called off before its start would close nothing.
        feeder.add_done_callback(lambda _: inbox.close())
        hands.stop.on_request(feeder.cancel)
        for _ in range(workers):
            group.create_task(hands.work(inbox))
    hands.stop.cut_short |= feeder.cancelled()


async def feed(
    source: AsyncIterator[Numbered], inbox: Inbox[Numbered], stop: StopRequest
) -> None:
    """Hand the items on; after an error or a stop, drop what nobody has taken up."""
    try:
        async for numbered in source:
            await inbox.put(numbered)
    except Exception as error:  # noqa: BLE001 whatever it is, objects under way end first
        inbox.clear()
        stop.fail(error)
    except asyncio.CancelledError:
        inbox.clear()
        raise


@dataclass(frozen=True, slots=True)
class _Hands(Generic[T]):
    """What every worker works with."""

    process: Process[T]
    judge: Judge[T] | None
    outbox: Outbox[T]
    stop: StopRequest

    async def work(self, inbox: Inbox[Numbered]) -> None:
        """Process items as long as there are any; after a stop, drop them."""
        while item := await inbox.take():
            if self.stop.is_requested():
                self.stop.cut_short = True
            else:
                await self._handle(*item)

    async def _handle(self, seq: int, item: Item) -> None:
        self.stop.under_way += 1
        try:
            error = await self._error_of(seq, item)
        finally:
            self.stop.under_way -= 1
        if error:
            self.stop.fail(error)

    async def _error_of(self, seq: int, item: Item) -> Exception | None:
        """Have an item processed and its result reported; the error that ends the run,
        if that is what came to light."""
        try:
            done = await self.process(seq, item)
        except Exception as error:  # noqa: BLE001 whatever it is, the others end first
            return error
        if done.result is None:
            self.stop.cut_short = True
            return done.error
        await self.outbox.put(done.result)
        verdict = self.judge(done.result) if self.judge and not done.error else None
        return verdict or done.error
