"""However a pipeline ends, it does, and reports what was done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from bulkmeta.engine.pipeline import KEYS_AHEAD, Processed, run_pipeline
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.errors import OutputError, RunFatalError
from bulkmeta.model.item import Item
from bulkmeta.report.drain import drain


@dataclass
class Workshop:
    """Work that can be held up, and what became of it."""

    held: bool = False
    begun: int = 0
    done: list[int] = field(default_factory=list)
    cancelled: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def process(self, seq: int, _: Item) -> Processed[int]:
        self.begun += 1
        try:
            if self.held:
                await self.gate.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.done.append(seq)
        return Processed(seq)


class Recorder:
    """A sink that keeps results, and fails at one of them if told so."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.kept: list[int] = []
        self._fail_at = fail_at

    def emit(self, result: int) -> None:
        self.kept.append(result)
        if len(self.kept) == self._fail_at:
            raise OutputError("the disk is full")

    def flush(self) -> None:
        """Nothing is held back."""


async def listing(count: int, error: Exception | None = None) -> AsyncIterator[Any]:
    for number in range(count):
        yield number + 1, Item(f"k{number}")
    if error:
        raise error


async def run(
    source: AsyncIterator[Any], process: Any, *sinks: Recorder, **options: Any
) -> None:
    """The pipeline, which must come to an end."""
    async with asyncio.timeout(10):
        await run_pipeline(
            source,
            process,
            lambda batches: drain(batches, sinks),
            workers=options.get("workers", 4),
            stop=options.get("stop") or StopRequest(),
        )


async def turns(count: int) -> None:
    """Let everything go on that can without time."""
    for _ in range(count):
        await asyncio.sleep(0)


def leaf(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        (group,) = group.exceptions
    return group


@pytest.mark.parametrize("count", [10, KEYS_AHEAD * 3])
async def test_a_sink_that_raises_ends_the_run(count: int) -> None:
    """No hang, whatever waits in the queues; sinks before it have all it has seen."""
    work, first, second = Workshop(), Recorder(), Recorder(fail_at=5)

    with pytest.raises(ExceptionGroup) as caught:
        await run(listing(count), work.process, first, second)

    assert isinstance(leaf(caught.value), OutputError)
    assert second.kept == first.kept[:5]
    assert first.kept == work.done[: len(first.kept)]
    assert work.begun < 50


async def test_a_sink_that_raises_cancels_objects_under_way() -> None:
    """Nothing can be recorded any more, so nothing more is done: workers are stopped
    where they are."""
    work, sink = Workshop(), Recorder(fail_at=1)

    async def process(seq: int, item: Item) -> Processed[int]:
        work.held = seq > 1
        return await work.process(seq, item)

    with pytest.raises(ExceptionGroup):
        await run(listing(KEYS_AHEAD * 3), process, sink)

    assert work.cancelled >= 3
    assert work.begun == work.cancelled + len(work.done)


async def test_a_source_that_raises_ahead_of_busy_workers() -> None:
    """The listing fails with the queue full to the brim: the object under way is
    finished and reported, the waiting ones are dropped."""
    work, sink = Workshop(held=True), Recorder()
    source = listing(KEYS_AHEAD + 1, RunFatalError("no more pages"))
    pipeline = asyncio.ensure_future(run(source, work.process, sink, workers=1))
    await turns(2 * KEYS_AHEAD)
    assert work.begun == 1
    work.gate.set()

    with pytest.raises(RunFatalError, match="no more pages"):
        await pipeline

    assert sink.kept == work.done == [1]


async def test_a_worker_that_raises_lets_the_others_finish() -> None:
    """The run ends for an error of one object; results of the others are reported."""
    work, sink = Workshop(), Recorder()

    async def process(seq: int, item: Item) -> Processed[int]:
        if seq == 100:
            raise RunFatalError("no such bucket")
        return await work.process(seq, item)

    with pytest.raises(RunFatalError, match="no such bucket"):
        await run(listing(KEYS_AHEAD * 3), process, sink)

    assert sink.kept == work.done
    assert work.cancelled == 0
    assert len(work.done) < 110


async def test_a_bug_in_a_worker_ends_the_run() -> None:
    """An error that nobody foresaw is not swallowed, and does not hang."""
    sink = Recorder()

    async def process(seq: int, _: Item) -> Processed[int]:
        if seq == 50:
            raise ZeroDivisionError
        await asyncio.sleep(0)
        return Processed(seq)

    with pytest.raises(ZeroDivisionError):
        await run(listing(KEYS_AHEAD * 3), process, sink)

    assert len(sink.kept) >= 40


@pytest.mark.parametrize("count", [500, KEYS_AHEAD * 3])
async def test_a_stop_in_mid_run_reports_all_that_was_done(count: int) -> None:
    """Everything begun is finished and reported, nothing else is begun, whether all
    is listed by then or not."""
    stop, work, sink = StopRequest(), Workshop(), Recorder()

    async def process(seq: int, item: Item) -> Processed[int]:
        if seq == 100:
            stop.request()
        return await work.process(seq, item)

    await run(listing(count), process, sink, stop=stop)

    assert sorted(sink.kept) == sorted(work.done)
    assert work.begun == len(work.done) <= 104


async def test_a_stop_before_the_start() -> None:
    """Told to stop before it began: ends, with nothing done."""
    stop, work, sink = StopRequest(), Workshop(), Recorder()
    stop.request()

    await run(listing(10), work.process, sink, stop=stop)

    assert (work.begun, sink.kept) == (0, [])


async def test_a_stop_while_the_end_of_the_listing_waits_for_room() -> None:
    """All is listed, the queue is full, and the run is told to stop: it ends."""
    stop, work, sink = StopRequest(), Workshop(held=True), Recorder()
    source = listing(KEYS_AHEAD + 1)
    pipeline = asyncio.ensure_future(
        run(source, work.process, sink, workers=1, stop=stop)
    )
    await turns(2 * KEYS_AHEAD)
    assert work.begun == 1
    stop.request()
    work.gate.set()

    await pipeline

    assert sink.kept == [1]


async def test_a_cancelled_run_reports_what_it_had() -> None:
    """Cancelled from outside with objects under way: those are stopped, and results
    that were there are reported."""
    work, sink = Workshop(), Recorder()

    async def process(seq: int, item: Item) -> Processed[int]:
        work.held = seq > 100
        return await work.process(seq, item)

    pipeline = asyncio.ensure_future(run(listing(KEYS_AHEAD * 3), process, sink))
    await turns(2 * KEYS_AHEAD)
    assert (len(work.done), work.begun) == (100, 104)
    pipeline.cancel()

    with pytest.raises(asyncio.CancelledError):
        await pipeline

    assert sink.kept == work.done
    assert work.cancelled == 4


async def test_a_cancelled_run_waits_for_its_reporter() -> None:
    """Results that wait for a slow disk when the run is cancelled are still written."""
    work, kept, disk = Workshop(), list[int](), asyncio.Event()

    async def slow(batches: AsyncIterator[list[int]]) -> None:
        async for batch in batches:
            await disk.wait()
            kept.extend(batch)

    pipeline = asyncio.ensure_future(
        run_pipeline(
            listing(KEYS_AHEAD), work.process, slow, workers=4, stop=StopRequest()
        )
    )
    await turns(2 * KEYS_AHEAD)
    handed_on = len(work.done) - 4  # each worker holds one that finds no room
    pipeline.cancel()
    await turns(10)
    assert kept == []
    disk.set()

    with pytest.raises(asyncio.CancelledError):
        await pipeline

    assert handed_on > 0
    assert kept == work.done[:handed_on]
