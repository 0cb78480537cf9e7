"""Stopping on request: the first asks for an orderly end, the second insists."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether the run was asked to stop, and what to do at that moment."""

    def __init__(self) -> None:
        self.requested = False
        self._callbacks: list[Callable[[], object]] = []

    def on_request(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the stop is requested, at once if it already was."""
        self._callbacks.append(callback)
        if self.requested:
            callback()

    def request(self) -> None:
        self.requested = True
        for callback in self._callbacks:
            callback()


@contextmanager
def stop_on_signals(stop: StopRequest, insist: Callable[[], object]) -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into a stop request, and a second one into
    `insist` (which should cancel the run)."""

    def received() -> None:
        if stop.requested:
            insist()
        else:
            stop.request()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, received)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
