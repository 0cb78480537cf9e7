"""That nobody answers is said once, and only if it is nobody."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bulkmeta.oss.silence import Silence

PATIENCE_S = 0.2
WORDS = "no answer from there:80 for 0.2 s"


@pytest.fixture
def silence(caplog: pytest.LogCaptureFixture) -> Silence:
    """One that is told, whatever other tests made of the loggers."""
    caplog.set_level(logging.WARNING, "bulkmeta")
    return Silence("there:80", PATIENCE_S)


async def ask(silence: Silence, seconds: float, *, answered: bool = True) -> None:
    with silence:
        await asyncio.sleep(seconds)
        if not answered:
            raise TimeoutError


async def test_nothing_for_so_long(
    silence: Silence, caplog: pytest.LogCaptureFixture
) -> None:
    """However many requests wait, it is one line; and another once there was an
    answer."""
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(ask(silence, 3 * PATIENCE_S))
        await asyncio.sleep(2 * PATIENCE_S)
        await ask(silence, 1.5 * PATIENCE_S)
    assert caplog.messages == [WORDS]
    await ask(silence, 2 * PATIENCE_S)
    assert caplog.messages == [WORDS, WORDS]


async def test_tried_again(silence: Silence, caplog: pytest.LogCaptureFixture) -> None:
    """Requests that fail sooner are no answers: their times add up. Nothing is said
    while nobody asks."""
    with pytest.raises(TimeoutError):
        await ask(silence, 0, answered=False)
    await asyncio.sleep(2 * PATIENCE_S)
    assert not caplog.messages
    with pytest.raises(TimeoutError):
        await ask(silence, 0.05, answered=False)
    assert caplog.messages == [WORDS]


async def test_asked_again_much_later(
    silence: Silence, caplog: pytest.LogCaptureFixture
) -> None:
    """After a time without requests the next one has its time, whatever became of the
    one before it."""
    with pytest.raises(TimeoutError):
        await ask(silence, 0, answered=False)
    await asyncio.sleep(2 * PATIENCE_S)
    await ask(silence, PATIENCE_S / 4)
    assert not caplog.messages
    with pytest.raises(TimeoutError):
        await ask(silence, 0, answered=False)
    await asyncio.sleep(2 * PATIENCE_S)
    await ask(silence, 1.5 * PATIENCE_S)
    assert caplog.messages == [WORDS]


async def test_others_are_answered(
    silence: Silence, caplog: pytest.LogCaptureFixture
) -> None:
    """One request that hangs is its object's own affair; so is a time without any."""
    async with asyncio.TaskGroup() as group:
        hanging = group.create_task(ask(silence, 60))
        for _ in range(30):
            await ask(silence, PATIENCE_S / 10)
        hanging.cancel()
    await asyncio.sleep(2 * PATIENCE_S)
    await ask(silence, 0)
    assert not caplog.messages
