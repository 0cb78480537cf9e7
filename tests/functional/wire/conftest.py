"""A bare TCP server that records bytes and has canned answers."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest

if TYPE_CHECKING:
    from typing import Self


Command = Callable[..., Any]
SECRET, TOKEN = "wire-secret-0123456789", "wire-token/+=0123456789"
ACCESS_KEY_ID = "STS.wire-key-id"
ETAG = "900150983CD24FB0D6963F7D28E17F72"
MODIFIED = "Sun, 22 Mar 2026 12:00:00 GMT"
HEAD_BASE: tuple[tuple[str, str], ...] = (
    ("Date", formatdate(usegmt=True)),
    ("x-oss-request-id", "5FFF16F5DCDF0BA1E8C0F4D2"),
    ("ETag", f'"{ETAG}"'),
    ("Last-Modified", MODIFIED),
    ("Content-Type", "text/plain"),
    ("Content-Length", "3"),
)


@dataclass(frozen=True)
class Raw:
    """One request as its bytes; `connection` counts connections from 0."""

    connection: int
    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def is_object(self) -> bool:
        """Whether it is about an object and not the bucket."""
        return self.path not in {b"/bucket", b"/bucket/"}

    def names(self) -> list[bytes]:
        """The header names, in lower case, each as often as it was sent."""
        return [name.lower() for name, _ in self.headers]

    def value(self, name: bytes) -> bytes:
        """The one value of a header."""
        [value] = [v for n, v in self.headers if n.lower() == name]
        return value


Headers = tuple[tuple[str, str], ...]
Answer = bytes | None
"""None: close the connection without an answer."""


def response(status: str, headers: Headers = (), body: bytes = b"") -> bytes:
    """An answer's bytes; header values as latin-1 keep any byte that they stand for."""
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers = (*headers, ("Content-Length", str(len(body))))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body


def latin(text: str) -> str:
    """UTF-8 bytes in the form that `response` takes."""
    return text.encode().decode("latin-1")


@dataclass
class WireServer:
    """Records each request's bytes. `heads` and `puts` are used up one by one, the
    last of each for good."""

    keys: tuple[str, ...] = ("p/a",)
    heads: list[Answer] = field(default_factory=list)
    puts: list[Answer] = field(default_factory=list)
    listing: Answer = None
    requests: list[Raw] = field(default_factory=list)
    endpoint: str = ""

    def __enter__(self) -> Self:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def of(self, method: str) -> list[Raw]:
        """The requests of one method about objects."""
        return [r for r in self.requests if r.method == method and r.is_object]

    def methods(self) -> list[str]:
        """The methods of the requests about objects, in their order."""
        return [r.method for r in self.requests if r.is_object]

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        server = await asyncio.start_server(
            self._talk, "127.0.0.1", 0, limit=1024 * 1024
        )
        port = server.sockets[0].getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0)

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        number = self._connections
        self._connections += 1
        self._writers.add(writer)
        while True:
            try:
                block = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            request = _parsed(number, block)
            assert request.names().count(b"transfer-encoding") == 0
            self.requests.append(request)
            answer = self._answer(request)
            if answer is None:
                break
            writer.write(answer)
        self._writers.discard(writer)
        writer.close()

    def _answer(self, request: Raw) -> Answer:
        if not request.is_object:
            return self._about_bucket(request)
        if request.method == "GET":
            grant = "<AccessControlList><Grant>private</Grant></AccessControlList>"
            return xml("AccessControlPolicy", grant)
        if request.method == "HEAD":
            return _next(self.heads) if self.heads else head()
        return _next(self.puts) if self.puts else COPIED

    def _about_bucket(self, request: Raw) -> Answer:
        if b"versioning" in request.target:
            return xml("VersioningConfiguration", "")
        return self.listing or xml(
            "ListBucketResult",
            "<IsTruncated>false</IsTruncated>"
            + "".join(_entry(key) for key in self.keys),
        )


def _next(answers: list[Answer]) -> Answer:
    return answers.pop(0) if len(answers) > 1 else answers[0]


def _parsed(connection: int, block: bytes) -> Raw:
    first, *lines = block[:-4].split(b"\r\n")
    method, target, version = first.split(b" ")
    assert version == b"HTTP/1.1"
    pairs = (line.split(b":", 1) for line in lines)
    headers = tuple((name, value.strip(b" \t")) for name, value in pairs)
    return Raw(connection, method.decode(), target, headers)


def _entry(key: str) -> str:
    """A listed key, encoded as in a URL's path: there a plus sign means itself."""
    return (
        f"<Contents><Key>{escape(quote(key, safe='/+'))}</Key><ETag>&quot;{ETAG}&quot;"
        "</ETag><Type>Normal</Type><Size>3</Size><StorageClass>Standard</StorageClass>"
        "<LastModified>2026-03-22T12:00:00.000Z</LastModified></Contents>"
    )


def xml(tag: str, inner: str) -> bytes:
    """A 200 with a document."""
    body = f'<?xml version="1.0" encoding="UTF-8"?><{tag}>{inner}</{tag}>'.encode()
    return response("200 OK", (("Content-Type", "application/xml"),), body)


def head(*more: tuple[str, str], without: tuple[str, ...] = ()) -> bytes:
    """A HEAD answer: the usual headers and `more`, those of `without` left out."""
    base = tuple(pair for pair in HEAD_BASE if pair[0] not in without)
    return response("200 OK", (*base, *more))


COPIED = xml(
    "CopyObjectResult",
    f"<ETag>{ETAG}</ETag><LastModified>2026-03-22T13:00:00.000Z</LastModified>",
)


@pytest.fixture
def wire() -> Iterator[WireServer]:
    """A server that records bytes and knows one plain object, `p/a`."""
    with WireServer() as server:
        yield server


@pytest.fixture
def apply(
    wire: WireServer,
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Command:
    """`apply` on the recording server; nothing that it says or writes tells secrets."""
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", SECRET)
    monkeypatch.setenv("OSS_SESSION_TOKEN", TOKEN)

    def invoke(*args: str) -> Any:
        with caplog.at_level(logging.DEBUG):
            result = bulkmeta(
                "apply", "oss://bucket/p/", *(args or ("--set", "x=1")), "--yes",
                "--rate", "max", "--endpoint", wire.endpoint, "--run-file", "run",
            )  # fmt: skip
        said = result.out + result.err + caplog.text + run_text()
        sent = [request.value(b"authorization").decode() for request in wire.requests]
        refuse_secrets(said, sent)
        return result

    return invoke


def run_text() -> str:
    """All that the run left behind."""
    files = [p for p in Path().iterdir() if p.is_file()]
    return "".join(path.read_text(encoding="utf-8") for path in files)


def refuse_secrets(said: str, authorizations: list[str]) -> None:
    """Fail when something said holds a secret, or part of an authorization."""
    for secret in (SECRET, TOKEN, quote(TOKEN, safe=""), "OSS4-HMAC-SHA256"):
        assert secret not in said
    for authorization in authorizations:
        mark = "Signature=" if "Signature=" in authorization else ":"
        signature = authorization.rpartition(mark)[2]
        assert len(signature) >= 20
        assert signature not in said
