"""Who processes a run's objects: this process, or others that it hires."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    nullcontext,
)
from typing import TYPE_CHECKING

import msgspec

from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.engine.verifier import Verifier
from bulkmeta.engine.worker import Worker
from bulkmeta.runners.crew import Crew, working
from bulkmeta.runners.heartbeat import while_held
from bulkmeta.runners.messages import Order, Task
from bulkmeta.runners.processes import hire_process
from bulkmeta.runners.work import goal_of, transform_of

if TYPE_CHECKING:
    from bulkmeta.engine.pipeline import Process
    from bulkmeta.engine.worker import Record
    from bulkmeta.model.job import RunSpec
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.probe import Probed
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.runners.crew import Hire
    from bulkmeta.runners.host import Host
    from bulkmeta.runners.work import Rows

Staff = AbstractAsyncContextManager["Process[Outcome]"]


@asynccontextmanager
async def changing_staff(
    spec: RunSpec,
    host: Host,
    bucket: Bucket,
    rows: Rows | None,
    copies: Probed | None,
    record: Record | None,
) -> AsyncIterator[Process[Outcome]]:
    """Who changes objects, or plans it; each as long as the run's lock is held."""
    stop = host.stop or StopRequest()
    if is_alone(spec):
        transform = transform_of(spec.job, host.transform)
        worker = Worker(
            bucket,
            spec.job.rules,
            goal_of(spec.job, rows, transform),
            record=record,
            retries=spec.pace.retries,
            stop=stop,
            copies=copies,
        )
        yield while_held(host.lock, worker.process_object)
        return
    order = _order("change" if record else "plan", spec, bucket, copies)
    async with _crew(spec, host, bucket, order, record, rows) as crew:
        yield while_held(host.lock, crew.process_object)


def verifying_staff(spec: RunSpec, host: Host, bucket: Bucket) -> Staff:
    """Who looks at objects again."""
    if is_alone(spec):
        return nullcontext(Verifier(bucket).verify_object)
    return _verifying_crew(spec, host, bucket)


@asynccontextmanager
async def _verifying_crew(
    spec: RunSpec, host: Host, bucket: Bucket
) -> AsyncIterator[Process[Outcome]]:
    order = _order("verify", spec, bucket, None)
    async with _crew(spec, host, bucket, order, None, None) as crew:
        yield crew.process_object


def is_alone(spec: RunSpec) -> bool:
    """Whether this process does it all."""
    return spec.pace.processes == 1 and spec.pace.cluster is None


@asynccontextmanager
async def _crew(
    spec: RunSpec,
    host: Host,
    bucket: Bucket,
    order: Order,
    record: Record | None,
    rows: Rows | None,
) -> AsyncIterator[Crew]:
    progress = host.progress
    async with _hiring(spec) as hire:
        with bucket.shared_pace() as budget:
            crew = Crew(
                order=order,
                hire=hire,
                bucket=bucket,
                budget=budget,
                stop=host.stop or StopRequest(),
                record=record,
                rows=rows,
                say=progress.say if progress else lambda _: None,
            )
            async with working(crew, spec.pace.processes):
                yield crew


def _hiring(spec: RunSpec) -> AbstractAsyncContextManager[Hire]:
    """Where worker processes come from."""
    if spec.pace.cluster is None:
        return nullcontext(hire_process)
    from bulkmeta.runners.cluster import hiring_on

    return hiring_on(spec.pace.cluster)


def _order(task: Task, spec: RunSpec, bucket: Bucket, copies: Probed | None) -> Order:
    """What each process is to do: at the very address that was found here."""
    connection = msgspec.structs.replace(
        spec.connection,
        endpoint=bucket.address,
        region=bucket.region,
        internal=False,
        accelerate=False,
        dual_stack=False,
    )
    level = logging.getLogger("bulkmeta").getEffectiveLevel()
    pace = spec.pace
    return Order(
        task, spec.job, connection, pace.concurrency, pace.retries, copies, level
    )
