"""What a run gets from whoever runs it, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bulkmeta.oss.connect import open_bucket
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.runners.missing import Missing, missing

if TYPE_CHECKING:
    from bulkmeta.engine.shutdown import StopRequest
    from bulkmeta.model.job import RunSpec
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.transforms import Transform
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.report.drain import HandOn, Sink
    from bulkmeta.report.progress import Watcher
    from bulkmeta.report.stats import RunStats
    from bulkmeta.runners.heartbeat import HeldLock, Say
    from bulkmeta.runners.restart import Start
    from bulkmeta.sources.resume import Behind
    from bulkmeta.sources.values import ValuesTable


@dataclass(frozen=True, slots=True)
class Host:
    """What a run gets from whoever runs it, beyond the job itself: where results go,
    and what of its surroundings is there already.

    `hand_on` is given each batch of results, after all sinks, and may keep the run
    waiting. `objects` are those of a program; `table` and `transform` are the job's.
    Without `signals` the run ends before its time by `stop` alone. `say` tells people
    about a `lock`, which the run itself comes to hold. `total` is how many objects were
    counted for it beforehand.
    """

    sinks: Sequence[Sink[Outcome]] = ()
    progress: Watcher | None = None
    hand_on: HandOn[Outcome] | None = None
    bucket: Bucket | None = None
    objects: Behind | None = None
    table: ValuesTable | None = None
    transform: Transform | None = None
    stop: StopRequest | None = None
    signals: bool = True
    say: Say = lambda _: None
    lock: HeldLock | None = None
    total: int | None = None


NOBODY: Final = Host()
"""Nobody watches, and nothing is there."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, when it was not stopped by an error."""

    spec: RunSpec
    stats: RunStats
    elapsed_s: float
    interrupted: bool
    requests: dict[str, int]
    why: str | None = None
    """What ended it before its time, if that was arranged beforehand."""

    missing: Missing = Missing()  # noqa: RUF009 immutable


def ended(
    spec: RunSpec,
    start: Start,
    stats: RunStats,
    elapsed_s: float,
    stop: StopRequest,
    bucket: Bucket,
) -> RunEnd:
    """How a run on the bucket has ended."""
    requests = dict(bucket.requests)
    seen = bool(stats.objects or (spec.recent and spec.recent.since))
    vain = missing(spec.job, start, bucket.listed, seen=seen)
    why = stop.why if stop.was_heeded() else None
    return RunEnd(spec, stats, elapsed_s, stop.was_heeded(), requests, why, vain)


def bucket_of(
    spec: RunSpec, stop: StopRequest, opened: Bucket | None = None
) -> AbstractAsyncContextManager[Bucket]:
    """The run's bucket, as long as the context lasts; that of the host, if it has
    one."""
    pace = spec.pace
    retry = RetryPolicy(pace.retries, stopping=stop.is_requested, sleep=stop.sleep)
    if opened:
        return nullcontext(opened.with_retry(retry))
    return open_bucket(
        spec.job.target.bucket,
        spec.connection,
        rate=pace.rate,
        retry=retry,
        connections=pace.concurrency,
    )
