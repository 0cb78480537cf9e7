"""What all clients have in common: their arguments, and what of a head is kept."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

REGION: Final = "cn-hangzhou"
KEY_ID: Final = "bench-key-id"
SECRET: Final = "bench-secret"  # noqa: S105 made up
ADDED: Final = ("x-oss-meta-project", "x")

# Not bulkmeta's own set: the others run where bulkmeta is not installed.
_STANDARD: Final = {
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
}


class Task(NamedTuple):
    """What a client is to do."""

    endpoint: str
    bucket: str
    out: str
    workers: int


def task() -> Task:
    """The task that the command line names."""
    endpoint, bucket, out, workers = sys.argv[1:]
    return Task(endpoint, bucket, out, int(workers))


def merged(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers of an update: what the object has, and one pair more."""
    kept = {
        name: value
        for name, value in headers
        if name.lower() in _STANDARD or name.lower().startswith("x-oss-meta-")
    }
    kept[ADDED[0]] = ADDED[1]
    return kept


async def run_tasks(
    of: Task, keys: AsyncIterator[str], change: Callable[[str], Awaitable[str]]
) -> None:
    """Change every object, as many at a time as there are workers; a line for each."""
    lock = asyncio.Lock()
    with Path(of.out).open("w") as log:  # noqa: ASYNC230 as users of clients do

        async def work() -> None:
            while True:
                async with lock:
                    key = await anext(keys, None)
                if key is None:
                    return
                line = await change(key)
                log.write(f"{line}\n")

        await asyncio.gather(*(work() for _ in range(of.workers)))
