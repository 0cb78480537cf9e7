"""Requests that are on their way before anybody waits for their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Ahead:
    """Starts requests; whoever needs an answer awaits it, and gets its error."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self,
        call: Callable[P, Coroutine[Any, Any, T]],
        *args: P.args,
        **options: P.kwargs,
    ) -> asyncio.Future[T]:
        """The answer to be."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        task = self._group.create_task(_settle(partial(call, *args, **options), answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return answer

    def cancel(self) -> None:
        """Give up what is still on its way: nobody will ask for it."""
        for task in self._tasks:
            task.cancel()


async def _settle(
    call: Callable[[], Coroutine[Any, Any, T]], answer: asyncio.Future[T]
) -> None:
    try:
        found = await call()
    except Exception as error:  # noqa: BLE001 it is raised where the answer is needed
        if not answer.cancelled():  # as it is if whoever awaited it was
            answer.set_exception(error)
            answer.exception()  # seen, even if nobody comes to need the answer
    else:
        if not answer.cancelled():
            answer.set_result(found)
