"""Runs that only look: at what a former run left, and at what there is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bulkmeta.engine.breaker import Breaker
from bulkmeta.engine.shutdown import StopRequest, stop_in_time
from bulkmeta.engine.viewer import Viewer
from bulkmeta.journal.run_reader import read_header, read_outcomes
from bulkmeta.model.selection import share_of
from bulkmeta.report.progress import RunState
from bulkmeta.report.stats import RunStats
from bulkmeta.runners.deadlines import time_left
from bulkmeta.runners.flow import (
    Flow,
    requests_ahead,
    stopping_words,
    tell_of_stop,
    watched,
)
from bulkmeta.runners.host import NOBODY, Host, RunEnd, bucket_of, ended
from bulkmeta.runners.inventories import inventory_of
from bulkmeta.runners.missing import Missing, missing
from bulkmeta.runners.restart import Start
from bulkmeta.runners.staff import is_alone, verifying_staff
from bulkmeta.runners.work import Listing, condition_of, source_of, told_of
from bulkmeta.sources.replay import Wanted, replay_run

if TYPE_CHECKING:
    from bulkmeta.model.job import RunSpec
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.viewed import Needs, Viewed
    from bulkmeta.report.drain import Sink


async def verify_objects(
    spec: RunSpec,
    run_file: Path,
    wanted: Wanted,
    *,
    host: Host = NOBODY,
) -> RunEnd:
    """Read the wanted objects of a run again, and compare; drift counts as failed."""
    started_s = time.monotonic()
    stats, stop = RunStats(), host.stop or StopRequest()
    tell_of_stop(stop, host.progress, alone=is_alone(spec))
    async with (
        bucket_of(spec, stop, host.bucket) as bucket,
        watched(
            RunState(stats, bucket.pace, host.total, bucket.requests), host.progress
        ),
        stop_in_time(stop, time_left(spec.until, started_s)),
    ):
        await Flow(spec.pace.workers, stop, signals=host.signals).run(
            replay_run(run_file, wanted, {}),
            verifying_staff(spec, replace(host, stop=stop), bucket),
            [stats, *host.sinks],
            Breaker(tolerance=spec.until.tolerance).judge,
            host.hand_on,
        )
    elapsed_s = time.monotonic() - started_s
    return ended(spec, Start(), stats, elapsed_s, stop, bucket)


def sampled(run_file: Path, sample: float | int | None) -> Wanted:
    """Which lines of a run to look at again: those that say how an object is left, or
    a sample of them. The same sample each time: it is drawn by the run's own start."""
    if sample is None:
        return _is_settled
    if isinstance(sample, float):
        return lambda outcome: (
            _is_settled(outcome) and share_of(outcome.key, "verify") < sample
        )
    chosen = _draw(run_file, sample)
    return lambda outcome: outcome.key in chosen


def _is_settled(outcome: Outcome) -> bool:
    return outcome.status in {"updated", "unchanged"}


def _draw(run_file: Path, count: int) -> set[str]:
    """The keys of `count` lines, each with the same chance; memory holds no more."""
    draw = random.Random(read_header(run_file).started)  # noqa: S311 no secret
    chosen: list[str] = []
    for number, outcome in enumerate(filter(_is_settled, read_outcomes(run_file))):
        if number < count:
            chosen.append(outcome.key)
        elif (place := draw.randrange(number + 1)) < count:
            chosen[place] = outcome.key
    return set(chosen)


class Looked(NamedTuple):
    """How a look at objects ended: whether it was stopped on the way, and what it
    looked for in vain."""

    interrupted: bool
    missing: Missing


class _Count:
    """How many objects were looked at."""

    objects = 0

    def emit(self, result: object) -> None:
        self.objects += 1

    def flush(self) -> None:
        """There is nothing to write."""


async def view_objects(
    spec: RunSpec, needs: Needs, sink: Sink[Viewed], say: Callable[[str], object]
) -> Looked:
    """Read what is needed of the job's objects."""
    stop, job, count = StopRequest(), spec.job, _Count()
    stop.on_request(lambda: stop.error or say(stopping_words(stop)))
    async with (
        bucket_of(spec, stop) as bucket,
        inventory_of(spec) as inventory,
        requests_ahead() as ahead,
    ):
        condition = condition_of(job)
        listing = Listing(ahead, 1, lambda _: None)
        viewer = Viewer(bucket, needs, condition, told_of(job))
        await Flow(spec.pace.concurrency, stop).run(
            source_of(job, bucket, Start(), listing, None, inventory),
            nullcontext(viewer.view_object),
            [sink, count],
        )
    vain = missing(job, Start(), bucket.listed, seen=count.objects > 0)
    return Looked(stop.was_heeded(), vain)
