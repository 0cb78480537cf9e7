"""One request, one answer: signed at send time, carried by aiohttp, nothing added.

A signature covers the headers, so nothing may be added after signing. `Content-Type`
would even be stored: OSS takes it as the object's new type.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from bulkmeta import __version__
from bulkmeta.errors import TransportError
from bulkmeta.model.limits import is_utf8

if TYPE_CHECKING:
    from datetime import timedelta

    from bulkmeta.oss.clock import ServiceClock
    from bulkmeta.oss.endpoint import Endpoint
    from bulkmeta.oss.signing import Signer

CONNECT_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 60.0

# 8 KB of user metadata may come as one header or as thousands.
_MAX_HEADER_BYTES: Final = 64 * 1024
_MAX_HEADERS: Final = 8192
_SECRET_HEADERS: Final = frozenset({"authorization", "x-oss-security-token"})
# Forbidden in a header (RFC 9110, 5.5); aiohttp raises a bare ValueError on them.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_KEEPALIVE_S: Final = 50.0
_DNS_CACHE_S: Final = 300


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a bucket (empty key) or object, before it is signed."""

    operation: str
    method: str
    key: str = ""
    params: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. Headers in the order received, names lower-case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    signed_with: timedelta

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name), None)


@dataclass(slots=True, repr=False)  # it comes to hold the authorization
class _Signable:
    method: str
    region: str
    headers: dict[str, str]
    params: dict[str, str]
    product: str = "oss"
    cloudbox_id: str | None = None


class Transport:
    """Sends single requests over one pool of connections; knows no retries."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoint: Endpoint,
        signer: Signer,
        clock: ServiceClock,
    ) -> None:
        self._session = session
        self._endpoint = endpoint
        self._signer = signer
        self._clock = clock

    async def send(self, request: Request) -> Response:
        """The service's answer, whatever its status.

        Raises:
            TransportError: no complete answer came back.
            RunFatalError: there are no credentials to sign with.
        """
        if not is_utf8(request.key):
            raise TransportError("unsendable_key", "the key is not UTF-8", sent=False)
        offset = self._clock.offset
        headers = self._sign(request)
        url = URL(self._endpoint.url(request.key, request.params), encoded=True)
        try:
            async with self._session.request(
                request.method, url, headers=headers, allow_redirects=False
            ) as answer:
                body = await answer.read()
                received = _decode_headers(answer.raw_headers)
                return Response(answer.status, received, body, offset)
        except (aiohttp.ClientError, OSError) as error:
            raise _translate(error) from error

    def _sign(self, request: Request) -> dict[str, str]:
        signable = _Signable(
            request.method, self._endpoint.region, dict(request.headers), request.params
        )
        self._signer.sign(
            signable, self._endpoint.bucket, request.key, self._clock.now()
        )
        refuse_unsendable(signable.headers)
        return signable.headers


def refuse_unsendable(headers: Mapping[str, str]) -> None:
    """Stop what would break a request's framing, or lose bytes, on its way out.

    Raises:
        TransportError: a control character in a header, or text that is not UTF-8.
    """
    for name, value in headers.items():
        if not is_utf8(value) or _CONTROL.search(value):
            shown = "its value" if name in _SECRET_HEADERS else repr(value)
            raise TransportError(
                "unsendable_value", f"{name}: {shown} cannot be sent", sent=False
            )


@asynccontextmanager
async def open_session(
    *,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
) -> AsyncIterator[aiohttp.ClientSession]:
    """A connection pool without a limit of its own: the number of workers is one."""
    connector = aiohttp.TCPConnector(
        limit=0, ttl_dns_cache=_DNS_CACHE_S, keepalive_timeout=_KEEPALIVE_S
    )
    async with aiohttp.ClientSession(
        connector=connector,
        headers={
            "Accept-Encoding": "identity",
            "User-Agent": f"bulkmeta/{__version__}",
        },
        skip_auto_headers={"Content-Type"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(
            total=answer_timeout_s, sock_connect=connect_timeout_s
        ),
        max_line_size=_MAX_HEADER_BYTES,
        max_field_size=_MAX_HEADER_BYTES,
        max_headers=_MAX_HEADERS,
    ) as session:
        # aiohttp sends GET, HEAD and PUT once more by itself when a used connection
        # breaks. That an update was sent twice must not be hidden; no public switch.
        session._retry_connection = False  # noqa: SLF001 pinned by test_faults
        yield session


def _decode_headers(raw: tuple[tuple[bytes, bytes], ...]) -> list[tuple[str, str]]:
    return [
        (
            name.decode("ascii", "replace").lower(),
            value.decode("utf-8", "surrogateescape"),
        )
        for name, value in raw
    ]


def _translate(error: Exception) -> TransportError:
    """The one border where the HTTP library's errors become ours."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return TransportError("timeout", "cannot connect in time", sent=False)
    if isinstance(error, aiohttp.ClientConnectorError):
        return TransportError("connection", f"cannot connect: {error}", sent=False)
    if isinstance(error, aiohttp.InvalidURL):
        return TransportError("unsendable_key", f"no such URL: {error}", sent=False)
    if isinstance(error, asyncio.TimeoutError):
        return TransportError("timeout", "no answer in time", sent=True)
    text = str(error) or type(error).__name__
    return TransportError("connection", f"connection lost: {text}", sent=True)
