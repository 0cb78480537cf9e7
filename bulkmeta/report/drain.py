"""The one consumer of results: hands each to every sink, durable ones first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Sink(Protocol[T_contra]):
    """Where results go. A sink that raises ends the run: no result is ever dropped."""

    def emit(self, result: T_contra) -> None:
        """Take one result."""

    def flush(self) -> None:
        """Write out what was held back; called whenever no result is waiting."""


HandOn = Callable[[list[T]], Awaitable[object]]


async def drain(
    batches: AsyncIterator[list[T]],
    sinks: Sequence[Sink[T]],
    hand_on: HandOn[T] | None = None,
) -> None:
    """Give every result to every sink. Each sink has a batch whole, and has written it
    out, before the next one sees it: one that raises holds nothing back from those
    before it. `hand_on` comes last, and is waited for."""
    async for batch in batches:
        for sink in sinks:
            for result in batch:
                sink.emit(result)
            sink.flush()
        if hand_on:
            await hand_on(batch)
