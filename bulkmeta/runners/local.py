"""A job in this process: one bucket, one pipeline, one run file."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bulkmeta import __version__
from bulkmeta.engine.breaker import Breaker
from bulkmeta.engine.canary import Canary
from bulkmeta.engine.shutdown import StopRequest, stop_in_time
from bulkmeta.engine.verifier import Verifier
from bulkmeta.errors import UsageError
from bulkmeta.model.outcome import STATUSES, timestamp
from bulkmeta.model.run_file import Resumed, RunHeader, Summary
from bulkmeta.report.progress import RunState
from bulkmeta.report.stats import RunStats
from bulkmeta.runners.deadlines import time_left
from bulkmeta.runners.flow import (
    Flow,
    handed_on,
    requests_ahead,
    tell_of_stop,
    watched,
)
from bulkmeta.runners.heartbeat import (
    HeldLock,
    held_lock,
    lock_key,
    while_still_held,
)
from bulkmeta.runners.host import NOBODY, Host, RunEnd, bucket_of, ended
from bulkmeta.runners.inventories import inventory_of
from bulkmeta.runners.ledger import Ledger, continued_ledger, new_ledger
from bulkmeta.runners.preflight import known_copies, look_at
from bulkmeta.runners.restart import Start
from bulkmeta.runners.staff import changing_staff, is_alone
from bulkmeta.runners.work import (
    Listing,
    names_others,
    parent_held,
    rows_of,
    source_of,
)
from bulkmeta.sources.filters import recently

if TYPE_CHECKING:
    from bulkmeta.engine.worker import Record
    from bulkmeta.model.job import RunSpec
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.probe import Probed
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.report.drain import Sink
    from bulkmeta.runners.preflight import Findings
    from bulkmeta.runners.restart import Interrupted
    from bulkmeta.sources.ranges import Note

Inspect = Callable[["Findings"], object]
Open = Callable[["Bucket"], AbstractAsyncContextManager[Ledger | None]]


async def run_job(
    spec: RunSpec,
    *,
    run_file: Path | None,
    host: Host = NOBODY,
    inspect: Inspect | None = None,
    begun: Callable[[], object] = lambda: None,
) -> RunEnd:
    """Run a job to its end, or until it is asked to stop.

    `inspect` is shown what the bucket looks like before anything is begun; it may
    raise. `begun` is called once the run file is there.

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
            begun()
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


async def _run(
    spec: RunSpec,
    start: Start,
    open_ledger: Open,
    host: Host,
    inspect: Inspect | None = None,
) -> RunEnd:
    """Run it under its lock; the time until that is had does not count."""
    stop = host.stop or StopRequest()
    tell_of_stop(stop, host.progress, alone=is_alone(spec))
    async with held_lock(spec, stop, host.say) as lock:
        host = replace(host, stop=stop, lock=lock)
        return await _run_held(spec, start, open_ledger, host, inspect)


async def _run_held(
    spec: RunSpec, start: Start, open_ledger: Open, host: Host, inspect: Inspect | None
) -> RunEnd:
    started_s = time.monotonic()
    stats, stop = RunStats(start.counts, start.reasons), host.stop or StopRequest()
    async with (
        parent_held(spec.job),
        rows_of(spec.job, host.table) as table,
        bucket_of(spec, stop, host.bucket) as bucket,
        _inspected(bucket, spec, inspect) as copies,
        inventory_of(spec) as inventory,
        open_ledger(bucket) as ledger,
        watched(_state(spec, stats, bucket, host), host.progress),
        requests_ahead() as ahead,
        stop_in_time(stop, time_left(spec.until, started_s)),
    ):
        _note_pace(ledger, bucket)
        listing = Listing(ahead, spec.pace.spread, _note(ledger), lock_key(host.lock))
        elsewhere = inventory or host.objects
        source = source_of(spec.job, bucket, start, listing, table, elsewhere)
        record = _recording(spec, ledger, host.lock)
        staff = changing_staff(spec, host, bucket, table, copies, record)
        canary = _canary(spec, bucket, start, stop)
        elapsed_s = 0.0

        def finish() -> None:
            nonlocal elapsed_s
            elapsed_s = time.monotonic() - started_s
            if ledger and not stop.was_heeded():
                ledger.finish(_summary(stats, bucket, elapsed_s))

        await Flow(spec.pace.workers, stop, start.seq, host.signals).run(
            canary.ahead(recently(source, spec.recent)),
            staff,
            [*_files(ledger), stats, *host.sinks],
            Breaker(tolerance=spec.until.tolerance).judge,
            handed_on(canary.look_at, host.hand_on),
            finish,
        )
    return ended(spec, start, stats, elapsed_s, stop, bucket)


def _canary(spec: RunSpec, bucket: Bucket, start: Start, stop: StopRequest) -> Canary:
    """The first objects that go ahead; others, if the run was ended while they did."""
    objects = spec.until.canary if _writes(spec) else 0
    went_ahead = start.longest > objects
    return Canary(0 if went_ahead else objects, Verifier(bucket).verify_object, stop)


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


def _state(spec: RunSpec, stats: RunStats, bucket: Bucket, host: Host) -> RunState:
    total = _total_of(spec) or host.total
    return RunState(stats, bucket.pace, total, bucket.requests)


def _total_of(spec: RunSpec) -> int | None:
    """How many objects the run will look at, where that is known beforehand."""
    keys, limit = spec.job.keys, spec.job.select.limit
    total = keys.keys if keys and not names_others(spec.job) else None
    return min(total, limit) if total and limit else total


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


def _note_pace(ledger: Ledger | None, bucket: Bucket) -> None:
    if ledger:
        ledger.run_file.note_pace(bucket.pace)


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
        pace=spec.pace,
        until=spec.until,
        lock=spec.lock,
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
