"""The library for code that is not async: the event loop runs in another thread."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, TypeVar

from bulkmeta.api.bucket import OpenBucket, open_bucket

T = TypeVar("T")

_WAITING: Final = 1000
_POLL_S: Final = 0.01


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
