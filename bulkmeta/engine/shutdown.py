"""Stopping on request: the first asks for an orderly end, the second insists."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

_LOG: Final = logging.getLogger(__name__)

# A closed terminal hangs up; Windows has no such signal.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))

_LOOK_AGAIN_S: Final = 20.0


def heeded_signals() -> tuple[signal.Signals, ...]:
    """Those that ask for an end; under `nohup` a terminal that closes does not."""
    return tuple(
        number
        for number in SIGNALS
        if number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
    )


class StopRequest:
    """Whether the run is to end before its time. `error` says why, unless it was a
    wish; `why` is what a wish was for. Objects under way come to their end, further
    ones are not taken up; `under_way` is how many there are. `cut_short` tells at the
    end whether any was left for it."""

    def __init__(self) -> None:
        self.under_way = 0
        self.cut_short = False
        self.error: Exception | None = None
        self.why: str | None = None
        self._event = asyncio.Event()
        self._callbacks: list[Callable[[], object]] = []

    def is_requested(self) -> bool:
        """Whether it is to end."""
        return self._event.is_set()

    def was_heeded(self) -> bool:
        """Whether the run ended before its time. A stop in time that comes last of all
        changes nothing; who asked for one by a signal is told that it was heeded."""
        wished = self.is_requested() and not self.error and not self.why
        return self.cut_short or wished

    def on_request(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the stop is requested, at once if it already was."""
        self._callbacks.append(callback)
        if self.is_requested():
            callback()

    def request(self, why: str | None = None) -> None:
        """Wish for an end; once is enough."""
        if self.is_requested():
            return
        self.why = why
        self._event.set()
        _LOG.info("stop requested: %s", why or self.error or "it was interrupted")
        for callback in self._callbacks:
            callback()

    def fail(self, error: Exception) -> None:
        """Demand an end; the first error is the one to be told."""
        self.error = self.error or error
        self.request()

    async def sleep(self, seconds: float) -> None:
        """Wait, but not past the request to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


@asynccontextmanager
async def stop_in_time(
    stop: StopRequest,
    left: Callable[[], tuple[float, str] | None],
) -> AsyncIterator[None]:
    """Turn the end of a time into a stop request, as long as the body lasts. `left`
    tells in how many seconds it is, and what ends then; it is asked now and then, since
    clocks are set, and machines sleep."""

    async def watch() -> None:
        while (found := left()) is not None:
            seconds, why = found
            if seconds <= 0:
                stop.request(why)
                return
            await asyncio.sleep(min(seconds, _LOOK_AGAIN_S))

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@contextmanager
def stop_on_signals(stop: StopRequest, insist: Callable[[], object]) -> Iterator[None]:
    """Turn the first Ctrl-C, SIGTERM or SIGHUP into a stop request, and a second into
    `insist` (which should cancel the run)."""

    def received() -> None:
        if stop.is_requested():
            insist()
        else:
            stop.request()

    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in heeded_signals()}
    for number in before:
        _on_signal(loop, number, received)
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _on_signal(
    loop: asyncio.AbstractEventLoop, number: int, received: Callable[[], None]
) -> None:
    try:
        loop.add_signal_handler(number, received)
    except NotImplementedError:  # on Windows, whose loop wakes up for any
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(received))
