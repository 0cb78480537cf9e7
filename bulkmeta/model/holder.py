"""Who is at a job, as others are told."""

from __future__ import annotations

import msgspec


class Holder(msgspec.Struct, frozen=True):
    """Who is at a job: a process, on which machine, since when."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


def until_free(wait_s: float) -> str:
    """What can be done by whoever has waited so long for it."""
    instead = "a longer --wait-lock" if wait_s else "--wait-lock 1h"
    return f"wait for its end, or pass {instead}"
