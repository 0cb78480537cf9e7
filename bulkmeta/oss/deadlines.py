"""An end to waiting for an answer, with one timer for all requests under way.

`asyncio.timeout` makes and drops a timer for each; at 20,000 requests a second that is
a tenth of all work.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadlines:
    """A context that a task may be in for `limit_s` seconds; then `TimeoutError` is
    raised in it. All have the same limit, so they run out in the order of entering."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._ends_s: dict[asyncio.Task[object], float] = {}
        self._late: dict[asyncio.Task[object], int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101 there is one in every coroutine
        end_s = loop.time() + self._limit_s
        self._ends_s[task] = end_s
        if self._timer is None:
            self._timer = loop.call_at(end_s, self._expire, loop)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 the one that entered
        self._ends_s.pop(task, None)
        if not self._late or task not in self._late:
            return
        others = self._late.pop(task)
        if task.uncancel() <= others and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what is late, and wait for the next that may be."""
        self._timer = None
        now_s = loop.time()
        for task, end_s in list(self._ends_s.items()):
            if end_s > now_s:
                self._timer = loop.call_at(end_s, self._expire, loop)
                return
            del self._ends_s[task]
            self._late[task] = task.cancelling()
            task.cancel()
