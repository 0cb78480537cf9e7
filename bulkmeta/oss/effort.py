"""What one object took: counted by the requests themselves, read into its outcome."""

from __future__ import annotations

from contextvars import ContextVar

import msgspec

try_number: ContextVar[int] = ContextVar("try_number", default=1)
"""Which try of a request the present task is at."""


class Effort(msgspec.Struct):
    """`attempts` is one plus the tries beyond the needed ones."""

    attempts: int = 1
    conflicts: int = 0
    request_id: str | None = None

    def count_retry(self) -> None:
        self.attempts += 1

    def count_conflict(self) -> None:
        self.conflicts += 1
