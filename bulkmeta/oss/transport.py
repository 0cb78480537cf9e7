"""One request, one answer: signed at send time, carried by aiohttp, nothing added.

A signature covers the headers, so nothing may be added after signing. `Content-Type`
would even be stored: OSS takes it as the object's new type.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from multidict import MultiMapping
from yarl import URL

from bulkmeta import __version__
from bulkmeta.errors import RunFatalError, TransportError
from bulkmeta.oss.deadlines import Deadlines
from bulkmeta.oss.endpoint import encoded_key
from bulkmeta.oss.reach import why_unconnected
from bulkmeta.oss.silence import Silence

if TYPE_CHECKING:
    from aiohttp.http import RawResponseMessage

    from bulkmeta.oss.clock import ServiceClock
    from bulkmeta.oss.endpoint import Endpoint
    from bulkmeta.oss.signing import Signer

CONNECT_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 60.0

# 8 KB of user metadata may come as one header or as thousands.
_MAX_HEADER_BYTES: Final = 64 * 1024
_MAX_HEADERS: Final = 8192
# The longest answer is a page: 1,000 keys of 1,023 bytes, percent-encoded, are 3 MB.
_MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
_SECRET_HEADERS: Final = frozenset({"authorization", "x-oss-security-token"})
# Forbidden in a header (RFC 9110, 5.5); aiohttp raises a bare ValueError on them.
_CONTROL: Final = bytes({*range(0x20), 0x7F} - {0x09})
_STANDING: Final = {
    "accept-encoding": "identity",
    "user-agent": f"bulkmeta/{__version__}",
}
_REQUEST_PAYER: Final = {"x-oss-request-payer": "requester"}
_NO_TYPE: Final = ("Content-Type",)
_BLOCK_BYTES: Final = 256 * 1024
_KEEPALIVE_S: Final = 50.0
_DNS_CACHE_S: Final = 300
_URLS_KEPT: Final = 1024  # a head's is used again by the update


class Request(msgspec.Struct, frozen=True):
    """One request to a bucket (empty key) or object, before it is signed."""

    operation: str
    method: str
    key: str = ""
    params: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.operation} {self.key!r}".removesuffix(" ''")


class Response(msgspec.Struct, frozen=True):
    """One answer. Headers in the order received; a name may come more than once."""

    status: int
    headers: MultiMapping[str]
    body: bytes
    signed_with: timedelta

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return self.headers.get(name)


class Sender(Protocol):
    """What gets a request its answer."""

    async def send(
        self, request: Request, into: BinaryIO | None = None
    ) -> Response: ...


class _Signable(msgspec.Struct):
    method: str
    region: str
    uri: str
    headers: dict[str, str]
    params: dict[str, str]

    def __repr__(self) -> str:  # it comes to hold the authorization
        return f"<{self.method} request>"


class _Headers:
    """Gives one request its headers, all at once: aiohttp would look at each of them
    three times, which costs more than the signature."""

    __slots__ = ("_headers",)

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> Awaitable[aiohttp.ClientResponse]:
        request.headers.update(self._headers)
        return handler(request)


class Transport:
    """Sends single requests over one pool of connections; knows no retries. With
    `request_payer` each says that who sends it pays (PutBucketRequestPayment)."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoint: Endpoint,
        signer: Signer,
        clock: ServiceClock,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        request_payer: bool = False,
    ) -> None:
        self._session = session
        self._standing = _STANDING | _REQUEST_PAYER if request_payer else _STANDING
        self._endpoint = endpoint
        self._base = URL(endpoint.base, encoded=True)
        self._object_url = lru_cache(_URLS_KEPT)(self._make_object_url)
        self._signer = signer
        self._clock = clock
        self._deadlines = Deadlines(answer_timeout_s)
        self._silence = Silence(self._base.authority)

    async def send(self, request: Request, into: BinaryIO | None = None) -> Response:
        """The service's answer, whatever its status. The body of one that is accepted
        goes `into` a file without a buffer, if one is given.

        Raises:
            TransportError: no complete answer came back.
            RunFatalError: there are no credentials to sign with, or no room for a file.
        """
        path = _path_of(request.key)
        offset = self._clock.offset
        headers = self._sign(request, path)
        url = self._url(request)
        try:
            with self._deadlines:
                with self._silence:
                    answer = await self._session.request(
                        request.method,
                        url,
                        skip_auto_headers=_auto_headers_to_skip(
                            request.method, headers
                        ),
                        data=request.body or None,
                        allow_redirects=False,
                        middlewares=(_Headers(headers),),
                    )
                # All of a short answer is mostly there with its head.
                content = answer.content
                if into and answer.status == 200:
                    body = b""
                elif content.is_eof():
                    body = content.read_nowait()
                else:
                    body = await answer.read()
            if into and answer.status == 200:
                await self._pour(answer, into)
        except (aiohttp.ClientError, OSError) as error:
            # The library's errors hold the request, and a proxy's password.
            raise _translate(error) from None
        return Response(answer.status, answer.headers, body, offset)

    async def _pour(self, answer: aiohttp.ClientResponse, into: BinaryIO) -> None:
        into.seek(0)
        into.truncate()
        if answer.connection and isinstance(answer.connection.protocol, _Answering):
            answer.connection.protocol.lift()
        at_end = False
        try:
            while not at_end:
                with (
                    self._deadlines
                ):  # for a whole block: not for one byte after another
                    block, at_end = await _next_block(answer.content)
                _write(block, into)
        finally:
            answer.close()  # one that broke off would keep its place in the pool

    def _url(self, request: Request) -> URL:
        if request.params:
            return URL(self._endpoint.url(request.key, request.params), encoded=True)
        return self._object_url(request.key)

    def _make_object_url(self, key: str) -> URL:
        return self._base.with_path(self._endpoint.path(key), encoded=True)

    def _sign(self, request: Request, path: str) -> dict[str, str]:
        signable = _Signable(
            request.method,
            self._endpoint.region,
            f"/{self._endpoint.bucket}/{path}",
            {**self._standing, **request.headers},
            request.params,
        )
        self._signer.sign(
            signable, self._endpoint.bucket, request.key, self._clock.now()
        )
        refuse_unsendable(signable.headers)
        return signable.headers


def _path_of(key: str) -> str:
    try:
        return encoded_key(key)
    except UnicodeEncodeError as error:
        raise TransportError(
            "unsendable_key", "the key is not UTF-8", sent=False
        ) from error


async def _next_block(content: aiohttp.StreamReader) -> tuple[bytes, bool]:
    """A block, and whether it is the last one, which may be shorter."""
    try:
        return await content.readexactly(_BLOCK_BYTES), False
    except asyncio.IncompleteReadError as end:
        return end.partial, True


class _Answering(ResponseHandler):
    """A connection on which no answer is longer than those of the service, with all
    that frames it: each header has a limit of its own, but there may be thousands."""

    _left = _MAX_ANSWER_BYTES

    def feed_data(
        self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0
    ) -> None:
        """All headers of an answer are there; its body comes, and the next headers."""
        self._left = _MAX_ANSWER_BYTES
        super().feed_data(data, size)

    def lift(self) -> None:
        """This one may be of any length; the connection is not used again."""
        self._left = sys.maxsize

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left >= 0:
            super().data_received(data)
            return
        error = aiohttp.ClientPayloadError("the answer has no end")
        self.set_exception(error)
        if self._payload:
            self._payload.set_exception(error)
        if self.transport:
            self.transport.abort()


def refuse_unsendable(headers: Mapping[str, str]) -> None:
    """Stop what would break a request's framing, or lose bytes, on its way out.

    Raises:
        TransportError: a control character in a header, or text that is not UTF-8.
    """
    if _is_sendable("".join(headers.values())):
        return
    for name, value in headers.items():
        if not _is_sendable(value):
            shown = "its value" if name in _SECRET_HEADERS else repr(value)
            raise TransportError(
                "unsendable_value", f"{name}: {shown} cannot be sent", sent=False
            )


def _is_sendable(text: str) -> bool:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return False
    return len(raw.translate(None, _CONTROL)) == len(raw)


@asynccontextmanager
async def open_session(
    connections: int,
    *,
    proxy: str | None = None,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
) -> AsyncIterator[aiohttp.ClientSession]:
    """A pool of so many connections, which stay open; all through a `proxy`, if there
    is one."""
    connector = aiohttp.TCPConnector(
        limit=connections, ttl_dns_cache=_DNS_CACHE_S, keepalive_timeout=_KEEPALIVE_S
    )
    answering: Any = partial(_Answering, loop=asyncio.get_running_loop())
    connector._factory = answering  # noqa: SLF001 pinned by test_hostile_servers
    async with aiohttp.ClientSession(
        connector=connector,
        proxy=proxy,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
        max_line_size=_MAX_HEADER_BYTES,
        max_field_size=_MAX_HEADER_BYTES,
        max_headers=_MAX_HEADERS,
    ) as session:
        # aiohttp sends GET, HEAD and PUT once more by itself when a used connection
        # breaks. That an update was sent twice must not be hidden; no public switch.
        session._retry_connection = False  # noqa: SLF001 pinned by tests of faults
        yield session


def _auto_headers_to_skip(
    method: str, headers: Mapping[str, str]
) -> tuple[str, ...] | None:
    """aiohttp would give a PUT without Content-Type one of its own."""
    return _NO_TYPE if method == "PUT" and "content-type" not in headers else None


def _write(block: bytes, into: BinaryIO) -> None:
    """All of a block."""
    try:
        while block:
            block = block[into.write(block) :]
    except OSError as error:
        raise RunFatalError(
            f"cannot write {into.name!r}: {error.strerror}; make room, or set TMPDIR"
        ) from error


def _translate(error: Exception) -> TransportError:
    """The one border where the HTTP library's errors become ours."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return TransportError("timeout", "cannot connect in time", sent=False)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "")
        words = f"the certificate of {error.host}:{error.port} is not to be trusted"
        return TransportError(
            "connection", f"cannot connect: {words}: {why}", sent=False
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        why = why_unconnected(error.os_error)
        words = f"cannot connect to {error.host}:{error.port}: {why}"
        return TransportError("connection", words, sent=False)
    if isinstance(error, aiohttp.InvalidURL):
        return TransportError("unsendable_key", f"no such URL: {error}", sent=False)
    if isinstance(error, asyncio.TimeoutError):
        return TransportError("timeout", "no answer in time", sent=True)
    words = f"connection lost: {_words_of(error)}"
    return TransportError("connection", words, sent=True)


def _words_of(error: Exception) -> str:
    """What the library says, without what it repeats: the bytes of an answer that is
    none, and a proxy's address, which may hold a password."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{error.status} {error.message.partition(chr(10))[0].rstrip(': ')}"
    return str(error) or type(error).__name__
