"""No answer is waited for without end, and only that is cut short."""

from __future__ import annotations

import asyncio
import time

import pytest

from bulkmeta.oss.deadlines import Deadlines

NEVER_S = 60.0


async def wait(deadlines: Deadlines, seconds: float) -> str:
    with deadlines:
        await asyncio.sleep(seconds)
    return "answer"


async def test_in_time() -> None:
    """Nothing happens to what ends before its time, nor afterwards."""
    deadlines = Deadlines(0.05)
    assert await wait(deadlines, 0) == "answer"
    await asyncio.sleep(0.1)


async def test_each_has_its_own_end() -> None:
    """Whoever came later ends later, by one and the same timer."""
    deadlines, loop = Deadlines(0.5), asyncio.get_running_loop()
    ends_s: list[float] = []

    async def late(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        started_s = loop.time()
        with pytest.raises(TimeoutError):
            await wait(deadlines, NEVER_S)
        ends_s.append(loop.time() - started_s)

    await asyncio.gather(*(late(n * 0.1) for n in range(5)), wait(deadlines, 0.01))
    assert len(ends_s) == 5
    assert all(0.45 < end_s < 5 for end_s in ends_s)


async def test_it_goes_on_after_an_end() -> None:
    """A task that was late once may try again."""
    deadlines = Deadlines(0.01)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await wait(deadlines, NEVER_S)
    assert await wait(deadlines, 0) == "answer"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_cancelled_by_somebody_else() -> None:
    """That is not a time-out."""
    task = asyncio.create_task(wait(Deadlines(NEVER_S), NEVER_S))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_by_somebody_else_at_the_same_time() -> None:
    """Whoever cancels the run is heard, even if the answer was late as well."""
    deadlines = Deadlines(0.01)
    task = asyncio.create_task(wait(deadlines, NEVER_S))
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)
    time.sleep(0.02)  # noqa: ASYNC251 so that both are due when the loop goes on
    loop.call_at(loop.time(), task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_errors_pass() -> None:
    """What fails by itself fails with its own error."""
    with pytest.raises(ValueError, match="mine"), Deadlines(NEVER_S):
        raise ValueError("mine")
