"""The one consumer of results: hands each to every sink, durable ones first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Sink(Protocol[T_contra]):
    """Where results go. A sink that raises ends the run: no result is ever dropped."""

    def emit(self, result: T_contra) -> None:
        """Take one result."""

    def flush(self) -> None:
        """Write out what was held back; called whenever no result is waiting."""


async def drain(batches: AsyncIterator[list[T]], sinks: Sequence[Sink[T]]) -> None:
    """Give every result to every sink, in the sinks' order."""
    async for batch in batches:
        for result in batch:
            for sink in sinks:
                sink.emit(result)
        for sink in sinks:
            sink.flush()
