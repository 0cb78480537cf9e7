"""Results in the order of the listing, for people; objects finish in any order."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from bulkmeta.model.low_water import HasSeq

if TYPE_CHECKING:
    from bulkmeta.report.drain import Sink


N = TypeVar("N", bound=HasSeq)

MOST_HELD: Final = 10_000
"""Results kept back for one that is late; beyond that they go out as they are."""


class InOrder(Generic[N]):
    """Hands results on to another sink by their sequence numbers."""

    def __init__(self, sink: Sink[N]) -> None:
        self._sink = sink
        self._held: list[tuple[int, N]] = []
        self._next = 1

    def emit(self, result: N) -> None:
        heapq.heappush(self._held, (result.seq, result))
        while self._held and (
            self._held[0][0] <= self._next or len(self._held) > MOST_HELD
        ):
            self._hand_on()

    def flush(self) -> None:
        self._sink.flush()

    def finish(self) -> None:
        """Hand on what is still held: no more results will come."""
        while self._held:
            self._hand_on()
        self._sink.flush()

    def _hand_on(self) -> None:
        seq, result = heapq.heappop(self._held)
        self._next = max(self._next, seq + 1)  # it may be one that came too late
        self._sink.emit(result)
