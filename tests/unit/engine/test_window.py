"""The window: numbers, and a limit to how far the work runs ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bulkmeta.engine.window import Window
from bulkmeta.model.item import Item
from bulkmeta.model.outcome import Outcome


async def items(count: int) -> AsyncIterator[Item]:
    for number in range(count):
        yield Item(f"k{number}")


def end(window: Window, *seqs: int) -> None:
    for seq in seqs:
        window.emit(Outcome(seq=seq, key="k", status="updated"))
    window.flush()


async def test_numbers_go_on_from_the_first() -> None:
    """Items are numbered in their order, from where the run begins."""
    numbered = [pair async for pair in Window(9, first_seq=5).number(items(3))]
    assert numbered == [(5, Item("k0")), (6, Item("k1")), (7, Item("k2"))]


async def test_holds_back_and_moves_on() -> None:
    """One object that does not end holds the window; its end moves it at once."""
    window, seen = Window(3, first_seq=5), list[int]()

    async def take() -> None:
        async for seq, _ in window.number(items(8)):
            seen.append(seq)

    async def settle() -> list[int]:
        for _ in range(10):
            await asyncio.sleep(0)
        return list(seen)

    task = asyncio.create_task(take())
    at_first = await settle()
    end(window, 6, 7)
    held = await settle()
    end(window, 5)
    moved = await settle()
    end(window, 8, 9, 10)
    await task
    assert (at_first, held, moved, seen) == (
        [5, 6, 7],
        [5, 6, 7],
        [5, 6, 7, 8, 9, 10],
        [*range(5, 13)],
    )
