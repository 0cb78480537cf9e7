"""Counting a bucket's keys, to cut them into shards."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bulkmeta import __version__
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.model.key_ranges import Marks
from bulkmeta.model.outcome import timestamp
from bulkmeta.model.quantity import counted
from bulkmeta.model.shards import Shards, Tally
from bulkmeta.runners.flow import requests_ahead, ungrouped
from bulkmeta.runners.host import bucket_of
from bulkmeta.runners.restart import Start
from bulkmeta.runners.work import Listing, source_of

if TYPE_CHECKING:
    from bulkmeta.model.job import RunSpec

_TELL_EVERY_S: Final = 5.0
_LOOK_EVERY: Final = 10_000


async def cut_shards(
    spec: RunSpec, parts: int, say: Callable[[str], object]
) -> tuple[Shards, int]:
    """The keys at the job's target in so many parts, and how many requests it took: one
    for each thousand keys, in as many key ranges at once as the pace says.

    Raises:
        RunFatalError: the bucket cannot be listed.
    """
    target, tally, marks = spec.job.target, Tally(), Marks()
    due_s = time.monotonic() + _TELL_EVERY_S
    with ungrouped():
        async with bucket_of(spec, StopRequest()) as bucket, requests_ahead() as ahead:
            listing = Listing(ahead, spec.pace.spread, marks.cut)
            async for item in source_of(spec.job, bucket, Start(), listing):
                tally.note(marks.start_of(item.key), item.key)
                if not tally.total % _LOOK_EVERY and time.monotonic() >= due_s:
                    due_s = time.monotonic() + _TELL_EVERY_S
                    say(f"{counted(tally.total)} counted")
            requests = bucket.requests.total()
    bounds, objects = tally.cut(parts)
    shards = Shards(
        version=__version__,
        made=timestamp(time.time()),
        bucket=target.bucket,
        prefixes=target.prefixes,
        bounds=bounds,
        objects=objects,
    )
    return shards, requests
