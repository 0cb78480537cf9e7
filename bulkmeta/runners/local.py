"""A job in this process: one bucket, one pipeline, one run file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from bulkmeta import __version__
from bulkmeta.engine.breaker import Breaker
from bulkmeta.engine.pipeline import Judge, Process, run_pipeline
from bulkmeta.engine.shutdown import StopRequest, stop_on_signals
from bulkmeta.engine.viewer import Viewer
from bulkmeta.engine.worker import Worker
from bulkmeta.errors import BulkmetaError
from bulkmeta.model.outcome import STATUSES, timestamp
from bulkmeta.model.run_file import RunHeader, Summary
from bulkmeta.oss.connect import open_bucket
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.report.drain import Sink, drain
from bulkmeta.report.progress import report_progress
from bulkmeta.report.run_file import RunFile
from bulkmeta.report.stats import RunStats
from bulkmeta.sources.prefix import list_prefix

if TYPE_CHECKING:
    from pathlib import Path

    from bulkmeta.model.job import Connection, Pace, RunSpec, Target
    from bulkmeta.model.metadata import ListedObject
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.view import ObjectView
    from bulkmeta.oss.bucket import Bucket

T = TypeVar("T")
Write = Callable[[str], object]

STOPPING: Final = (
    "stopping: objects under way come to their end; Ctrl-C (again) stops at once"
)


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, when it was not stopped by an error."""

    spec: RunSpec
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
        BulkmetaError: the run ended early; its run file has no summary.
    """
    started_s = time.monotonic()
    stats, stop = RunStats(), StopRequest()
    if progress:
        stop.on_request(lambda: progress(STOPPING))
    async with _opened(
        spec.job.target.bucket, spec.connection, spec.pace, stop
    ) as bucket:
        header = _header(spec, bucket)
        with RunFile(run_file, header) if run_file else nullcontext() as file:
            with _ungrouped():
                async with _ticking(stats, progress):
                    await _pipe(
                        list_prefix(bucket, spec.job.target.prefix),
                        _worker(spec, bucket, stop).process_object,
                        [*([file] if file else []), stats, *sinks],
                        workers=spec.pace.concurrency,
                        stop=stop,
                        judge=Breaker().judge,
                    )
            elapsed_s = time.monotonic() - started_s
            if file and not stop.requested:
                file.finish(_summary(stats, bucket, elapsed_s))
    return RunEnd(spec, stats, elapsed_s, stop.requested)


async def view_objects(
    target: Target, connection: Connection, pace: Pace, sink: Sink[ObjectView]
) -> bool:
    """Read every object's metadata; True if it was stopped on the way."""
    stop = StopRequest()
    async with _opened(target.bucket, connection, pace, stop) as bucket:
        with _ungrouped():
            await _pipe(
                list_prefix(bucket, target.prefix),
                Viewer(bucket).view_object,
                [sink],
                workers=pace.concurrency,
                stop=stop,
            )
    return stop.requested


def _opened(
    name: str, connection: Connection, pace: Pace, stop: StopRequest
) -> AbstractAsyncContextManager[Bucket]:
    retry = RetryPolicy(pace.retries, stopping=stop.is_requested, sleep=stop.sleep)
    return open_bucket(name, connection, rate=pace.rate, retry=retry)


def _worker(spec: RunSpec, bucket: Bucket, stop: StopRequest) -> Worker:
    return Worker(
        bucket,
        spec.job,
        write=spec.command == "apply",
        retries=spec.pace.retries,
        stopping=stop.is_requested,
        sleep=stop.sleep,
    )


async def _pipe(
    source: AsyncIterator[ListedObject],
    process: Process[T],
    sinks: Sequence[Sink[T]],
    *,
    workers: int,
    stop: StopRequest,
    judge: Judge[T] | None = None,
) -> None:
    with stop_on_signals(stop, _insist()):
        await run_pipeline(
            source,
            process,
            lambda batches: drain(batches, sinks),
            workers=workers,
            stop=stop,
            judge=judge,
        )


@asynccontextmanager
async def _ticking(stats: RunStats, write: Write | None) -> AsyncIterator[None]:
    """Progress lines, as long as the body lasts."""
    async with asyncio.TaskGroup() as group:
        ticker = group.create_task(report_progress(stats, write)) if write else None
        yield
        if ticker:
            ticker.cancel()


@contextmanager
def _ungrouped() -> Iterator[None]:
    """Let the error out that a group of them is about."""
    try:
        yield
    except BaseExceptionGroup as errors:
        raise leading_error(errors) from errors


def _insist() -> Callable[[], object]:
    """What a second signal does: cancel the run where it is."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 there is one inside a coroutine
    return task.cancel


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


def _header(spec: RunSpec, bucket: Bucket) -> RunHeader:
    return RunHeader(
        version=__version__,
        command=spec.command,
        job=spec.job,
        job_hash=spec.job.hash(),
        bucket=bucket.name,
        endpoint=bucket.address,
        started=timestamp(datetime.now(UTC)),
    )


def _summary(stats: RunStats, bucket: Bucket, elapsed_s: float) -> Summary:
    return Summary(
        objects=stats.objects,
        counts={status: stats.counts[status] for status in STATUSES},
        reasons=dict(stats.reasons),
        requests=dict(bucket.requests),
        elapsed_s=round(elapsed_s, 3),
        finished=timestamp(datetime.now(UTC)),
    )
