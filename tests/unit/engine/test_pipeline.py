"""Queues and tasks: nothing is lost, nothing piles up, nothing hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bulkmeta.engine.pipeline import (
    KEYS_AHEAD,
    Numbered,
    Processed,
    run_pipeline,
)
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.errors import OutputError, RunFatalError
from bulkmeta.model.item import Item

MANY = 3 * KEYS_AHEAD
HANG_S = 5.0
"""Only a test that fails waits that long."""


class Listing:
    """A source of `count` objects that counts what was taken from it."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self._count = count
        self._error = error
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[Numbered]:
        for number in range(1, self._count + 1):
            self.taken = number
            yield number, Item(f"key-{number}")
        if self._error:
            raise self._error


class Report:
    """Notes all results; may fail at one of them."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.seen: list[int] = []
        self._fail_at = fail_at

    async def drain(self, batches: AsyncIterator[list[int]]) -> None:
        async for batch in batches:
            self.seen += batch
            if self._fail_at is not None and len(self.seen) >= self._fail_at:
                raise OutputError("disk full")


async def echo(seq: int, item: Item) -> Processed[int]:
    """Takes longer for some objects than for others."""
    for _ in range(seq % 5):
        await asyncio.sleep(0)
    assert item.key == f"key-{seq}"
    return Processed(seq)


async def run(
    listing: Listing,
    process: Callable[[int, Item], Awaitable[Processed[int]]],
    report: Report,
    *,
    workers: int = 4,
    stop: StopRequest | None = None,
) -> list[BaseException]:
    """Run a pipeline to its end; the errors that came out, flat."""
    async with asyncio.timeout(HANG_S):
        try:
            await run_pipeline(
                aiter(listing),
                process,
                report.drain,
                workers=workers,
                stop=stop or StopRequest(),
            )
        except BaseExceptionGroup as group:
            return leaves(group)
        except Exception as error:  # noqa: BLE001 whatever ended the run
            return [error]
    return []


def leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


@pytest.mark.parametrize("count", [0, 1, 7, MANY])
@pytest.mark.parametrize("workers", [1, 64])
async def test_each_object_once(count: int, workers: int) -> None:
    """Whatever the order of their ends, every object has one result."""
    report = Report()
    errors = await run(Listing(count), echo, report, workers=workers)
    assert (errors, sorted(report.seen)) == ([], [*range(1, count + 1)])


async def test_results_come_as_they_are_ready() -> None:
    """A slow object holds up nobody else."""
    release = asyncio.Event()
    report = Report()

    async def process(seq: int, _item: Item) -> Processed[int]:
        if seq == 1:
            await release.wait()
        elif seq == 50:
            release.set()
        return Processed(seq)

    await run(Listing(50), process, report)
    assert (report.seen.index(1) > 40, len(report.seen)) == (True, 50)


async def settled() -> None:
    """Let every task run until all of them wait."""
    for _ in range(20 * KEYS_AHEAD):
        await asyncio.sleep(0)


async def test_slow_reporter_stops_the_producer() -> None:
    """Memory is what the queues hold, however long the listing (promise 10)."""
    release = asyncio.Event()
    listing, workers = Listing(MANY), 4

    async def drain(batches: AsyncIterator[list[int]]) -> None:
        async for _ in batches:
            await release.wait()

    task = asyncio.create_task(
        run_pipeline(aiter(listing), echo, drain, workers=workers, stop=StopRequest())
    )
    await settled()
    # The batch under report, the results' queue, one in each worker's hands, the keys'
    # queue, and one in the producer's.
    held = 3 * workers + workers + 2 * workers + KEYS_AHEAD + 1
    assert (listing.taken <= held, task.done()) == (True, False)
    release.set()
    await task
    assert listing.taken == MANY


async def test_slow_service_stops_the_producer() -> None:
    """The listing runs ahead of the workers by one page."""
    release = asyncio.Event()
    listing, report = Listing(MANY), Report()

    async def process(seq: int, _item: Item) -> Processed[int]:
        await release.wait()
        return Processed(seq)

    task = asyncio.create_task(run(listing, process, report))
    await settled()
    assert listing.taken == KEYS_AHEAD + 4 + 1
    release.set()
    await task
    assert len(report.seen) == MANY


@pytest.mark.parametrize("error", [RunFatalError("no page"), ValueError("a bug")])
async def test_source_error(error: Exception) -> None:
    """A listing that fails ends the run with that error."""
    report = Report()
    errors = await run(Listing(MANY, error), echo, report)
    assert errors == [error]
    assert len(set(report.seen)) == len(report.seen)


async def test_source_error_lets_objects_under_way_finish() -> None:
    """What was being done when the listing failed is done, and reported."""
    report, failed = Report(), asyncio.Event()

    class Failing(Listing):
        async def __aiter__(self) -> AsyncIterator[Numbered]:
            yield 1, Item("key-1")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            failed.set()
            raise RunFatalError("no page")

    async def process(seq: int, _item: Item) -> Processed[int]:
        await failed.wait()
        await asyncio.sleep(0)
        return Processed(seq)

    errors = await run(Failing(1), process, report)
    assert ([str(error) for error in errors], report.seen) == (["no page"], [1])


@pytest.mark.parametrize("fatal", [RunFatalError("no bucket"), ValueError("a bug")])
@pytest.mark.parametrize("count", [10, MANY])
async def test_process_error(fatal: Exception, count: int) -> None:
    """An object's error that is the run's ends it; results before are reported."""
    report = Report()

    async def process(seq: int, _item: Item) -> Processed[int]:
        if seq == 6:
            raise fatal
        return Processed(seq)

    errors = await run(Listing(count), process, report, workers=1)
    assert (errors, report.seen) == ([fatal], [1, 2, 3, 4, 5])


async def test_only_the_first_of_many_equal_ends_is_raised() -> None:
    """64 workers that meet the same wall make one error."""
    report = Report()

    async def process(seq: int, _item: Item) -> Processed[int]:
        raise RunFatalError(f"no bucket {seq}")

    errors = await run(Listing(MANY), process, report, workers=64)
    assert [str(error) for error in errors] == ["no bucket 1"]


@pytest.mark.parametrize("count", [10, MANY])
@pytest.mark.parametrize("fail_at", [1, 5])
async def test_drain_error(count: int, fail_at: int) -> None:
    """A report that cannot be written ends the run, however much is listed."""
    report = Report(fail_at)
    errors = await run(Listing(count), echo, report)
    assert [str(error) for error in errors] == ["disk full"]


async def test_drain_error_at_the_last_result() -> None:
    """The error of the very last report is not lost."""
    report = Report(fail_at=10)
    errors = await run(Listing(10), echo, report, workers=1)
    assert [str(error) for error in errors] == ["disk full"]


@pytest.mark.parametrize("count", [10, MANY])
async def test_stop_request(count: int) -> None:
    """After a stop no object is taken up; those under way end, and are reported."""
    stop, report = StopRequest(), Report()
    started: list[int] = []

    async def process(seq: int, _item: Item) -> Processed[int]:
        started.append(seq)
        if seq == 6:
            stop.request()
        await asyncio.sleep(0)
        return Processed(seq)

    errors = await run(Listing(count), process, report, workers=3, stop=stop)
    assert (errors, sorted(report.seen), len(started) < 10) == ([], started, True)


@pytest.mark.parametrize("ends", [False, True])
async def test_how_many_are_under_way(ends: bool) -> None:
    """When it is asked to stop: all that were taken up and are not over, without the
    one whose own end asks for it."""
    stop, report, begun = StopRequest(), Report(), asyncio.Event()
    counts: list[int] = []
    stop.on_request(lambda: counts.append(stop.under_way))

    async def process(seq: int, _item: Item) -> Processed[int]:
        if seq < 5:
            return Processed(seq)
        if seq < 8:
            await begun.wait()
            return Processed(seq)
        begun.set()
        if not ends:
            stop.request()
        return Processed(seq, RunFatalError("over") if ends else None)

    await run(Listing(MANY), process, report, workers=4, stop=stop)
    assert (counts, stop.under_way) == ([3 if ends else 4], 0)


@pytest.mark.parametrize(
    ("count", "left", "cut_short"),
    [(4, None, False), (4, 2, True), (5, None, True), (MANY, None, True)],
)
async def test_whether_anything_was_left(
    count: int, left: int | None, cut_short: bool
) -> None:
    """A stop that comes when all objects are under way leaves none, unless one of them
    is left as it was; one that comes before that leaves some."""
    stop, report = StopRequest(), Report()

    async def process(seq: int, _item: Item) -> Processed[int]:
        while not stop.is_requested():
            await asyncio.sleep(0)
            if stop.under_way == 4:
                asyncio.get_running_loop().call_later(0.01, stop.request)
        return Processed(None if seq == left else seq)

    await run(Listing(count), process, report, workers=4, stop=stop)
    assert (stop.is_requested(), stop.cut_short) == (True, cut_short)


async def test_stop_while_the_listing_waits() -> None:
    """A stop does not wait for a page that does not come."""
    stop, report = StopRequest(), Report()

    class Stuck(Listing):
        async def __aiter__(self) -> AsyncIterator[Numbered]:
            yield 1, Item("key-1")
            stop.request()
            await asyncio.Event().wait()

    errors = await run(Stuck(1), echo, report, stop=stop)
    assert (errors, report.seen in ([], [1])) == ([], True)
    assert stop.cut_short


async def test_stop_before_the_start() -> None:
    """A run that was asked to stop before it began ends at once."""
    stop, report = StopRequest(), Report()
    stop.request()
    errors = await run(Listing(MANY), echo, report, stop=stop)
    assert (errors, report.seen, stop.cut_short) == ([], [], True)


async def test_stop_at_the_start() -> None:
    """Nor does it wait for a listing that was called off before it had begun."""
    stop, report = StopRequest(), Report()
    asyncio.get_running_loop().call_soon(stop.request)
    errors = await run(Listing(MANY), echo, report, stop=stop)
    assert (errors, report.seen) == ([], [])


@pytest.mark.parametrize("count", [10, MANY])
async def test_cancel(count: int) -> None:
    """A cancelled run ends at once; results had until then are reported."""
    report, reached = Report(), asyncio.Event()

    async def process(seq: int, _item: Item) -> Processed[int]:
        if seq == 6:
            reached.set()
            await asyncio.Event().wait()
        return Processed(seq)

    task = asyncio.create_task(run(Listing(count), process, report, workers=1))
    await reached.wait()
    for _ in range(KEYS_AHEAD + 10):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert (task.cancelled(), report.seen) == (True, [1, 2, 3, 4, 5])


async def test_cancel_with_a_full_queue() -> None:
    """Results that wait for a slow report are reported before a cancelled run ends."""
    release, seen, workers = asyncio.Event(), list[int](), 2

    async def drain(found: AsyncIterator[list[int]]) -> None:
        async for batch in found:
            seen.extend(batch)
            await release.wait()

    task = asyncio.create_task(
        run_pipeline(
            aiter(Listing(MANY)), echo, drain, workers=workers, stop=StopRequest()
        )
    )
    await settled()
    reported = len(seen)
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    release.set()
    await asyncio.wait([task])
    assert (task.cancelled(), len(seen) - reported) == (True, 2 * workers)
