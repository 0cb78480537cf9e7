"""The border to the HTTP library: what may not leave, and what its errors mean."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import aiohttp
import aiohttp.client_exceptions
import oss2
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bulkmeta.errors import TransportError
from bulkmeta.oss.clock import ServiceClock
from bulkmeta.oss.endpoint import Endpoint
from bulkmeta.oss.signing import make_signer
from bulkmeta.oss.transport import (
    Request,
    Response,
    Transport,
    _translate,
    open_session,
    refuse_unsendable,
)


@pytest.mark.parametrize(
    "char", [*(chr(n) for n in range(32) if n != ord("\t")), "\x7f", "\udcff"]
)
def test_unsendable_values(char: str) -> None:
    """What would break the framing never reaches the wire (promise 11)."""
    with pytest.raises(TransportError) as caught:
        refuse_unsendable({"a": "fine", "x-oss-meta-b": f"1{char}2"})
    assert (caught.value.reason, caught.value.sent, str(caught.value)) == (
        "unsendable_value",
        False,
        f"x-oss-meta-b: {f'1{char}2'!r} cannot be sent",
    )


@pytest.mark.parametrize("name", ["authorization", "x-oss-security-token"])
def test_unsendable_secrets_are_not_shown(name: str) -> None:
    """The line about a broken token does not hold it (promise 11)."""
    with pytest.raises(TransportError) as caught:
        refuse_unsendable({name: "secret\n"})
    assert str(caught.value) == f"{name}: its value cannot be sent"


@pytest.mark.parametrize("value", ["", "测试 é😀", "a\tb", "a\x80b", "\u2028"])
def test_sendable_values(value: str) -> None:
    """Everything else may travel."""
    refuse_unsendable({"x-oss-meta-a": value})


def test_header_looked_up() -> None:
    """The first header of a name, or None."""
    answer = Response(200, CIMultiDict([("a", "1"), ("A", "2")]), b"", timedelta())
    assert (answer.header("a"), answer.header("b")) == ("1", None)


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from subclasses(inner)


UNSENT = {
    "ClientConnectorError": "connection",
    "ClientConnectorDNSError": "connection",
    "ClientProxyConnectionError": "connection",
    "UnixClientConnectorError": "connection",
    "ClientSSLError": "connection",
    "ClientConnectorSSLError": "connection",
    "ClientConnectorCertificateError": "connection",
    "ConnectionTimeoutError": "timeout",
    "InvalidURL": "unsendable_key",
    "InvalidUrlClientError": "unsendable_key",
    "InvalidUrlRedirectClientError": "unsendable_key",
}
SENT = {
    "ClientError": "connection",
    "ClientResponseError": "connection",
    "ContentTypeError": "connection",
    "WSServerHandshakeError": "connection",
    "ClientHttpProxyError": "connection",
    "TooManyRedirects": "connection",
    "ClientConnectionError": "connection",
    "ClientConnectionResetError": "connection",
    "ClientOSError": "connection",
    "ServerConnectionError": "connection",
    "ServerDisconnectedError": "connection",
    "ServerTimeoutError": "timeout",
    "SocketTimeoutError": "timeout",
    "ServerFingerprintMismatch": "connection",
    "ClientPayloadError": "connection",
    "UploadAbortedError": "connection",
    "RedirectClientError": "connection",
    "NonHttpUrlRedirectClientError": "connection",
    "NonHttpUrlClientError": "connection",
}
FOREIGN = {kind.__name__: kind for kind in subclasses(aiohttp.ClientError)}
"""What the version of aiohttp that is here has of them."""


def test_every_foreign_error_is_known() -> None:
    """A class that aiohttp adds has to be judged: was the request sent?"""
    assert FOREIGN.keys() - UNSENT.keys() - SENT.keys() == set()


@pytest.mark.parametrize("name", sorted(FOREIGN.keys() & (UNSENT | SENT).keys()))
def test_foreign_errors(name: str) -> None:
    """Each class of aiohttp becomes ours; in doubt the request counts as sent."""
    error = _translate(instance(FOREIGN[name]))
    told = (error.reason, error.sent, len(str(error)) > 15)
    assert told == ((UNSENT | SENT)[name], name in SENT, True)


REQUEST_INFO = aiohttp.RequestInfo(
    URL("http://h"), "GET", CIMultiDictProxy(CIMultiDict()), URL("http://h")
)


class Key:
    """Stands for aiohttp's ConnectionKey in messages."""

    host = "host"
    port = 443
    ssl = True
    is_ssl = True


def instance(kind: type[BaseException]) -> Any:
    """An error of the class, made with plausible arguments."""
    made: dict[str, Any] = {
        "request_info": REQUEST_INFO,
        "history": (),
        "connection_key": Key(),
        "os_error": ssl.SSLError(1, "os words"),
        "certificate_error": ValueError("words"),
        "path": "/socket",
        "expected": b"1",
        "got": b"2",
        "host": "host",
        "port": 443,
        "url": "http://h",
    }
    needed = [
        parameter.name
        for parameter in inspect.signature(kind.__init__).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and parameter.name != "self"
    ]
    return kind(*(made[name] for name in needed))


@pytest.mark.parametrize(
    ("error", "reason", "sent"),
    [
        (TimeoutError(), "timeout", True),
        (ConnectionResetError(104, "reset"), "connection", True),
        (OSError(), "connection", True),
        (ssl.SSLError(), "connection", True),
    ],
)
def test_errors_of_the_system(error: Exception, reason: str, sent: bool) -> None:
    """Errors that come through without a class of aiohttp."""
    assert (_translate(error).reason, _translate(error).sent) == (reason, sent)


async def names_sent(method: str, headers: dict[str, str]) -> list[str]:
    """The names of the headers that reach a server, as often as they do."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    endpoint = Endpoint(f"http://{host}:{port}", "b", "cn-hangzhou", path_style=True)
    signer = make_signer(oss2.StaticCredentialsProvider("id", "secret"))
    async with server, open_session(1) as session:
        transport = Transport(session, endpoint, signer, ServiceClock())
        await transport.send(Request("Any", method, "key", headers=headers))
    lines = heads[0].decode().split("\r\n")[1:-2]
    return sorted(line.partition(":")[0].lower() for line in lines)


SIGNED = ["authorization", "x-oss-content-sha256", "x-oss-date"]
ALWAYS = ["accept", "accept-encoding", "host", "user-agent"]


@pytest.mark.parametrize(
    ("method", "headers", "sent"),
    [
        ("HEAD", {}, []),
        ("PUT", {}, ["content-length"]),
        (
            "PUT",
            {"content-type": "a/b", "x-oss-meta-a": "1"},
            ["content-length", "content-type", "x-oss-meta-a"],
        ),
    ],
)
async def test_headers_on_the_wire(
    method: str, headers: dict[str, str], sent: list[str]
) -> None:
    """Each once, and no Content-Type but the object's: OSS would store another."""
    assert await names_sent(method, headers) == sorted([*SIGNED, *ALWAYS, *sent])


async def test_session_adds_nothing_of_its_own() -> None:
    """No headers, no cookies, no limit, TLS as it is by default."""
    async with open_session(3) as session:
        assert session.connector is not None
        assert not session.headers
        assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar) is True
        assert session.connector.limit == 3
        assert session.timeout == aiohttp.ClientTimeout(total=None, sock_connect=10.0)


def test_a_proxys_password_is_not_repeated() -> None:
    """The library tells the proxy's whole address; only its answer is passed on."""
    url = URL("http://me:p4ssword@proxy:1")
    info = aiohttp.RequestInfo(url, "CONNECT", CIMultiDictProxy(CIMultiDict()), url)
    words = "No\n  b'authorization: s3cret'"
    error = aiohttp.ClientHttpProxyError(info, (), status=407, message=words)
    assert "p4ssword" in str(error)
    assert str(_translate(error)) == "connection lost: 407 No"
