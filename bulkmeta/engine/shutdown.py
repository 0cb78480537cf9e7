"""Stopping on request: the first asks for an orderly end, the second insists."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# A closed terminal hangs up; Windows has no such signal.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


class StopRequest:
    """Whether the run is to end before its time. `error` says why, unless it was a
    wish. Objects under way come to their end, further ones are not taken up."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._event = asyncio.Event()
        self._callbacks: list[Callable[[], object]] = []

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def is_requested(self) -> bool:
        """The same as a function, for those that only need to ask."""
        return self.requested

    def on_request(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the stop is requested, at once if it already was."""
        self._callbacks.append(callback)
        if self.requested:
            callback()

    def request(self) -> None:
        """Wish for an end; once is enough."""
        if self.requested:
            return
        self._event.set()
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


@contextmanager
def stop_on_signals(stop: StopRequest, insist: Callable[[], object]) -> Iterator[None]:
    """Turn the first Ctrl-C, SIGTERM or SIGHUP into a stop request, and a second into
    `insist` (which should cancel the run)."""

    def received() -> None:
        if stop.requested:
            insist()
        else:
            stop.request()

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, received)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
