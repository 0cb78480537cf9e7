"""Up to where everything is done, when objects end in any order. Pure."""

from __future__ import annotations

from typing import Protocol


class HasSeq(Protocol):
    """Any result of a numbered item."""

    @property
    def seq(self) -> int: ...


class LowWater:
    """Follows finished sequence numbers; `key` is that of the last one before the first
    gap. Memory holds what is finished beyond the gap, no more."""

    def __init__(self, first_seq: int = 1, key: str | None = None) -> None:
        self.next_seq = first_seq
        self.key = key
        self._beyond: dict[int, str] = {}

    def finish(self, seq: int, key: str) -> None:
        """Object `seq` has its outcome."""
        self._beyond[seq] = key
        while self.next_seq in self._beyond:
            self.key = self._beyond.pop(self.next_seq)
            self.next_seq += 1

    def beyond(self) -> set[str]:
        """Keys that are finished beyond the first gap."""
        return set(self._beyond.values())
