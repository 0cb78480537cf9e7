"""Items on their way: each taken once, held back when they are too many."""

from __future__ import annotations

import asyncio

from bulkmeta.engine.inbox import Inbox


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_each_is_taken_once() -> None:
    """Many takers, in any order; after the end each of them gets None."""
    inbox: Inbox[int] = Inbox(3)
    taken: list[int] = []

    async def take() -> None:
        while (item := await inbox.take()) is not None:
            taken.append(item)
            await asyncio.sleep(0)

    takers = [asyncio.create_task(take()) for _ in range(5)]
    await settled()
    for item in range(1, 50):
        await inbox.put(item)
    inbox.close()
    await asyncio.wait(takers, timeout=5)
    assert (sorted(taken), all(task.done() for task in takers)) == (
        [*range(1, 50)],
        True,
    )


async def test_full() -> None:
    """One that fills it waits for room, and no longer."""
    inbox: Inbox[int] = Inbox(2)
    filled: list[int] = []

    async def fill() -> None:
        for item in range(1, 5):
            await inbox.put(item)
            filled.append(item)

    filler = asyncio.create_task(fill())
    await settled()
    before = [*filled]
    first = await inbox.take()
    await settled()
    assert (before, first, filled) == ([1, 2], 1, [1, 2, 3])
    inbox.clear()
    await settled()
    assert (filled, filler.done()) == ([1, 2, 3, 4], True)


async def test_cleared_and_closed() -> None:
    """What nobody took is dropped; takers that wait come to their end."""
    inbox: Inbox[int] = Inbox(2)
    waiting = asyncio.create_task(inbox.take())
    await settled()
    inbox.clear()
    inbox.close()
    assert (await waiting, await inbox.take()) == (None, None)


async def test_a_taker_that_gives_up() -> None:
    """It takes nothing with it."""
    inbox: Inbox[int] = Inbox(2)
    takers = [asyncio.create_task(inbox.take()) for _ in range(2)]
    await settled()
    takers[0].cancel()
    await inbox.put(1)
    assert await takers[1] == 1
