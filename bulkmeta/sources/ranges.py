"""Objects of several key ranges in turn, so that no single one carries all requests.

OSS keeps a bucket in partitions by key order, each with a quota of its own. A walk in
key order asks one partition at a time; one that takes turns asks many. Where the keys
lie is not known beforehand, so ranges are cut by looking (`cutting`), and when one has
come to its end, what is left of the largest one is cut again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from bulkmeta.sources.cutting import cut
from bulkmeta.sources.listed_range import ListedRange, Lister

if TYPE_CHECKING:
    from bulkmeta.model.item import Item
    from bulkmeta.model.key_ranges import Span
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.sources.ahead import Ahead

Note = Callable[[Sequence[str]], object]

MOST_CUTS: Final = 1000
"""What a run tries at most: each cut is remembered, and memory is bounded."""


class RangeWalk:
    """Walks up to `wanted` key ranges at a time, which together make up `spans`.

    `note` is told where ranges are cut, before an object from behind the cut comes.
    """

    def __init__(
        self,
        lister: Lister,
        spans: Sequence[Span],
        wanted: int,
        ahead: Ahead,
        note: Note,
    ) -> None:
        self._lister = lister
        self._wanted = wanted
        self._ahead = ahead
        self._note = note
        self._waiting = deque(far_apart(spans, wanted))
        self._walked: list[ListedRange] = []
        self._cutting: asyncio.Future[ListedRange | None] | None = None
        self._cuts_left = MOST_CUTS - len(spans)

    async def items(self) -> AsyncIterator[Item]:
        """Every object, one of each range in turn; in key order within a range.

        Raises:
            RunFatalError: the service does not give a page, after all retries.
        """
        await self._begin()
        while self._walked or self._cutting:
            for listed in self._walked:
                if listed.items:
                    yield listed.take()
            await self._go_on()

    async def _begin(self) -> None:
        """Open as many ranges as are wanted, and cut further ones."""
        self._open()
        await self._receive_all()
        bounds: list[str] = []
        while cuts := [self._cut(victim) for victim in self._victims()]:
            made = [listed for future in cuts if (listed := await future)]
            bounds += [listed.passed for listed in made]
            self._walked += made
            if not made:
                break
        if bounds:
            self._note(sorted(bounds))

    async def _receive_all(self) -> None:
        for listed in self._walked:
            if listed.coming is not None:
                await asyncio.wait([listed.coming])
                listed.receive()

    async def _go_on(self) -> None:
        """See to it that there is something to take, or the end."""
        self._refresh()
        while awaited := self._awaited():
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            self._refresh()

    def _awaited(self) -> list[asyncio.Future[Any]]:
        """What may bring something to take, if there is nothing."""
        if any(listed.items for listed in self._walked):
            return []
        pages = [listed.coming for listed in self._walked]
        return [future for future in (*pages, self._cutting) if future is not None]

    def _refresh(self) -> None:
        """Take in the pages that have come, ask for further ones, replace ranges that
        are at their end."""
        for listed in self._walked:
            listed.receive()
            if len(listed.items) <= self._lister.low:
                listed.ask(self._lister, self._ahead)
        self._walked = [x for x in self._walked if x.items or not x.listed_all]
        self._open()
        self._cut_further()

    def _open(self) -> None:
        while self._waiting and len(self._walked) < self._wanted:
            listed = ListedRange(self._waiting.popleft())
            listed.ask(self._lister, self._ahead)
            self._walked.append(listed)

    def _cut_further(self) -> None:
        if self._cutting is None:
            self._cutting = next(map(self._cut, self._victims()), None)
        elif self._cutting.done():
            made, self._cutting = self._cutting.result(), None
            if made:
                self._walked.append(made)
                self._note([made.passed])

    def _cut(self, victim: ListedRange) -> asyncio.Future[ListedRange | None]:
        self._cuts_left -= 1
        return self._ahead.start(cut, victim, self._lister)

    def _victims(self) -> list[ListedRange]:
        """The ranges to be cut next: those with more than their share."""
        room = min(self._wanted - len(self._walked), self._cuts_left)
        if room <= 0:
            return []
        left = {listed: listed.left() for listed in self._walked}
        fair = max(sum(left.values()) / self._wanted, 2 * self._lister.few)
        large = [listed for listed in self._walked if left[listed] >= fair]
        return sorted(large, key=lambda listed: -left[listed])[:room]


def far_apart(spans: Sequence[Span], wanted: int) -> list[Span]:
    """The spans in an order in which any `wanted` of them lie far apart."""
    stride = -(-len(spans) // wanted)
    return [
        spans[n] for first in range(stride) for n in range(first, len(spans), stride)
    ]


def walk_ranges(
    bucket: Bucket,
    prefix: str,
    spans: Sequence[Span],
    wanted: int,
    *,
    ahead: Ahead,
    note: Note,
) -> AsyncIterator[Item]:
    """The objects under `prefix` in `spans`, `wanted` key ranges in turn."""
    lister = Lister(bucket, prefix, wanted)
    return RangeWalk(lister, spans, wanted, ahead, note).items()
