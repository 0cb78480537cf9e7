"""Up to where everything is done, when objects end in any order. Pure."""

from __future__ import annotations

from typing import Protocol

from bulkmeta.model.key_ranges import Marks


class HasSeq(Protocol):
    """Any result of a numbered item."""

    @property
    def seq(self) -> int: ...


class LowWater:
    """Follows finished sequence numbers; `marks` are told, in their order, the keys of
    those before the first gap. Memory holds what is finished beyond the gap, no more.
    """

    def __init__(self, first_seq: int = 1, marks: Marks | None = None) -> None:
        self.next_seq = first_seq
        self.marks = marks or Marks()
        self._beyond: dict[int, str | None] = {}

    def finish(self, seq: int, key: str | None) -> None:
        """Object `seq` has its outcome; None if its key is one that cannot be named, so
        that nothing can be listed from behind it."""
        self._beyond[seq] = key
        while self.next_seq in self._beyond:
            reached = self._beyond.pop(self.next_seq)
            if reached is not None:
                self.marks.reach(reached)
            self.next_seq += 1

    def beyond(self) -> set[str]:
        """Keys that are finished beyond the first gap."""
        return {key for key in self._beyond.values() if key is not None}
