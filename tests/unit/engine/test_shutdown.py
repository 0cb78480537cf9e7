"""Stopping on request."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

import pytest

from bulkmeta.engine.shutdown import SIGNALS, StopRequest, stop_on_signals


def test_callbacks_in_order() -> None:
    """Whoever asked to be told is told, once, when the stop is requested."""
    stop, told = StopRequest(), list[str]()
    stop.on_request(lambda: told.append("first"))
    stop.on_request(lambda: told.append("second"))
    before = (stop.is_requested(), list(told))
    stop.request()
    stop.fail(ValueError("once is enough"))
    assert (before, stop.is_requested(), told) == (
        (False, []),
        True,
        ["first", "second"],
    )


def test_callback_after_the_request() -> None:
    """Whoever comes late is told at once."""
    stop, told = StopRequest(), list[str]()
    stop.request()
    stop.on_request(lambda: told.append("late"))
    assert told == ["late"]


@pytest.mark.parametrize(
    ("why", "error", "words"),
    [
        ("the window has closed", None, "the window has closed"),
        (None, ValueError("no bucket"), "no bucket"),
        (None, None, "it was interrupted"),
    ],
)
def test_the_log_tells_why(
    caplog: pytest.LogCaptureFixture,
    why: str | None,
    error: Exception | None,
    words: str,
) -> None:
    """Once, whatever follows."""
    caplog.set_level(logging.INFO, "bulkmeta.engine.shutdown")
    stop = StopRequest()
    if error:
        stop.fail(error)
    stop.request(why)
    stop.request("another")
    (record,) = caplog.records
    told = (record.levelname, record.getMessage())
    assert told == ("INFO", f"stop requested: {words}")


async def test_sleep_ends_with_the_stop() -> None:
    """Waiting for the service is not waited for once the run is to end."""
    stop = StopRequest()
    async with asyncio.timeout(5):
        await stop.sleep(0.001)
        waiting = asyncio.create_task(stop.sleep(3600))
        await asyncio.sleep(0)
        stop.request()
        await waiting
        await stop.sleep(3600)


def test_the_first_error_is_told() -> None:
    """What follows from an error does not hide it; a wish is none."""
    wished, failed = StopRequest(), StopRequest()
    first = ValueError("first")
    wished.request()
    failed.fail(first)
    failed.fail(ValueError("second"))
    failed.request()
    assert (wished.error, wished.is_requested()) == (None, True)
    assert (failed.error, failed.is_requested()) == (first, True)


@pytest.mark.parametrize("number", SIGNALS)
async def test_first_signal_asks_second_insists(number: signal.Signals) -> None:
    """The first signal is a stop request; every further one insists."""
    stop, insisted = StopRequest(), list[bool]()
    states: list[tuple[bool, int]] = []
    with stop_on_signals(stop, lambda: insisted.append(True)):
        for _ in range(3):
            received = asyncio.Event()
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
            while not received.is_set():
                await asyncio.sleep(0)
                if stop.is_requested() and len(insisted) >= len(states):
                    received.set()
            states.append((stop.is_requested(), len(insisted)))
    assert states == [(True, 0), (True, 1), (True, 2)]


async def test_where_the_loop_takes_no_handlers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On Windows Python's own handlers do it, and are taken back, too."""
    loop, stop = asyncio.get_running_loop(), StopRequest()

    def refuse(*_: object) -> None:
        raise NotImplementedError

    for name in ("add_signal_handler", "remove_signal_handler"):
        monkeypatch.setattr(loop, name, refuse)
    before = [signal.getsignal(number) for number in SIGNALS]
    with stop_on_signals(stop, lambda: None):
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            await stop.sleep(3600)
    assert stop.is_requested()
    assert [signal.getsignal(number) for number in SIGNALS] == before


async def test_handlers_are_taken_back() -> None:
    """After the run a signal ends the process as it would any other."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with stop_on_signals(StopRequest(), lambda: None):
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert SIGNALS == (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("left", [True, False])
def test_whether_it_was_heeded(left: bool) -> None:
    """A stop in time only if it left something; a signal in any case, so that whoever
    sent it is answered."""
    by_signal, in_time, unasked = StopRequest(), StopRequest(), StopRequest()
    for stop in (by_signal, in_time):
        stop.cut_short = left
    by_signal.request()
    in_time.request("--max-duration is over")
    told = [stop.was_heeded() for stop in (by_signal, in_time, unasked)]
    assert told == [True, left, False]
