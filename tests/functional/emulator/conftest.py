"""An embedded OSS per test, the official client for it, and a client of raw bytes."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, quote_plus, urlsplit

import oss2
import pytest

from bulkmeta.emulator.options import DEFAULT_CREDENTIAL, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REGION = "cn-hangzhou"


class ReadingSession(oss2.Session):  # type: ignore[misc] # oss2 has no types
    """Reads each body at once: `update_object_meta` would leak its connection."""

    def do_request(self, req: Any, timeout: Any) -> Any:
        """Send, then read all."""
        reply = super().do_request(req, timeout)
        _ = reply.response.content
        return reply


class Start(Protocol):
    """Starts an embedded OSS with these options and a bucket named `bucket`."""

    def __call__(self, **options: Any) -> EmbeddedOSS:
        """Until the test is over."""
        ...


class Connect(Protocol):
    """Makes an official client."""

    def __call__(
        self, oss: EmbeddedOSS, *, auth: Any = None, name: str = "bucket", **more: Any
    ) -> Any:
        """Of version 4 unless given another `auth`."""
        ...


@dataclass(frozen=True)
class RawReply:
    """A reply as its bytes; `status` 0 when there was none."""

    status: int
    headers: Mapping[str, bytes]
    body: bytes
    is_complete: bool


class RawClient:
    """Sends signed requests byte by byte and shows what comes back."""

    def __init__(self, oss: EmbeddedOSS) -> None:
        """For one embedded OSS."""
        self._address = (urlsplit(oss.endpoint).hostname, urlsplit(oss.endpoint).port)

    def send(
        self,
        method: str,
        key: str = "",
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        body: bytes = b"",
        bucket: str = "bucket",
        path: str | None = None,
        drop: tuple[str, ...] = (),
    ) -> RawReply:
        """Sign for `bucket` and `key`; send to `path` without the headers `drop`."""
        signed = sign(method, bucket, key, dict(params or {}), dict(headers or {}))
        target = path or f"/{bucket}/{quote(key, safe='')}"
        if params:
            pairs = (
                f"{quote(k)}={quote_plus(v)}" if v else k for k, v in params.items()
            )
            target += "?" + "&".join(pairs)
        lines = {k: v for k, v in signed.items() if v and k.lower() not in drop}
        return self.exchange(method, target, lines, body)

    def exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str | bytes],
        body: bytes = b"",
    ) -> RawReply:
        """Send just this, and read until the connection is closed."""
        every = {
            "host": "127.0.0.1",
            "connection": "close",
            "content-length": str(len(body)),
            **{name.lower(): value for name, value in headers.items()},
        }
        lines = [f"{method} {target} HTTP/1.1".encode()]
        lines += [k.encode() + b": " + _bytes(v) for k, v in every.items()]
        with socket.create_connection(self._address, timeout=10) as connection:
            connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            return _parse(_read_all(connection), is_head=method == "HEAD")


def sign(
    method: str, bucket: str, key: str, params: dict[str, str], headers: dict[str, Any]
) -> Mapping[str, str | bytes]:
    """The headers of a request with the signature oss2 puts on it."""
    request = oss2.http.Request(
        method, "", params=params, headers=headers, region=REGION, product="oss"
    )
    credential = DEFAULT_CREDENTIAL
    auth = oss2.AuthV4(credential.access_key_id, credential.access_key_secret)
    auth._sign_request(request, bucket, key)
    signed: Mapping[str, str | bytes] = request.headers
    return signed


def _pair(name: str, value: str) -> str:
    return f"{name}={quote_plus(value)}" if value else name


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _read_all(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def _parse(received: bytes, *, is_head: bool) -> RawReply:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return RawReply(0, {}, received, is_complete=False)
    first, *lines = head.split(b"\r\n")
    pairs = (line.partition(b": ") for line in lines)
    headers = {name.decode().lower(): value for name, _, value in pairs}
    declared = 0 if is_head else int(headers.get("content-length", b"0"))
    return RawReply(int(first.split()[1]), headers, body, len(body) == declared)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start embedded OSSes of all kinds."""
    with ExitStack() as running:

        def starter(**options: Any) -> EmbeddedOSS:
            oss = running.enter_context(EmbeddedOSS(EmulatorOptions(**options)))
            oss.store.create_bucket("bucket")
            return oss

        yield starter


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make official clients."""
    with ExitStack() as sessions:

        def connector(
            oss: EmbeddedOSS, *, auth: Any = None, name: str = "bucket", **more: Any
        ) -> Any:
            session = ReadingSession()
            sessions.callback(session.session.close)
            credential = DEFAULT_CREDENTIAL
            auth = auth or oss2.AuthV4(
                credential.access_key_id, credential.access_key_secret
            )
            more = {"region": REGION, **more}
            return oss2.Bucket(auth, oss.endpoint, name, session=session, **more)

        yield connector


@pytest.fixture
def oss(start: Start) -> EmbeddedOSS:
    """An embedded OSS with default options and the bucket `bucket`."""
    return start()


@pytest.fixture
def bucket(connect: Connect, oss: EmbeddedOSS) -> Any:
    """The official client of the bucket."""
    return connect(oss)


@pytest.fixture
def raw(oss: EmbeddedOSS) -> RawClient:
    """The client of raw bytes."""
    return RawClient(oss)
