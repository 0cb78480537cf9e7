"""The library: what the commands do, for programs.

Everything that changes objects is an async iterator of their outcomes. Leaving it early
lets objects under way come to their end; what was done stands in the run file, from
which `resume` goes on.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.errors import UsageError
from bulkmeta.journal.files import held_for_reading
from bulkmeta.journal.run_reader import read_header
from bulkmeta.model.changes import Change, checked
from bulkmeta.model.conditions import Condition
from bulkmeta.model.item import Item
from bulkmeta.model.job import (
    RANGE_RATE,
    SCHEME,
    Command,
    Connection,
    JobSpec,
    Pace,
    Rules,
    RunSpec,
    SignatureVersion,
    parse_target,
    spread_for,
)
from bulkmeta.model.metadata import ListedObject
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.selection import Selection
from bulkmeta.model.values import refuse_both
from bulkmeta.oss import connect
from bulkmeta.oss.credentials import provider_of
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.runners.host import Host
from bulkmeta.runners.ledger import default_run_file
from bulkmeta.runners.local import resume_job, run_job
from bulkmeta.runners.preflight import refuse_unwanted
from bulkmeta.runners.reading import verify_objects
from bulkmeta.runners.rerun import Rerun, plan_job, refuse_plan, rerun_job
from bulkmeta.runners.restart import find_restart
from bulkmeta.runners.transforms import reference_of, refuse_other_transform
from bulkmeta.runners.work import sampled
from bulkmeta.sources.once import once
from bulkmeta.sources.resume import behind
from bulkmeta.sources.values import load_values

if TYPE_CHECKING:
    from bulkmeta.model.transforms import Transform
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.report.drain import Sink
    from bulkmeta.runners.preflight import Findings
    from bulkmeta.sources.resume import Behind

T = TypeVar("T")

Source = AsyncIterable[str | ListedObject] | Iterable[str | ListedObject]
"""Where objects come from: their keys, or what a listing says of them, from anything
that can be iterated over."""

Outcomes = AsyncGenerator[Outcome, None]
_WAITING: Final = 1000
_POLL_S: Final = 0.01
_OBJECTS_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class OpenBucket:
    """A bucket that is connected, and the prefix in it that is worked on."""

    name: str
    prefix: str
    connection: Connection
    pace: Pace
    bucket: Bucket = field(repr=False)
    runs: set[_Streamed] = field(default_factory=set, repr=False)
    closed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def at(self, prefix: str) -> OpenBucket:
        """The same bucket at another prefix, over the same connections and with one
        budget of requests."""
        return replace(self, prefix=prefix)


@asynccontextmanager
async def open_bucket(  # noqa: PLR0913 one argument per setting, all but one by name
    target: Any,
    *,
    credentials: Any = None,
    endpoint: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    internal: bool = False,
    accelerate: bool = False,
    dual_stack: bool = False,
    request_payer: bool = False,
    sign_version: SignatureVersion = "v4",
    concurrency: int = 64,
    rate: float | None = RANGE_RATE,
    retries: int = 10,
    spread: int | None = None,
) -> AsyncIterator[OpenBucket]:
    """Connect to a bucket.

    `target` is `oss://bucket/prefix` or an `oss2.Bucket`, whose address and credentials
    are taken. `credentials` is any oss2 credentials provider or auth; by default they
    come from the environment or other tools' files (`profile` names one of those), as
    does what is not given of `endpoint` and `region`. `internal`, `accelerate` or
    `dual_stack` choose another of the region's endpoints than the public one.
    `request_payer` agrees to pay for requests to a bucket whose owner does not.
    `rate` caps requests a second (None: no cap), `retries` counts tries of one request
    beyond the first, and `spread` is the number of key ranges listed in turn (None: as
    many as the rate needs).

    Raises:
        UsageError: the address is not clear, `credentials` are none, or a setting is
            none that is possible.
        RunFatalError: there are no credentials.
    """
    connection = _valid(
        Connection(
            endpoint,
            region,
            internal,
            sign_version,
            profile,
            accelerate,
            dual_stack,
            request_payer,
        )
    )
    name, prefix = _named(target)
    if not isinstance(target, str):
        credentials = credentials or target.auth
        connection = msgspec.structs.replace(
            connection,
            endpoint=endpoint or target.endpoint,
            region=region or target.region or None,
        )
    pace = _valid(Pace(concurrency, rate, retries, 1 if spread is None else spread))
    if spread is None:
        pace = msgspec.structs.replace(pace, spread=spread_for(rate))
    async with connect.open_bucket(
        name,
        connection,
        rate=rate,
        retry=RetryPolicy(retries),
        connections=concurrency,
        provider=None if credentials is None else provider_of(credentials),
    ) as bucket:
        opened = OpenBucket(name, prefix, connection, pace, bucket)
        try:
            yield opened
        finally:
            opened.closed.set()
            for run in list(opened.runs):  # such as one left by a `break`
                await run.leave()


def _valid(settings: T) -> T:
    """The same settings, if every one of them can be.

    Raises:
        UsageError: one is of another type, or out of range.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(settings), type(settings))
    except (msgspec.ValidationError, TypeError) as error:
        raise UsageError(str(error)) from error


def _named(target: Any) -> tuple[str, str]:
    """The bucket and prefix of a target."""
    if isinstance(target, str):
        found = parse_target(target, allow_all=True)
        return found.bucket, found.prefix
    name = getattr(target, "bucket_name", None)
    if not isinstance(name, str):
        raise UsageError(
            f"{target!r} is no bucket: give {SCHEME}bucket/prefix or an oss2.Bucket"
        )
    return name, ""


def apply(  # noqa: PLR0913 one argument per part of a job, all but two by name
    bucket: OpenBucket,
    change: Change | Transform | None = None,
    *,
    values: str | Path | None = None,
    objects: Source | None = None,
    select: Selection = Selection(),  # noqa: B008 immutable
    where: str | Sequence[str] = (),
    rules: Rules = Rules(),  # noqa: B008 immutable
    run_file: str | Path | None = None,
    sinks: Sequence[Sink[Outcome]] = (),
) -> Outcomes:
    """Change the objects at the bucket's prefix, or those that `objects` gives.

    `change` is one for all, whose values are templates, or a function that makes one
    for each; `values` is a file of rows (CSV, JSON lines, Parquet) by key. `select` and
    `where` leave objects out. Every outcome is on record in `run_file` (by default a
    new one in the current folder) before it is yielded.

    Raises:
        UsageError: the job is not a possible one; nothing was sent.
        RunFatalError: the run cannot go on; the run file can be resumed.
    """
    name = run_file or default_run_file(bucket.name)
    job, host = _job(
        bucket,
        change,
        values=values,
        objects=objects,
        select=select,
        where=where,
        rules=rules,
    )
    return _run(bucket, job, "apply", Path(name), replace(host, sinks=sinks))


def plan(  # noqa: PLR0913 one argument per part of a job, all but two by name
    bucket: OpenBucket,
    change: Change | Transform | None = None,
    *,
    values: str | Path | None = None,
    objects: Source | None = None,
    select: Selection = Selection(),  # noqa: B008 immutable
    where: str | Sequence[str] = (),
    rules: Rules = Rules(),  # noqa: B008 immutable
    out: str | Path | None = None,
    sinks: Sequence[Sink[Outcome]] = (),
) -> Outcomes:
    """What `apply` would do, without doing it; `out` keeps it for `apply_plan`.

    Raises:
        UsageError: the job is not a possible one.
        RunFatalError: the bucket cannot be read.
    """
    job, host = _job(
        bucket,
        change,
        values=values,
        objects=objects,
        select=select,
        where=where,
        rules=rules,
    )
    file = None if out is None else Path(out)
    return _run(bucket, job, "plan", file, replace(host, sinks=sinks))


def apply_plan(
    bucket: OpenBucket,
    plan_file: str | Path,
    *,
    replan: bool = False,
    run_file: str | Path | None = None,
) -> Outcomes:
    """Do what a plan holds, where objects still are as they were then; with `replan`
    those that have changed are planned anew.

    Raises:
        UsageError: it is no complete plan of that bucket.
        RunFatalError: the run cannot go on; the run file can be resumed.
    """
    _, job = plan_job(Path(plan_file), replan=replan)
    name = run_file or default_run_file(bucket.name)
    return _run(bucket, job, "apply", Path(name), Host())


def retry(
    bucket: OpenBucket,
    parent: str | Path,
    *,
    rules: Rules | None = None,
    run_file: str | Path | None = None,
    sinks: Sequence[Sink[Outcome]] = (),
) -> Outcomes:
    """Run again what failed in a run; under its own `rules`, unless others are given.

    Raises:
        UsageError: `parent` is no such run file.
        LockedError: the run is still under way.
    """
    return _rerun(bucket, parent, "failed", rules, run_file, sinks)


def undo(
    bucket: OpenBucket,
    parent: str | Path,
    *,
    only_drifted: bool = False,
    rules: Rules | None = None,
    run_file: str | Path | None = None,
    sinks: Sequence[Sink[Outcome]] = (),
) -> Outcomes:
    """Put back what a run changed, where objects still are as it left them; with
    `only_drifted` only where the update itself did not leave what it should. It goes by
    the run's own `rules`, unless others are given.

    Raises:
        UsageError: `parent` is no such run file.
        LockedError: the run is still under way.
    """
    takes: Rerun = "drifted" if only_drifted else "former"
    return _rerun(bucket, parent, takes, rules, run_file, sinks)


def _rerun(
    bucket: OpenBucket,
    parent: str | Path,
    takes: Rerun,
    rules: Rules | None,
    run_file: str | Path | None,
    sinks: Sequence[Sink[Outcome]],
) -> Outcomes:
    _, job = rerun_job(Path(parent), takes)
    if rules is not None:
        job = msgspec.structs.replace(job, rules=_valid(rules))
    command: Command = "retry" if takes == "failed" else "undo"
    name = run_file or default_run_file(bucket.name)
    return _run(bucket, job, command, Path(name), Host(sinks=sinks))


def resume(
    bucket: OpenBucket,
    run_file: str | Path,
    *,
    change: Transform | None = None,
    objects: Source | None = None,
) -> Outcomes:
    """Go on with an interrupted run. What a program gave to it has to be given again:
    the function that makes changes, and the same `objects` in the same order.

    Raises:
        UsageError: it is complete, no run file, or of another job than it says.
        LockedError: another process is still at it.
    """
    path = Path(run_file)
    found = find_restart(path)
    header = found.header
    refuse_plan(path, header)
    _refuse_other_bucket(bucket, header.job)
    if change is not None:
        refuse_other_transform(header.job.transform, change)
    spec = RunSpec(
        header.job,
        header.command,
        bucket.connection,
        bucket.pace,
        recent=header.recent,
    )
    host = Host(transform=change, objects=_items(objects, bucket.prefix))
    return _streamed(
        bucket, lambda host: resume_job(spec, path, found, host=host), host
    )


def verify(
    bucket: OpenBucket, run_file: str | Path, *, sample: float | int | None = None
) -> Outcomes:
    """Read objects again and compare them with what a run says: `unchanged`, or
    `failed` for the reason `drift`. `sample` is a share (float) or a number (int).

    Raises:
        UsageError: it is no run file.
    """
    path = Path(run_file)
    header = read_header(path)
    refuse_plan(path, header)
    _refuse_other_bucket(bucket, header.job)
    spec = RunSpec(header.job, "plan", bucket.connection, bucket.pace)

    async def look(host: Host) -> object:
        with held_for_reading(path):
            return await verify_objects(spec, path, sampled(path, sample), host=host)

    return _streamed(bucket, look, Host())


def iterate(
    target: Any, work: Callable[[OpenBucket], AsyncGenerator[T, None]], **settings: Any
) -> Generator[T, None, None]:
    """What `work` makes of a bucket, for code that is not async, such as a notebook's
    cell: it runs in a thread of its own, with an event loop of its own. `target` and
    `settings` are those of `open_bucket`.

    Raises:
        BulkmetaError: as `work` does.
    """

    async def outcomes() -> AsyncGenerator[T, None]:
        async with (
            open_bucket(target, **settings) as bucket,
            aclosing(work(bucket)) as found,
        ):
            async for outcome in found:
                yield outcome

    pump = _Pump(outcomes())
    thread = threading.Thread(target=pump.run)
    thread.start()
    try:
        while not isinstance(result := pump.results.get(), _End):
            yield result
    finally:
        pump.leave()
        thread.join()
    if result.error:
        raise result.error


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


class _Pump(Generic[T]):
    """Carries results from an event loop in one thread to another thread."""

    def __init__(self, source: AsyncGenerator[T, None]) -> None:
        self.results: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._source = source
        self._left = threading.Event()
        self._cancel: Callable[[], object] = self._left.set

    def leave(self) -> None:
        """Take no more; what is under way comes to its end."""
        self._left.set()
        self._cancel()

    def run(self) -> None:
        try:
            asyncio.run(self._carry())
        except BaseException as error:  # noqa: BLE001 it is raised where results are taken
            self.results.put(_End(error))
        else:
            self.results.put(_End())

    async def _carry(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 it is this one
        self._cancel = partial(_call_in, loop, task.cancel)
        async with aclosing(self._source) as source:
            if self._left.is_set():
                return
            async for result in source:
                while self.results.qsize() >= _WAITING:  # noqa: ASYNC110 another thread takes
                    await asyncio.sleep(_POLL_S)
                self.results.put(result)


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop has ended by itself
        loop.call_soon_threadsafe(call)


def _job(  # noqa: PLR0913 what `apply` and `plan` have in common
    bucket: OpenBucket,
    change: Change | Transform | None,
    *,
    values: str | Path | None,
    objects: Source | None,
    select: Selection,
    where: str | Sequence[str],
    rules: Rules,
) -> tuple[JobSpec, Host]:
    """The job that was asked for, and what it is given by the program."""
    if objects is not None and select.looks_at_listing():
        raise UsageError("of given objects only keys can be selected")
    where = (where,) if isinstance(where, str) else tuple(where)
    target = parse_target(f"{SCHEME}{bucket.name}/{bucket.prefix}", allow_all=True)
    takes: Final = "listing" if objects is None else "given"
    job = _valid(JobSpec(target, rules=rules, takes=takes, select=select, where=where))
    Condition(job.where)
    host = Host(objects=_items(objects, bucket.prefix))
    if change is not None and not isinstance(change, Change):
        if values is not None:
            raise UsageError("a function makes the whole change; give it no values")
        job = msgspec.structs.replace(job, transform=reference_of(change))
        return job, replace(host, transform=change)
    wanted = checked(_valid(change or Change()), literal=False)
    if wanted.is_empty() and values is None:
        raise UsageError("no change given")
    job = msgspec.structs.replace(job, change=wanted)
    if values is None:
        return job, host
    file, table = load_values(Path(values).resolve(), target.prefixes)
    table.close()  # the run reads it once more: nobody may ever begin it
    refuse_both(wanted, file.sets)
    return msgspec.structs.replace(job, values=file), host


def _items(objects: Source | None, prefix: str) -> Behind | None:
    if objects is None:
        return None
    if isinstance(objects, str | bytes):
        raise UsageError("objects are given one by one: a list of keys, for one")
    return partial(behind, once(_given(objects, prefix)))


async def _given(objects: Source, prefix: str) -> AsyncIterator[Item]:
    if isinstance(objects, AsyncIterable):
        async for found in objects:
            yield _item(found, prefix)
        return
    for number, found in enumerate(objects):
        if number % _OBJECTS_AT_ONCE == 0:
            await asyncio.sleep(0)  # others have to have their turn
        yield _item(found, prefix)


def _item(found: str | ListedObject, prefix: str) -> Item:
    if isinstance(found, str):
        item = Item(found)
    elif isinstance(found, ListedObject):
        item = Item(found.key, found)
    else:
        raise UsageError(f"{found!r} is no object: give its key, or a ListedObject")
    if not item.key.startswith(prefix):
        raise UsageError(f"object {item.key!r} is not under {prefix!r}")
    return item


def _run(
    bucket: OpenBucket, job: JobSpec, command: Command, file: Path | None, host: Host
) -> Outcomes:
    _refuse_other_bucket(bucket, job)
    if file and file.exists():
        raise UsageError(f"{str(file)!r} exists; name another run file")
    spec = RunSpec(job, command, bucket.connection, bucket.pace)

    def inspect(findings: Findings) -> None:
        if command != "plan":
            refuse_unwanted(job, findings)

    return _streamed(
        bucket,
        lambda host: run_job(spec, run_file=file, host=host, inspect=inspect),
        host,
    )


def _refuse_other_bucket(bucket: OpenBucket, job: JobSpec) -> None:
    if bucket.name != job.target.bucket:
        raise UsageError(
            f"the run was on bucket {job.target.bucket!r}, not on {bucket.name!r}"
        )


class _Streamed:
    """A run that hands its outcomes on, a batch at a time; whoever takes them sets the
    pace."""

    def __init__(self, run: Callable[[Host], Awaitable[object]], host: Host) -> None:
        self._batches: asyncio.Queue[list[Outcome] | None] = asyncio.Queue(1)
        self._stop = StopRequest()
        self._is_left = False
        host = replace(host, hand_on=self._hand_on, stop=self._stop)
        self._task = asyncio.create_task(self._work(run, host))

    async def _work(self, run: Callable[[Host], Awaitable[object]], host: Host) -> None:
        try:
            await run(host)
        finally:
            await self._hand_on(None)

    async def _hand_on(self, batch: list[Outcome] | None) -> None:
        if not self._is_left:
            await self._batches.put(batch)

    async def outcomes(self) -> Outcomes:
        """Every outcome.

        Raises:
            BulkmetaError: what ended the run before its time.
        """
        while (batch := await self._batches.get()) is not None:
            for outcome in batch:
                yield outcome

    async def leave(self) -> None:
        """Let objects under way come to their end, unless the run is at its own.

        Raises:
            BulkmetaError: what ended the run before its time.
        """
        self._is_left = True
        self._stop.request()
        while not self._batches.empty():
            self._batches.get_nowait()  # somebody may wait for the room
        await self._task


async def _streamed(
    bucket: OpenBucket, run: Callable[[Host], Awaitable[object]], host: Host
) -> Outcomes:
    """The outcomes of a run in an open bucket, which it does not outlive."""
    if bucket.closed.is_set():
        raise UsageError("the bucket is closed; take outcomes while it is open")
    streamed = _Streamed(run, replace(host, bucket=bucket.bucket, signals=False))
    bucket.runs.add(streamed)
    try:
        async with aclosing(streamed.outcomes()) as outcomes:
            async for outcome in outcomes:
                yield outcome
    finally:
        bucket.runs.discard(streamed)
        await streamed.leave()
