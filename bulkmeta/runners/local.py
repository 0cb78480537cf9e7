"""A job in this process: one bucket, one pipeline, one run file."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from bulkmeta import __version__
from bulkmeta.engine.pipeline import Process, run_pipeline
from bulkmeta.engine.shutdown import StopRequest, stop_on_signals
from bulkmeta.engine.viewer import Viewer
from bulkmeta.engine.worker import Worker
from bulkmeta.errors import BulkmetaError
from bulkmeta.model.outcome import STATUSES
from bulkmeta.model.run_file import RunHeader, Summary
from bulkmeta.oss.connect import locate, open_bucket
from bulkmeta.report.breaker import Breaker
from bulkmeta.report.drain import Sink, drain
from bulkmeta.report.progress import report_progress
from bulkmeta.report.run_file import RunFile
from bulkmeta.report.stats import RunStats
from bulkmeta.sources.prefix import list_prefix

if TYPE_CHECKING:
    from pathlib import Path

    from bulkmeta.model.job import RunSpec
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.view import ObjectView
    from bulkmeta.oss.bucket import Bucket

T = TypeVar("T")
Write = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, when it was not stopped by an error."""

    stats: RunStats
    elapsed_s: float
    interrupted: bool


async def run_job(
    spec: RunSpec,
    *,
    run_file: Path | None,
    sinks: Sequence[Sink[Outcome]] = (),
    progress: Write | None = None,
) -> RunEnd:
    """Run a job to its end, or until it is asked to stop.

    Raises:
        UsageError, RunFatalError: the run ended early; its run file has no summary.
    """
    started_s = time.monotonic()
    stats, stop = RunStats(), StopRequest()
    async with _opened(spec, spec.job.target.bucket) as bucket:
        with RunFile(run_file, _header(spec)) if run_file else nullcontext() as file:
            durable = [file] if file else []
            worker = Worker(
                bucket,
                spec.job,
                write=spec.command == "apply",
                retries=spec.pace.retries,
            )
            async with _ticking(stats, progress):
                await _pipe(
                    spec,
                    bucket,
                    worker.process_object,
                    [*durable, stats, *sinks, Breaker()],
                    stop,
                )
            elapsed_s = time.monotonic() - started_s
            if file and not stop.requested:
                file.finish(_summary(stats, bucket, elapsed_s))
    return RunEnd(stats, elapsed_s, stop.requested)


async def view_objects(spec: RunSpec, sink: Sink[ObjectView]) -> bool:
    """Read every object's metadata; True if it was stopped on the way."""
    stop = StopRequest()
    async with _opened(spec, spec.job.target.bucket) as bucket:
        await _pipe(spec, bucket, Viewer(bucket).view_object, [sink], stop)
    return stop.requested


def _opened(spec: RunSpec, name: str) -> AbstractAsyncContextManager[Bucket]:
    return open_bucket(name, spec.connection, spec.pace)


async def _pipe(
    spec: RunSpec,
    bucket: Bucket,
    process: Process[T],
    sinks: Sequence[Sink[T]],
    stop: StopRequest,
) -> None:
    task = asyncio.current_task()
    insist = task.cancel if task else stop.request
    try:
        with stop_on_signals(stop, insist):
            await run_pipeline(
                list_prefix(bucket, spec.job.target.prefix),
                process,
                lambda batches: drain(batches, sinks),
                workers=spec.pace.concurrency,
                stop=stop,
            )
    except BaseExceptionGroup as group:
        raise leading_error(group) from group


def leading_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a group is about: ours before others, and the first of them."""
    flat = list(_leaves(group))
    return next((error for error in flat if isinstance(error, BulkmetaError)), flat[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


@asynccontextmanager
async def _ticking(stats: RunStats, write: Write | None) -> AsyncIterator[None]:
    if write is None:
        yield
        return
    ticker = asyncio.create_task(report_progress(stats, write))
    try:
        yield
    finally:
        ticker.cancel()
        await asyncio.wait([ticker])


def _header(spec: RunSpec) -> RunHeader:
    bucket = spec.job.target.bucket
    return RunHeader(
        version=__version__,
        command=spec.command,
        job=spec.job,
        job_hash=spec.job.hash(),
        bucket=bucket,
        endpoint=locate(bucket, spec.connection, os.environ).base,
        started=_now(),
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
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
