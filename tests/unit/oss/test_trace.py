"""The line that each request gets, if somebody wants to know."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import pytest
from multidict import CIMultiDict

from bulkmeta.errors import RunFatalError, TransportError
from bulkmeta.oss.effort import try_number
from bulkmeta.oss.trace import TracedTransport, traced
from bulkmeta.oss.transport import Request, Response, Sender

DENIED = b"<Error><Code>AccessDenied</Code><Message>x</Message></Error>"
HEAD = Request("HeadObject", "HEAD", "p/\na\u202e", headers={"x-oss-meta-a": "s3cret"})
LOST = TransportError("timeout", "no answer in time", sent=True)


class Scripted:
    """Answers, or fails, as it was told."""

    def __init__(self, end: Response | BaseException) -> None:
        self.end = end
        self.into: Any = None

    async def send(self, request: Request, into: Any = None) -> Response:
        del request
        self.into = into
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end


def answer(status: int, body: bytes = b"") -> Response:
    headers = CIMultiDict([("x-oss-request-id", "5FFF")])
    return Response(status, headers, body, timedelta())


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (answer(200), "200, 12.5 ms, attempt 1, request 5FFF"),
        (answer(403, DENIED), "403 AccessDenied, 12.5 ms, attempt 1, request 5FFF"),
        (answer(502, b"<html>"), "502 HTTP502, 12.5 ms, attempt 1, request 5FFF"),
        (LOST, "timeout (no answer in time), 12.5 ms, attempt 1, request -"),
        (RunFatalError("s3cret"), "RunFatalError, 12.5 ms, attempt 1, request -"),
        (asyncio.CancelledError(), "CancelledError, 12.5 ms, attempt 1, request -"),
    ],
)
async def test_a_line(
    caplog: pytest.LogCaptureFixture, end: Response | BaseException, words: str
) -> None:
    """What came of it, and nothing else: no header, no body, and never two lines."""
    caplog.set_level(logging.DEBUG)
    times_s: Iterator[float] = iter([1.0, 1.0125])
    sender = TracedTransport(Scripted(end), "photos", now_s=lambda: next(times_s))
    if isinstance(end, BaseException):
        with pytest.raises(type(end)):
            await sender.send(HEAD)
    else:
        assert await sender.send(HEAD) is end
    assert caplog.messages == [f"HEAD HeadObject 'photos/p/\\na\\u202e': {words}"]
    record: Any = caplog.records[0]
    status = end.status if isinstance(end, Response) else None
    assert record.fields == {
        "operation": "HeadObject",
        "key": HEAD.key,
        "http_status": status,
        "request_id": "5FFF" if status else None,
    }


async def test_which_try(caplog: pytest.LogCaptureFixture) -> None:
    """The number that the retries of the present task have reached."""
    caplog.set_level(logging.DEBUG)
    sender = TracedTransport(Scripted(answer(200)), "photos")
    token = try_number.set(3)
    await sender.send(HEAD)
    try_number.reset(token)
    await sender.send(HEAD)
    assert ["attempt 3" in m for m in caplog.messages] == [True, False]


async def test_a_file_is_passed_on() -> None:
    """What is to be filled gets to the transport."""
    into: Any = object()
    transport = Scripted(answer(200))
    await TracedTransport(transport, "photos").send(HEAD, into)
    assert transport.into is into


def test_off_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is decided once: a request passes no further code where nobody listens."""
    transport = cast("Sender", Scripted(answer(200)))
    caplog.set_level(logging.INFO, "bulkmeta")
    assert traced(transport, "photos") is transport
    caplog.set_level(logging.DEBUG, "bulkmeta")
    assert isinstance(traced(transport, "photos"), TracedTransport)
