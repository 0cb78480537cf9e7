"""The event loop of a command: the quickest at hand, and little garbage collection."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")

_THRESHOLDS: Final = (50_000, 20, 100)
"""Each object of a run makes hundreds of short-lived values, few of them in cycles. The
interpreter's default of 700 costs a tenth of all work."""


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """What `main` comes to; with uvloop where it is installed."""
    with _rare_collections(), asyncio.Runner(loop_factory=_factory()) as runner:
        return runner.run(main)


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop


@contextmanager
def _rare_collections() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
