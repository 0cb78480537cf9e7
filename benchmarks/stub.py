"""A very fast stand-in for OSS, to measure clients with; run it as a process.

It knows nothing of what was sent before, verifies no signature, and answers each
operation with the same prepared bytes; only listings are made up page by page, of a
range of numbered keys. Path-style URLs on 127.0.0.1, no request bodies.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from importlib import import_module
from typing import Final, cast
from urllib.parse import parse_qs, quote

import msgspec

BUCKET: Final = "bench"
REGION: Final = "cn-hangzhou"
PREFIX: Final = "photos/"
ETAG: Final = "5B3C1A2E053D763E1B002CC607C5A0FE"
MODIFIED: Final = datetime(2025, 3, 14, 9, 26, 53, tzinfo=UTC)
LAST_MODIFIED: Final = format_datetime(MODIFIED, usegmt=True)
META: Final = {
    "camera": "X100VI, f/2.8, 1/250 s",
    "owner": "archive@example.com",
    "title": "Harbour at dawn",
}
HEADERS: Final = {
    "content-type": "image/jpeg",
    "cache-control": "public, max-age=86400",
}
"""What a HEAD of any object shows: user metadata, and the headers kept with it."""

REQUEST_ID: Final = "6742A1B3C4D5E6F708192A3B"
PAGE_KEYS: Final = 1000
BACKLOG: Final = 1024
END_OF_HEAD: Final = b"\r\n\r\n"

_XML: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ISO_MODIFIED: Final = MODIFIED.strftime("%Y-%m-%dT%H:%M:%S.000Z")
_ENTRY: Final = (
    "<Contents><Key>{}</Key>"
    f"<LastModified>{_ISO_MODIFIED}</LastModified><ETag>&quot;{ETAG}&quot;</ETag>"
    "<Type>Normal</Type><Size>344606</Size><StorageClass>Standard</StorageClass>"
    "</Contents>"
)
_ACL: Final = (
    f"{_XML}<AccessControlPolicy><Owner><ID>1</ID><DisplayName>1</DisplayName></Owner>"
    "<AccessControlList><Grant>default</Grant></AccessControlList>"
    "</AccessControlPolicy>"
)
_VERSIONING: Final = f"{_XML}<VersioningConfiguration></VersioningConfiguration>"
_REFUSAL: Final = f"{_XML}<Error><Code>NotImplemented</Code></Error>"


SLOTS: Final = 50
"""Parts of a second in which requests are counted."""


class Report(msgspec.Struct, frozen=True):
    """What the stub saw until its end: requests by operation, and those of the busiest
    second; `first_request_at` is seconds since 1970."""

    requests: dict[str, int]
    cpu_s: float
    first_request_at: float | None
    busiest_second: int


def key_of(number: int) -> str:
    """The key of object `number`: 30 bytes, and in order like the numbers."""
    return f"{PREFIX}2026/img-{number:010}.jpg"


def page_of(objects: int, query: str) -> str:
    """The page of ListObjectsV2 that `query` asks for, of so many objects."""
    values = {name: found[0] for name, found in parse_qs(query).items()}
    prefix, token = values.get("prefix", ""), values.get("continuation-token")
    after = values.get("start-after", "") if token is None else key_of(int(token))
    everything = range(objects)
    first = max(
        bisect_left(everything, prefix, key=key_of),
        bisect_right(everything, after, key=key_of),
    )
    end = bisect_left(everything, f"{prefix}\U0010ffff", key=key_of)
    last = min(first + min(int(values.get("max-keys", "100")), PAGE_KEYS), end)
    return _page(range(first, last), more=last < end)


def _page(numbers: range, *, more: bool) -> str:
    entries = "".join(
        [_ENTRY.format(quote(key_of(number), safe="")) for number in numbers]
    )
    token = (
        f"<NextContinuationToken>{numbers[-1]}</NextContinuationToken>" if more else ""
    )
    return (
        f"{_XML}<ListBucketResult><Name>{BUCKET}</Name>"
        "<EncodingType>url</EncodingType>"
        f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        f"{token}<KeyCount>{len(numbers)}</KeyCount>{entries}"
        "</ListBucketResult>"
    )


def prepared_answers(now: datetime) -> dict[str, bytes]:
    """The answer to each operation but listing, as of `now`."""
    iso = now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    copied = (
        f'{_XML}<CopyObjectResult><ETag>"{ETAG}"</ETag>'
        f"<LastModified>{iso}</LastModified></CopyObjectResult>"
    )
    return {
        "HeadObject": _head(now),
        "CopyObject": xml_answer(copied, now),
        "GetObjectAcl": xml_answer(_ACL, now),
        "GetBucketVersioning": xml_answer(_VERSIONING, now),
        "unknown": xml_answer(_REFUSAL, now, status="501 Not Implemented"),
    }


def xml_answer(body: str, now: datetime, *, status: str = "200 OK") -> bytes:
    """A whole answer with an XML body."""
    lines = {"Content-Type": "application/xml", "Content-Length": str(len(body))}
    return _answer(status, now, lines) + body.encode()


def _head(now: datetime) -> bytes:
    lines = {
        "Content-Length": "344606",
        "Accept-Ranges": "bytes",
        "ETag": f'"{ETAG}"',
        "Last-Modified": LAST_MODIFIED,
        "x-oss-object-type": "Normal",
        "x-oss-storage-class": "Standard",
        "x-oss-hash-crc64ecma": "3734373948738547623",
        "Content-MD5": "WzwaLgU9dj4bACzGB8Wg/g==",
        **{name.title(): value for name, value in HEADERS.items()},
        **{f"x-oss-meta-{name}": value for name, value in META.items()},
    }
    return _answer("200 OK", now, lines)


def _answer(status: str, now: datetime, lines: dict[str, str]) -> bytes:
    common = {
        "Server": "AliyunOSS",
        "Date": format_datetime(now, usegmt=True),
        "Connection": "keep-alive",
        "x-oss-request-id": REQUEST_ID,
        "x-oss-server-time": "3",
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in (common | lines).items())
    return f"HTTP/1.1 {status}\r\n{text}\r\n".encode()


def operation_of(method: bytes, query: bytes) -> str:
    """The name of the operation that a request asks for."""
    if method == b"HEAD":
        return "HeadObject"
    if method == b"PUT":
        return "CopyObject"
    if query.startswith(b"acl"):
        return "GetObjectAcl"
    if query.startswith(b"versioning"):
        return "GetBucketVersioning"
    return "ListObjectsV2" if b"list-type=2" in query else "unknown"


class Service:
    """Answers requests, and counts them."""

    def __init__(self, objects: int) -> None:
        self._objects = objects
        self._requests: Counter[str] = Counter()
        self._slots: Counter[int] = Counter()
        self._first_request_at: float | None = None
        self._now = datetime.now(UTC)
        self._answers = prepared_answers(self._now)

    async def follow_clock(self) -> None:
        """Renew the prepared answers every second, until cancelled."""
        while True:
            self._now = datetime.now(UTC)
            self._answers = prepared_answers(self._now)
            await asyncio.sleep(1)

    def answer(self, head: bytes) -> bytes:
        """The answer to a request, by its head."""
        if self._first_request_at is None:
            self._first_request_at = time.time()
        method, target, _ = head.split(b" ", 2)
        query = target.partition(b"?")[2]
        operation = operation_of(method, query)
        self._requests[operation] += 1
        self._slots[int(time.monotonic() * SLOTS)] += 1
        if operation == "ListObjectsV2":
            return xml_answer(page_of(self._objects, query.decode()), self._now)
        return self._answers[operation]

    def report(self) -> Report:
        return Report(
            dict(self._requests),
            time.process_time(),
            self._first_request_at,
            busiest(self._slots),
        )


def busiest(slots: Mapping[int, int]) -> int:
    """The most requests of any second, by requests per slot of it."""
    first, last = min(slots, default=0), max(slots, default=0)
    counts = [slots.get(slot, 0) for slot in range(first, last + 1)]
    return max((sum(counts[at : at + SLOTS]) for at in range(len(counts))), default=0)


class Connection(asyncio.Protocol):
    """One client's connection: heads in, answers out, late by `latency_s`."""

    _transport: asyncio.Transport

    def __init__(self, service: Service, latency_s: float) -> None:
        self._service = service
        self._latency_s = latency_s
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        *heads, self._received = (self._received + data).split(END_OF_HEAD)
        for head in heads:
            self._send(self._service.answer(head))

    def _send(self, answer: bytes) -> None:
        if not self._latency_s:
            self._transport.write(answer)
            return
        loop = asyncio.get_running_loop()
        loop.call_later(self._latency_s, self._write_late, answer)

    def _write_late(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def serve(
    *, objects: int, port: int, latency_s: float, until_eof: bool
) -> Report:
    """Serve until SIGTERM, or the end of standard input; prints the port when ready."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if until_eof:  # nothing else is ever read from it
        loop.add_reader(sys.stdin, stopped.set)
    service = Service(objects)
    server = await loop.create_server(
        lambda: Connection(service, latency_s), "127.0.0.1", port, backlog=BACKLOG
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    async with asyncio.TaskGroup() as group:
        clock = group.create_task(service.follow_clock())
        await stopped.wait()
        clock.cancel()
    server.close()
    return service.report()


@dataclass(slots=True)
class Serving:
    """A stub at work in its own process, and its report once it has ended."""

    pid: int
    port: int
    report: Report | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client of the stub needs to find in its environment."""
        known = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("OSS_")
        }
        return known | {
            "OSS_ACCESS_KEY_ID": "bench",
            "OSS_ACCESS_KEY_SECRET": "bench",
            "OSS_ENDPOINT": self.endpoint,
            "OSS_REGION": REGION,
        }


@contextmanager
def serving(
    *, objects: int, latency_ms: float = 0.0, port: int = 0
) -> Iterator[Serving]:
    """A stub in a process of its own, as long as the body lasts."""
    options = {"--objects": objects, "--latency-ms": latency_ms, "--port": port}
    words = [str(word) for option in options.items() for word in option]
    process = subprocess.Popen(  # noqa: S603 our own code
        [sys.executable, __file__, *words, "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout  # noqa: S101 for the type checker
        stub = Serving(process.pid, int(process.stdout.readline()))
        try:
            yield stub
        finally:
            process.terminate()
            stub.report = msgspec.json.decode(process.stdout.read(), type=Report)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        factory: Callable[[], asyncio.AbstractEventLoop]
        factory = import_module("uvloop").new_event_loop
    except ModuleNotFoundError:
        factory = asyncio.new_event_loop
    return factory


def main() -> None:
    """Serve as the options say; the last line of output is the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=100_000, metavar="N")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--latency-ms", type=float, default=0.0, metavar="MS")
    parser.add_argument(
        "--until-eof", action="store_true", help="end with standard input, too"
    )
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        report = runner.run(
            serve(
                objects=options.objects,
                port=options.port,
                latency_s=options.latency_ms / 1000,
                until_eof=options.until_eof,
            )
        )
    print(msgspec.json.encode(report).decode())


if __name__ == "__main__":
    main()
