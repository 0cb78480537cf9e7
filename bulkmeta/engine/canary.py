"""The first objects of a run go ahead of the others, and are looked at again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from bulkmeta.errors import ThresholdError
from bulkmeta.model.item import Item

if TYPE_CHECKING:
    from bulkmeta.engine.pipeline import Processed
    from bulkmeta.engine.shutdown import StopRequest
    from bulkmeta.model.outcome import Outcome

Verify = Callable[[int, Item], Awaitable["Processed[Outcome]"]]


class Canary:
    """Holds a source back behind its first `objects`, until they have come to their end
    and `verify` finds those that were updated as they should be."""

    def __init__(self, objects: int, verify: Verify, stop: StopRequest) -> None:
        self._left = objects
        self._verify = verify
        self._stop = stop
        self._went_well = asyncio.Event()
        if objects <= 0:
            self._went_well.set()

    async def ahead(self, source: AsyncIterator[Item]) -> AsyncIterator[Item]:
        """The source's items; the others wait for the first."""
        most, number = self._left, 0
        async for item in source:
            if number >= most:
                await self._went_well.wait()
            number += 1
            yield item

    async def look_at(self, batch: list[Outcome]) -> None:
        """Take the ends of objects; of the first ones, each is looked at again. If one
        failed, or is not as it should be, the run is stopped (`ThresholdError`)."""
        for outcome in batch[: max(self._left, 0)]:
            error = await self._fault_of(outcome)
            if error:
                self._left = sys.maxsize  # the others are not to be let go
                self._stop.fail(error)
                return
        self._left -= len(batch)
        if self._left <= 0:
            self._went_well.set()

    async def _fault_of(self, outcome: Outcome) -> ThresholdError | None:
        if outcome.status == "updated":
            item = Item(outcome.key, recorded=outcome)
            found = (await self._verify(outcome.seq, item)).result
            outcome = found or outcome
        if outcome.status != "failed":
            return None
        why = outcome.error.message if outcome.error else ""
        return ThresholdError(
            "one of the first objects did not go well (--canary)",
            f"{outcome.key!r} failed as {outcome.reason}: {why}",
        )
