"""A job in this process: one bucket, one pipeline, one run file."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkmeta import __version__
from bulkmeta.engine.breaker import Breaker
from bulkmeta.engine.canary import Canary
from bulkmeta.engine.shutdown import StopRequest, stop_in_time
from bulkmeta.engine.verifier import Verifier
from bulkmeta.engine.viewer import Viewer
from bulkmeta.engine.worker import Goal, Record, Worker
from bulkmeta.errors import UsageError
from bulkmeta.model.conditions import Condition
from bulkmeta.model.outcome import STATUSES, timestamp
from bulkmeta.model.run_file import Resumed, RunHeader, Summary
from bulkmeta.model.selection import Selection
from bulkmeta.oss.connect import open_bucket
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.report.progress import RunState
from bulkmeta.report.stats import RunStats
from bulkmeta.runners.deadlines import time_left
from bulkmeta.runners.flow import (
    STOPPING,
    Flow,
    handed_on,
    requests_ahead,
    watched,
)
from bulkmeta.runners.heartbeat import (
    HeldLock,
    Say,
    held_lock,
    lock_key,
    while_held,
    while_still_held,
)
from bulkmeta.runners.inventories import inventory_of
from bulkmeta.runners.ledger import Ledger, continued_ledger, new_ledger
from bulkmeta.runners.preflight import known_copies, look_at
from bulkmeta.runners.restart import Start
from bulkmeta.runners.work import (
    Listing,
    goal_of,
    parent_held,
    rows_of,
    source_of,
    told_of,
    transform_of,
)
from bulkmeta.sources.filters import recently
from bulkmeta.sources.replay import Wanted, replay_run

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection, Pace, RunSpec
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.probe import Probed
    from bulkmeta.model.transforms import Transform
    from bulkmeta.model.viewed import Needs, Viewed
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.report.drain import HandOn, Sink
    from bulkmeta.report.progress import Watcher
    from bulkmeta.runners.preflight import Findings
    from bulkmeta.runners.restart import Interrupted
    from bulkmeta.sources.ranges import Note
    from bulkmeta.sources.resume import Behind
    from bulkmeta.sources.values import ValuesTable

Inspect = Callable[["Findings"], object]
Open = Callable[["Bucket"], AbstractAsyncContextManager[Ledger | None]]


@dataclass(frozen=True, slots=True)
class Host:
    """What a run gets from whoever runs it, beyond the job itself: where results go,
    and what of its surroundings is there already.

    `hand_on` is given each batch of results, after all sinks, and may keep the run
    waiting. `objects` are those of a program; `table` and `transform` are the job's.
    Without `signals` the run ends before its time by `stop` alone. `say` tells people
    about a `lock`, which the run itself comes to hold.
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


async def run_job(
    spec: RunSpec,
    *,
    run_file: Path | None,
    host: Host = NOBODY,
    inspect: Inspect | None = None,
) -> RunEnd:
    """Run a job to its end, or until it is asked to stop.

    `inspect` is shown what the bucket looks like before anything is begun; it may
    raise.

    Raises:
        BulkmetaError: the run ended early; its run file has no summary.
    """

    @asynccontextmanager
    async def opened(bucket: Bucket) -> AsyncIterator[Ledger | None]:
        if run_file is None:
            yield None
            return
        header = _header(spec, bucket)
        async with new_ledger(run_file, header, writes=_writes(spec)) as ledger:
            yield ledger

    return await _run(spec, Start(), opened, host, inspect)


async def resume_job(
    spec: RunSpec, run_file: Path, found: Interrupted, *, host: Host = NOBODY
) -> RunEnd:
    """Take an interrupted run up again, where its run file ends.

    Raises:
        UsageError: the bucket is reached at another address than before.
        LockedError: another process is still at it.
    """

    def opened(bucket: Bucket) -> AbstractAsyncContextManager[Ledger]:
        if bucket.address != found.header.endpoint:
            raise UsageError(
                f"the run was on {found.header.endpoint}, not on {bucket.address}"
            )
        start = found.start
        resumed = Resumed(seq=start.seq, after=start.after, at=_now())
        return continued_ledger(run_file, found, resumed)

    return await _run(spec, found.start, opened, host)


async def verify_objects(
    spec: RunSpec,
    run_file: Path,
    wanted: Wanted,
    *,
    host: Host = NOBODY,
) -> RunEnd:
    """Read the wanted objects of a run again, and compare; drift counts as failed."""
    started_s, name = time.monotonic(), spec.job.target.bucket
    stats, stop = RunStats(), host.stop or StopRequest()
    async with (
        _bucket(name, spec.connection, spec.pace, stop, host.bucket) as bucket,
        watched(RunState(stats, bucket.pace, None, bucket.requests), host.progress),
        stop_in_time(stop, time_left(spec.until, started_s)),
    ):
        await Flow(spec.pace.concurrency, stop, signals=host.signals).run(
            replay_run(run_file, wanted, {}),
            Verifier(bucket).verify_object,
            [stats, *host.sinks],
            Breaker(tolerance=spec.until.tolerance).judge,
            host.hand_on,
        )
    elapsed_s = time.monotonic() - started_s
    return RunEnd(
        spec, stats, elapsed_s, stop.requested, dict(bucket.requests), stop.why
    )


async def view_objects(spec: RunSpec, needs: Needs, sink: Sink[Viewed]) -> bool:
    """Read what is needed of the job's objects; True if it was stopped on the way."""
    stop, job = StopRequest(), spec.job
    async with (
        _bucket(job.target.bucket, spec.connection, spec.pace, stop) as bucket,
        inventory_of(spec) as inventory,
        requests_ahead() as ahead,
    ):
        condition = Condition(job.where) if job.where else None
        viewer = Viewer(bucket, needs, condition, told_of(job))
        await Flow(spec.pace.concurrency, stop).run(
            source_of(
                job, bucket, Start(), Listing(ahead, 1, _note(None)), None, inventory
            ),
            viewer.view_object,
            [sink],
        )
    return stop.requested


async def _run(
    spec: RunSpec,
    start: Start,
    open_ledger: Open,
    host: Host,
    inspect: Inspect | None = None,
) -> RunEnd:
    """Run it under its lock; the time until that is had does not count."""
    stop, progress = host.stop or StopRequest(), host.progress
    if progress:
        stop.on_request(lambda: progress.say(STOPPING))
    async with held_lock(spec, stop, host.say) as lock:
        host = replace(host, stop=stop, lock=lock)
        return await _run_held(spec, start, open_ledger, host, inspect)


async def _run_held(
    spec: RunSpec, start: Start, open_ledger: Open, host: Host, inspect: Inspect | None
) -> RunEnd:
    started_s, target = time.monotonic(), spec.job.target
    stats, stop = RunStats(start.counts, start.reasons), host.stop or StopRequest()
    async with (
        parent_held(spec.job),
        rows_of(spec.job, host.table) as table,
        _bucket(target.bucket, spec.connection, spec.pace, stop, host.bucket) as bucket,
        _inspected(bucket, spec, inspect) as copies,
        open_ledger(bucket) as ledger,
        inventory_of(spec) as inventory,
        watched(
            RunState(stats, bucket.pace, _total_of(spec), bucket.requests),
            host.progress,
        ),
        requests_ahead() as ahead,
        stop_in_time(stop, time_left(spec.until, started_s)),
    ):
        if ledger:
            ledger.run_file.note_pace(bucket.pace)
        listing = Listing(ahead, spec.pace.spread, _note(ledger), lock_key(host.lock))
        goal = goal_of(spec.job, table, transform_of(spec.job, host.transform))
        elsewhere = inventory or host.objects
        source = source_of(spec.job, bucket, start, listing, table, elsewhere)
        record = _recording(spec, ledger, host.lock)
        worker = _worker(spec, bucket, record, goal, stop, copies)
        canary = _canary(spec, bucket, start, stop)
        elapsed_s = 0.0

        def finish() -> None:
            nonlocal elapsed_s
            elapsed_s = time.monotonic() - started_s
            if ledger and not stop.requested:
                ledger.finish(_summary(stats, bucket, elapsed_s))

        await Flow(spec.pace.concurrency, stop, start.seq, host.signals).run(
            canary.ahead(recently(source, spec.recent)),
            while_held(host.lock, worker.process_object),
            [*_files(ledger), stats, *host.sinks],
            Breaker(tolerance=spec.until.tolerance).judge,
            handed_on(canary.look_at, host.hand_on),
            finish,
        )
    requests = dict(bucket.requests)
    return RunEnd(spec, stats, elapsed_s, stop.requested, requests, stop.why)


def _canary(spec: RunSpec, bucket: Bucket, start: Start, stop: StopRequest) -> Canary:
    """The first objects that go ahead, less those that have done so."""
    objects = spec.until.canary if _writes(spec) else 0
    return Canary(objects - start.seq + 1, Verifier(bucket).verify_object, stop)


@asynccontextmanager
async def _inspected(
    bucket: Bucket, spec: RunSpec, inspect: Inspect | None
) -> AsyncIterator[Probed | None]:
    """What the bucket was seen to keep on copies; asked of it, if it matters."""
    copies = None
    if inspect or (_writes(spec) and known_copies(bucket, spec)):
        findings = await look_at(bucket, spec)
        copies = findings.copies
        if inspect:
            inspect(findings)
    yield copies


def _total_of(spec: RunSpec) -> int | None:
    """How many objects the run will look at, where that is known beforehand."""
    keys, select = spec.job.keys, spec.job.select
    total = keys.keys if keys and select == Selection(limit=select.limit) else None
    return min(total, select.limit) if total and select.limit else total


def _bucket(
    name: str,
    connection: Connection,
    pace: Pace,
    stop: StopRequest,
    opened: Bucket | None = None,
) -> AbstractAsyncContextManager[Bucket]:
    retry = RetryPolicy(pace.retries, stopping=stop.is_requested, sleep=stop.sleep)
    if opened:
        return nullcontext(opened.with_retry(retry))
    return open_bucket(
        name,
        connection,
        rate=pace.rate,
        retry=retry,
        connections=pace.concurrency,
    )


def _worker(
    spec: RunSpec,
    bucket: Bucket,
    record: Record | None,
    goal: Goal,
    stop: StopRequest,
    copies: Probed | None,
) -> Worker:
    return Worker(
        bucket,
        spec.job.rules,
        goal,
        record=record,
        retries=spec.pace.retries,
        stop=stop,
        copies=copies,
    )


def _recording(
    spec: RunSpec, ledger: Ledger | None, lock: HeldLock | None
) -> Record | None:
    """What each update goes through before it is sent."""
    if ledger is None or not _writes(spec):
        return None
    return while_still_held(lock, ledger.record)


def _writes(spec: RunSpec) -> bool:
    return spec.command != "plan"


def _files(ledger: Ledger | None) -> list[Sink[Outcome]]:
    if ledger is None:
        return []
    return [ledger.run_file, *([ledger.journal] if ledger.journal else [])]


def _note(ledger: Ledger | None) -> Note:
    return ledger.run_file.note_bounds if ledger else lambda _: None


def _header(spec: RunSpec, bucket: Bucket) -> RunHeader:
    return RunHeader(
        version=__version__,
        command=spec.command,
        job=spec.job,
        job_hash=spec.job.hash(),
        bucket=bucket.name,
        endpoint=bucket.address,
        region=bucket.region,
        started=_now(),
        recent=spec.recent,
    )


def _summary(stats: RunStats, bucket: Bucket, elapsed_s: float) -> Summary:
    return Summary(
        objects=stats.objects,
        counts={status: stats.counts[status] for status in STATUSES},
        reasons=dict(stats.reasons),
        requests=dict(bucket.requests),
        elapsed_s=round(elapsed_s, 3),
        finished=_now(),
    )


def _now() -> str:
    return timestamp(time.time())
