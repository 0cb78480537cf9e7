"""Requests ahead: their answers, their errors, and their end."""

from __future__ import annotations

import asyncio

import pytest

from bulkmeta.runners.flow import requests_ahead


async def answer(value: int) -> int:
    await asyncio.sleep(0)
    if value < 0:
        raise ValueError(value)
    return value


async def test_an_answer() -> None:
    """It is on its way before it is awaited."""
    async with requests_ahead() as ahead:
        coming = ahead.start(answer, 1)
        for _ in range(3):
            await asyncio.sleep(0)
        assert coming.done()
        assert await coming == 1


async def test_an_error_comes_where_the_answer_is_needed() -> None:
    """It disturbs nobody else, and nobody at all if the answer is not needed."""
    async with requests_ahead() as ahead:
        ahead.start(answer, -1)
        needed = ahead.start(answer, -2)
        assert await ahead.start(answer, 3) == 3
        with pytest.raises(ValueError, match="-2"):
            await needed


async def test_what_nobody_waits_for_is_given_up() -> None:
    """The end does not wait for requests, whether they are under way or not yet."""
    begun = asyncio.Event()

    async def endless() -> None:
        begun.set()
        await asyncio.sleep(3600)

    async with requests_ahead() as ahead:
        under_way = ahead.start(endless)
        await begun.wait()
        not_yet = ahead.start(endless)
    assert not under_way.done()
    assert not not_yet.done()


@pytest.mark.parametrize("value", [1, -1])
async def test_an_answer_that_comes_after_all(value: int) -> None:
    """Who waited for it was cancelled: it disturbs nobody, nor does its error."""
    async with requests_ahead() as ahead:
        waiting = asyncio.ensure_future(_awaited(ahead.start(answer, value)))
        await asyncio.sleep(0)
        waiting.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
    assert waiting.cancelled()


async def _awaited(coming: asyncio.Future[int]) -> int:
    return await coming


async def test_the_bodys_error_comes_out_as_it_is() -> None:
    """Not as a group of one."""

    async def body() -> None:
        async with requests_ahead() as ahead:
            ahead.start(answer, 1)
            raise KeyError

    with pytest.raises(KeyError):
        await body()
