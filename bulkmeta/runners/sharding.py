"""Finding out where a bucket's keys lie, to cut them into shards."""

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
from bulkmeta.sources.listed_range import Lister
from bulkmeta.sources.survey import Survey

if TYPE_CHECKING:
    from bulkmeta.model.job import JobSpec, RunSpec
    from bulkmeta.oss.bucket import Bucket

_TELL_EVERY_S: Final = 5.0
_LOOK_EVERY: Final = 10_000


class Cut(NamedTuple):
    """Keys in parts, how many requests their listing took, what it looked for in vain,
    and whether the parts' sizes are about so, since not all keys were counted."""

    shards: Shards
    requests: int
    missing: Missing
    about: bool


async def cut_shards(
    spec: RunSpec, parts: int, say: Callable[[str], object], *, exact: bool = False
) -> Cut:
    """The keys of the job in so many parts: by as few requests as it takes to know
    where they lie; or, `exact`, by one for each thousand keys, in as many key ranges at
    once as the pace says; by none if a file or an inventory names them.

    Raises:
        RunFatalError: the bucket cannot be listed, or the inventory not be read.
    """
    job = spec.job
    with ungrouped():
        async with bucket_of(spec, StopRequest()) as bucket:
            if exact or job.takes != "listing":
                known, about = await _count(spec, bucket, say)
            else:
                known, about = await _survey(job, bucket, parts, say)
            requests = bucket.requests.total()
    bounds, objects = cut(known, parts)
    shards = Shards(
        version=__version__,
        made=timestamp(time.time()),
        bucket=job.target.bucket,
        prefixes=job.target.prefixes,
        bounds=bounds,
        objects=objects,
    )
    vain = missing(job, Start(), bucket.listed, seen=bool(known))
    return Cut(shards, requests, vain, about)


class _News:
    """Says how far a count is, every few seconds."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._due_s = time.monotonic() + _TELL_EVERY_S

    def tell(self, words: Callable[[], str]) -> None:
        """Say so, if it is time."""
        if time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + _TELL_EVERY_S
            self._say(words())


_Known = list[tuple[str, int]]


async def _survey(
    job: JobSpec, bucket: Bucket, parts: int, say: Callable[[str], object]
) -> tuple[_Known, bool]:
    """Where the keys lie, and whether some of them were passed over."""
    tally, news, leaps = Tally(Marks().start_of), _News(say), 0

    def told() -> None:
        requests = counted(bucket.requests.total(), "request")
        news.tell(lambda: f"about {counted(tally.total)} counted by {requests}")

    for prefix in job.target.prefixes:
        survey = Survey(Lister(bucket, prefix, 1), tally, parts, told)
        await survey.count()
        leaps += survey.leaps
    return tally.known(), leaps > 0


async def _count(
    spec: RunSpec, bucket: Bucket, say: Callable[[str], object]
) -> tuple[_Known, bool]:
    """Where the keys lie, and whether only some of them tell it."""
    job, marks, news = spec.job, Marks(), _News(say)
    count = Tally(marks.start_of) if job.takes == "listing" else Draw()
    async with inventory_of(spec) as inventory, requests_ahead() as ahead:
        listing = Listing(ahead, spec.pace.spread, marks.cut)
        async for item in source_of(job, bucket, Start(), listing, None, inventory):
            count.note(item.key)
            if not count.total % _LOOK_EVERY:
                news.tell(lambda: f"{counted(count.total)} counted")
    return count.known(), isinstance(count, Draw) and count.is_share
