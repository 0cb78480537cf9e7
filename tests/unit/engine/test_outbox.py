"""Results on their way: taken together, held back when they are too many."""

from __future__ import annotations

import asyncio

from bulkmeta.engine.outbox import Outbox


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_waits_comes_together() -> None:
    """One batch of all there is; what is left when it closes still comes."""
    outbox: Outbox[int] = Outbox(10)
    for result in (1, 2, 3):
        await outbox.put(result)
    found = []
    async for batch in outbox.batches():
        found.append(batch)
        if len(found) == 1:
            await outbox.put(4)
            outbox.close()
    assert found == [[1, 2, 3], [4]]


async def test_closed_while_the_reporter_waits() -> None:
    """The end comes at once, without an empty batch."""
    outbox: Outbox[int] = Outbox(1)

    async def report() -> list[list[int]]:
        return [batch async for batch in outbox.batches()]

    reporter = asyncio.create_task(report())
    await settled()
    outbox.close()
    assert await reporter == []


async def test_full() -> None:
    """Whoever comes when it is full waits until all is taken; nothing is lost."""
    outbox: Outbox[int] = Outbox(2)
    puts = [asyncio.create_task(outbox.put(result)) for result in range(5)]
    found = []
    batches = outbox.batches()
    for _ in range(3):
        await settled()
        waiting = sum(not put.done() for put in puts)
        found.append((waiting, await anext(batches)))
    assert found == [(3, [0, 1]), (1, [2, 3]), (0, [4])]


async def test_cancelled_put() -> None:
    """Who gives up leaves nothing behind, and others their turn."""
    outbox: Outbox[int] = Outbox(1)
    puts = [asyncio.create_task(outbox.put(result)) for result in range(3)]
    await settled()
    puts[1].cancel()
    batches = outbox.batches()
    first = await anext(batches)
    await settled()
    assert (first, await anext(batches)) == ([0], [2])
