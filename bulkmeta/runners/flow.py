"""Running a pipeline to its end: signals, progress, and the error that it is about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from bulkmeta.engine.pipeline import Judge, Process, run_pipeline
from bulkmeta.engine.shutdown import StopRequest, stop_on_signals
from bulkmeta.engine.window import Window
from bulkmeta.errors import BulkmetaError, ThresholdError
from bulkmeta.model.low_water import HasSeq
from bulkmeta.model.quantity import counted
from bulkmeta.report.drain import HandOn, Sink, drain
from bulkmeta.sources.ahead import Ahead

if TYPE_CHECKING:
    from bulkmeta.model.item import Item
    from bulkmeta.report.progress import RunState, Watcher

T = TypeVar("T", bound=HasSeq)


@dataclass(frozen=True, slots=True)
class Flow:
    """How a pipeline is run: so many workers, until the end or `stop`, which signals
    ask for, too."""

    workers: int
    stop: StopRequest
    first_seq: int = 1
    signals: bool = True

    async def run(
        self,
        source: AsyncIterator[Item],
        staff: AbstractAsyncContextManager[Process[T]],
        sinks: Sequence[Sink[T]],
        judge: Judge[T] | None = None,
        hand_on: HandOn[T] | None = None,
        finish: Callable[[], object] | None = None,
    ) -> None:
        """Have the `staff` process every item, inside a window, and give each result to
        every sink. `finish` comes last; no signal gets in between.

        Raises:
            Exception: the first error that ended the run.
        """
        window = Window(first_seq=self.first_seq)
        everyone = [*sinks, window]
        signals = stop_on_signals(self.stop, _insist()) if self.signals else None
        with ungrouped(), signals or nullcontext():
            async with staff as process:
                await run_pipeline(
                    window.number(source),
                    process,
                    lambda batches: drain(batches, everyone, hand_on),
                    workers=self.workers,
                    stop=self.stop,
                    judge=judge,
                )
            if finish:
                finish()


def stopping_words(stop: StopRequest, *, alone: bool = True) -> str:
    """What happens now that a stop is requested; where that was by a signal, it may
    have been a Ctrl-C. Other processes, if there are any (not `alone`), may have been
    handed objects that they have not taken up."""
    words = _ending_words(stop.under_way, at_most="" if alone else "at most ")
    if isinstance(stop.error, ThresholdError):
        return f"stopping: {stop.error.limit}; {words}; Ctrl-C ends at once"
    if stop.why:
        return f"stopping: {stop.why}; {words}; Ctrl-C ends at once"
    again = "" if stop.error else " (again)"
    return f"stopping: {words}; Ctrl-C{again} ends at once"


def _ending_words(count: int, at_most: str) -> str:
    if not count:
        return "no object is under way"
    end = "comes to its end" if count == 1 else "come to their end"
    return f"{at_most}{counted(count)} under way {end}"


def tell_of_stop(
    stop: StopRequest, watcher: Watcher | None, *, alone: bool = True
) -> None:
    """Have the watcher, if there is one, tell it when a stop is requested."""
    if watcher:
        stop.on_request(lambda: watcher.say(stopping_words(stop, alone=alone)))


def watched(
    state: RunState, watcher: Watcher | None
) -> AbstractAsyncContextManager[object]:
    """The run is shown to the watcher, if there is one, as long as the body lasts."""
    return watcher.watch(state) if watcher else nullcontext()


def handed_on(first: HandOn[T], then: HandOn[T] | None) -> HandOn[T]:
    """What gives each batch to one, and then to another, if there is one."""
    if then is None:
        return first

    async def hand_on(batch: list[T]) -> None:
        await first(batch)
        await then(batch)

    return hand_on


@asynccontextmanager
async def requests_ahead() -> AsyncIterator[Ahead]:
    """Where requests can be started that nobody waits for yet, as long as the body
    lasts."""
    with ungrouped():
        async with asyncio.TaskGroup() as group:
            ahead = Ahead(group)
            try:
                yield ahead
            finally:
                ahead.cancel()


@contextmanager
def ungrouped() -> Iterator[None]:
    """Let the error out that a group of them is about."""
    try:
        yield
    except BaseExceptionGroup as errors:
        raise leading_error(errors) from errors


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


def _insist() -> Callable[[], object]:
    """What a second signal does: cancel the run where it is."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 there is one inside a coroutine
    return task.cancel
