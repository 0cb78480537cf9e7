"""Answers of the service from memory: no socket, no signature, no other side.

With it a run is real but for its requests: what the rest of it takes can be measured on
millions of objects. As a program it is a worker process with such answers, each about
so many milliseconds late as the argument says: objects are to come to their ends one by
one, as they do over a network, for that is what messages to a driver depend on.
"""

from __future__ import annotations

import asyncio
import random
import runpy
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from unittest.mock import patch
from urllib.parse import urlencode

from multidict import CIMultiDict

from benchmarks.stub import (
    BUCKET,
    END_OF_HEAD,
    ETAG,
    HEADERS,
    LAST_MODIFIED,
    META,
    PAGE_KEYS,
    REGION,
    REQUEST_ID,
    page_of,
    prepared_answers,
)
from bulkmeta.engine.pipeline import Processed
from bulkmeta.model.applying import apply_change
from bulkmeta.model.changes import make_change
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.outcome import Outcome, timestamp
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.oss.bucket import Bucket
from bulkmeta.oss.clock import ServiceClock
from bulkmeta.oss.endpoint import Endpoint
from bulkmeta.oss.limiter import RateLimiter
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.oss.transport import Request, Response

if TYPE_CHECKING:
    from bulkmeta.engine.pipeline import Process
    from bulkmeta.engine.worker import Record
    from bulkmeta.model.item import Item

CHANGE: Final = make_change(
    set_meta=[("project", "atlas")],
    set_headers=[("cache-control", "public, max-age=604800")],
)
SHOWN: Final = Metadata(META, HEADERS, "default", None, "Standard")
CHANGED: Final = apply_change(SHOWN, CHANGE)

_NO_OFFSET: Final = timedelta()
_XML: Final = CIMultiDict({"Content-Type": "application/xml"})
_OPERATIONS: Final = ("HeadObject", "CopyObject", "GetObjectAcl")


class CannedService:
    """Answers requests for a bucket of so many numbered keys, at once or late."""

    def __init__(self, objects: int, latency_s: float = 0.0) -> None:
        self._objects = objects
        self._latency_s = latency_s
        raw = prepared_answers(datetime.now(UTC))
        self._answers = {name: _response(raw[name]) for name in _OPERATIONS}
        self._template = page_of(2 * PAGE_KEYS, f"max-keys={PAGE_KEYS}").encode()

    async def send(self, request: Request, into: BinaryIO | None = None) -> Response:
        """The answer to a request."""
        if request.operation == "ListObjectsV2":
            return Response(200, _XML, self._page(request.params), _NO_OFFSET)
        if self._latency_s:
            late_s = random.uniform(0.5, 1.5) * self._latency_s  # noqa: S311 no secret
            await asyncio.sleep(late_s)
        return self._answers[request.operation]

    def _page(self, params: dict[str, str]) -> bytes:
        """A page; whole thousands are cut out, since a real service's work is not to be
        measured."""
        first = int(params.get("continuation-token", "-1")) + 1
        thousand, rest = divmod(first, PAGE_KEYS)
        usual = "start-after" not in params and params["max-keys"] == str(PAGE_KEYS)
        if rest or not usual or first + PAGE_KEYS >= self._objects:
            return page_of(self._objects, urlencode(params)).encode()
        body = self._template.replace(b"img-0000000", b"img-%07d" % thousand)
        last = b"Token>%d<" % (first + PAGE_KEYS - 1)
        return body.replace(b"Token>%d<" % (PAGE_KEYS - 1), last)


def _response(raw: bytes) -> Response:
    head, _, body = raw.partition(END_OF_HEAD)
    lines = head.decode().split("\r\n")[1:]
    pairs = (line.partition(": ") for line in lines)
    headers = CIMultiDict((name, value) for name, _, value in pairs)
    return Response(200, headers, body, _NO_OFFSET)


def canned_bucket(service: CannedService, pace: Any = None) -> Bucket:
    """A bucket that is such a service's, and a real one in all else."""
    return Bucket(
        Endpoint("http://127.0.0.1", BUCKET, REGION, path_style=True),
        service,
        clock=ServiceClock(),
        limiter=RateLimiter(None, pace=pace),
        retry=RetryPolicy(0),
    )


@asynccontextmanager
async def canned_staff(*arguments: Any) -> AsyncIterator[Process[Outcome]]:
    """In the place of `runners.staff.changing_staff`: each object's update is put on
    record, and has its outcome at once."""
    record: Record = arguments[-1]

    async def process_object(seq: int, item: Item) -> Processed[Outcome]:
        await record(seq, UpdatePlan(item.key, SHOWN, CHANGED, ETAG, LAST_MODIFIED))
        return Processed(outcome_of(seq, item.key))

    yield process_object


def outcome_of(seq: int, key: str) -> Outcome:
    """The line of an updated object."""
    return Outcome(
        seq=seq,
        key=key,
        status="updated",
        before=SHOWN,
        after=CHANGED,
        etag=ETAG,
        last_modified=LAST_MODIFIED,
        request_id=REQUEST_ID,
        elapsed_ms=61.5,
        at=timestamp(time.time()),
    )


def _main(latency_ms: str) -> None:
    service = CannedService(0, float(latency_ms) / 1000)

    @asynccontextmanager
    async def open_bucket(*_: object, pace: Any, **__: object) -> AsyncIterator[Bucket]:
        yield canned_bucket(service, pace)

    with patch("bulkmeta.oss.connect.open_bucket", open_bucket):
        runpy.run_module("bulkmeta.runners.member", run_name="__main__")


if __name__ == "__main__":
    _main(sys.argv.pop(1))  # the next one is the worker process's own
