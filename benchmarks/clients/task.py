"""What all clients have in common: their arguments, and what of a head is kept."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final, NamedTuple

REGION: Final = "cn-hangzhou"
KEY_ID: Final = "bench-key-id"
SECRET: Final = "bench-secret"  # noqa: S105 made up
ADDED: Final = ("x-oss-meta-project", "x")

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
