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
