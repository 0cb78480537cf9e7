"""Counting a bucket's keys, to cut them into shards."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkmeta import __version__
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.model.key_ranges import Marks
from bulkmeta.model.outcome import timestamp
from bulkmeta.model.quantity import counted
from bulkmeta.model.shards import Draw, Shards, Tally, cut
from bulkmeta.runners.flow import requests_ahead, ungrouped
from bulkmeta.runners.host import bucket_of
from bulkmeta.runners.inventories import inventory_of
from bulkmeta.runners.missing import Missing, missing
from bulkmeta.runners.restart import Start
from bulkmeta.runners.work import Listing, source_of

if TYPE_CHECKING:
    from bulkmeta.model.job import RunSpec

_TELL_EVERY_S: Final = 5.0
_LOOK_EVERY: Final = 10_000


class Cut(NamedTuple):
    """Keys in parts, how many requests their listing took, and what it looked for in
    vain."""

    shards: Shards
    requests: int
    missing: Missing


async def cut_shards(spec: RunSpec, parts: int, say: Callable[[str], object]) -> Cut:
    """The keys of the job in so many parts: by one request for each thousand keys, in
    as many key ranges at once as the pace says; by none if a file or an inventory names
    them.

    Raises:
        RunFatalError: the bucket cannot be listed, or the inventory not be read.
    """
    job, marks = spec.job, Marks()
    count = Tally(marks.start_of) if job.takes == "listing" else Draw()
    due_s = time.monotonic() + _TELL_EVERY_S
    with ungrouped():
        async with (
            bucket_of(spec, StopRequest()) as bucket,
            inventory_of(spec) as inventory,
            requests_ahead() as ahead,
        ):
            listing = Listing(ahead, spec.pace.spread, marks.cut)
            async for item in source_of(job, bucket, Start(), listing, None, inventory):
                count.note(item.key)
                if not count.total % _LOOK_EVERY and time.monotonic() >= due_s:
                    due_s = time.monotonic() + _TELL_EVERY_S
                    say(f"{counted(count.total)} counted")
            requests = bucket.requests.total()
    bounds, objects = cut(count.known(), parts)
    shards = Shards(
        version=__version__,
        made=timestamp(time.time()),
        bucket=job.target.bucket,
        prefixes=job.target.prefixes,
        bounds=bounds,
        objects=objects,
    )
    vain = missing(job, Start(), bucket.listed, seen=count.total > 0)
    return Cut(shards, requests, vain)
