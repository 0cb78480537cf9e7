"""Servers that mean harm: each request ends in bounded time and memory, with an error
in one line, and what is secret goes nowhere else."""

from __future__ import annotations

import asyncio
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import oss2
import pytest

from bulkmeta.errors import RunFatalError, TransportError
from bulkmeta.oss import temporary
from bulkmeta.oss.clock import ServiceClock
from bulkmeta.oss.endpoint import Endpoint
from bulkmeta.oss.signing import make_signer
from bulkmeta.oss.transport import Request, Response, Transport, open_session
from tests.functional.test_doctor import encrypting

Command = Callable[..., Any]
Talk = Iterator[bytes]
LIMIT_S = 0.5
LATE_S = 15.0
"""On a machine that is busy with other things."""

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\nhi"
MOST_BYTES = 40 * 2**20
"""What a server gets rid of before it is cut off, buffers of the system included."""


class Server:
    """Says to each connection what `talk` yields, however little of it is wanted; with
    `pause_s` between its pieces."""

    def __init__(self, talk: Callable[[], Talk], pause_s: float = 0.0) -> None:
        self.sent_bytes = 0
        self.heads: list[bytes] = []
        self._talk = talk
        self._pause_s = pause_s

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # Cancelled: at the end of the test, with its loop.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                for piece in self._talk():
                    writer.write(piece)
                    await writer.drain()
                    self.sent_bytes += len(piece)
                    await asyncio.sleep(self._pause_s)
        writer.transport.abort()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Its URL."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.close()


@contextmanager
def in_a_thread(talk: Callable[[], Talk]) -> Iterator[str]:
    """A server for a command that runs in this thread; its URL."""
    ready, loop = queue.Queue[str](), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with Server(talk).listening() as url:
            ready.put(url)
            await stop.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ready.get(timeout=LATE_S)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def asked(server: Server, times: int = 1, into: Any = None) -> Response:
    """What comes of a request to it, or of several one after another."""
    signer = make_signer(oss2.StaticCredentialsProvider("id", "secret"))
    async with server.listening() as url, open_session(1) as session:
        endpoint = Endpoint(url, "bucket", "cn-hangzhou", path_style=True)
        transport = Transport(
            session, endpoint, signer, ServiceClock(), answer_timeout_s=LIMIT_S
        )
        for _ in range(times):
            answer = await transport.send(Request("GetObject", "GET", "key"), into)
    return answer


def repeated(*begin: bytes, piece: bytes) -> Talk:
    """The piece again and again, numbered where it wants a number."""
    yield from begin
    for number in count():
        yield piece.replace(b"%d", b"%d" % number)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        ((OK,), b"x-%d: " + b"y" * 60_000 + b"\r\n"),
        ((OK,), b"x-%d: y\r\n"),
        ((OK, b"x: "), b"y" * 10_000),
        ((), b"H" * 10_000),
        ((CHUNKED,), CHUNK),
        ((OK, b"\r\n"), b"x" * 65_536),
        ((OK, b"Content-Length: 999999999999\r\n\r\n"), b"x" * 65_536),
        ((CHUNKED, b"1;"), b"x" * 10_000),
        ((CHUNKED, b"0\r\n"), b"x-%d: " + b"y" * 60_000 + b"\r\n"),
        ((), b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=[
        "headers",
        "short headers",
        "a header",
        "a status line",
        "a body in chunks",
        "a body",
        "a body as long as it said",
        "a chunk's extension",
        "trailers",
        "answers before the answer",
    ],
)
async def test_no_end(talk: tuple[bytes, ...], words: bytes) -> None:
    """Whatever has no end is cut off, before much of it came."""
    server = Server(partial(repeated, *talk, piece=words))
    began_s = time.monotonic()

    with pytest.raises(TransportError) as caught:
        await asked(server)

    assert caught.value.sent
    assert len(str(caught.value).splitlines()) == 1
    assert server.sent_bytes < MOST_BYTES
    assert time.monotonic() - began_s < LATE_S


@pytest.mark.parametrize(
    ("begin", "into"),
    [
        (b"HTTP/1.1 200 ", False),
        (OK, False),
        (OK + b"Content-Length: 99\r\n\r\n", False),
        (OK + b"Content-Length: 99\r\n\r\n", True),
    ],
    ids=["a status line", "headers", "a body", "a file"],
)
async def test_a_byte_at_a_time(begin: bytes, into: bool) -> None:
    """Single bytes do not hold off the end of waiting, wherever they stand."""
    server = Server(partial(repeated, begin, piece=b"x"), pause_s=LIMIT_S / 5)
    began_s = time.monotonic()

    with pytest.raises(TransportError) as caught:
        await asked(server, into=BytesIO() if into else None)

    assert caught.value.reason == "timeout"
    assert time.monotonic() - began_s < LATE_S


@pytest.mark.parametrize(
    "length",
    [b"3", b"-1", b"two", b"2\r\nContent-Length: 3", b"9" * 40, b"2, 3"],
)
async def test_a_wrong_length(length: bytes) -> None:
    """Bytes that are missing are missed, and what is no length is no answer."""

    def talk() -> Talk:
        yield OK + b"Content-Length: " + length + b"\r\nConnection: close\r\n\r\nhi"
        raise ConnectionError

    with pytest.raises(TransportError):
        await asked(Server(talk))


async def test_a_long_file() -> None:
    """What goes into a file may be of any length."""
    size = 20 * 2**20
    head = OK + b"Content-Length: %d\r\n\r\n" % size
    server, file = Server(lambda: iter([head, bytes(size)])), BytesIO()
    await asked(server, into=file)
    assert len(file.getvalue()) == size


async def test_more_than_it_said() -> None:
    """What comes behind an answer is not taken for the next one."""
    forged = OK + b"Content-Length: 4\r\nx-forged: 1\r\n\r\nevil"
    answers = iter([WHOLE + forged, WHOLE])
    answer = await asked(Server(lambda: iter([next(answers)])), times=2)
    assert (answer.body, answer.header("x-forged")) == (b"hi", None)


def test_in_one_line(bulkmeta: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that meets such a server ends with one line that says what is wrong."""
    talk = partial(repeated, OK, piece=b"x-%d: " + b"y" * 60_000 + b"\r\n")
    with in_a_thread(talk) as url:
        monkeypatch.setenv("OSS_ENDPOINT", url)
        result = bulkmeta("show", "oss://bucket/p/", "--retries", "0")
    assert result.code == 4
    assert result.err.count("\n") == 1
    assert "the answer has no end" in result.err


# Where credentials come from


async def by_role() -> object:
    return await temporary.fetch_instance_role()


async def by_oidc(folder: Path, url: str) -> object:
    (folder / "token").write_text("t0ken")
    return await temporary.fetch_by_oidc(
        {"token_file": str(folder / "token"), "role_arn": "r", "provider_arn": "p",
         "endpoint": url}
    )  # fmt: skip


Fetching = Callable[[], Awaitable[object]]


@pytest.fixture(params=["role", "oidc", "address"])
def fetching(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Fetching]:
    """What asks a URL for credentials, in each of the ways there are."""

    def way(url: str) -> Fetching:
        monkeypatch.setattr(temporary, "METADATA", url)
        ways: dict[str, Fetching] = {
            "role": by_role,
            "oidc": partial(by_oidc, tmp_path, url),
            "address": partial(temporary.fetch_from_address, url),
        }
        return ways[request.param]

    return way


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
async def test_secrets_follow_no_redirect(
    fetching: Callable[[str], Fetching], status: str
) -> None:
    """Tokens that credentials are asked for with go to the address that was named, and
    nowhere that an answer points to."""
    served = json.dumps(
        {"AccessKeyId": "i", "AccessKeySecret": "s", "SecurityToken": "t",
         "Expiration": "2099-01-01T00:00:00Z"}
    ).encode()  # fmt: skip
    elsewhere = Server(
        lambda: iter([OK + b"Content-Length: %d\r\n\r\n" % len(served) + served])
    )
    async with elsewhere.listening() as there:
        moved = f"HTTP/1.1 {status}\r\nLocation: {there}/\r\nContent-Length: 0\r\n\r\n"
        async with Server(lambda: iter([moved.encode()])).listening() as url:
            with pytest.raises(RunFatalError, match=f"answers {status[:3]}"):
                await fetching(url)()
    assert elsewhere.heads == []


@pytest.mark.parametrize(
    "answer",
    [
        partial(repeated, CHUNKED, piece=CHUNK),
        partial(repeated, OK, piece=b"x-%d: y\r\n"),
        lambda: iter([OK + b"Content-Type: a/b; charset=hex\r\n" + WHOLE[len(OK) :]]),
        lambda: iter([OK + b"Content-Encoding: gzip\r\n" + WHOLE[len(OK) :]]),
    ],
    ids=["a body without end", "headers without end", "no charset", "no gzip"],
)
async def test_odd_credentials(
    fetching: Callable[[str], Fetching], answer: Callable[[], Talk]
) -> None:
    """Nor does it harm if what serves credentials serves anything else."""
    server = Server(answer)
    async with server.listening() as url:
        with pytest.raises(RunFatalError) as caught:
            await fetching(url)()
    assert len(str(caught.value).splitlines()) == 1
    assert server.sent_bytes < MOST_BYTES


# Certificates


@pytest.mark.usefixtures("bulkmeta")
@pytest.mark.parametrize(
    ("days", "name", "trusted", "words"),
    [
        (100, "localhost", False, "self-signed certificate"),
        (
            100,
            "oss.example.com",
            True,
            "Hostname mismatch, certificate is not valid for 'localhost'.",
        ),
        (-1, "localhost", True, "certificate has expired"),
    ],
)
def test_a_bad_certificate(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    days: int,
    name: str,
    trusted: bool,
    words: str,
) -> None:
    """Nothing is asked of a server that cannot prove who it is; the line says why."""
    with encrypting(tmp_path, days, name) as endpoint:
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
        monkeypatch.setenv("OSS_ENDPOINT", endpoint)
        result = subprocess.run(  # authorities are read when a process begins
            [
                sys.executable,
                "-m",
                "bulkmeta",
                "show",
                "oss://bucket/p/",
                "--retries=0",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.returncode == 4
    assert result.stderr == (
        f"bulkmeta: cannot connect: the certificate of {endpoint[8:]} is not to be "
        f"trusted: {words} (check --endpoint and the network)\n"
    )
