"""Whether an address can be reached: names, connections, certificates.

For people who look for what is wrong; requests find out by themselves.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from yarl import URL

_TIMEOUT_S: Final = 10.0


class Unreached(msgspec.Struct, frozen=True):
    """Why an address cannot be reached, and on which step that shows: the name, the
    connection, or its encryption."""

    step: Literal["DNS", "connection", "TLS"]
    why: str


class Reached(msgspec.Struct, frozen=True):
    """A connection that was made: to which address, and how it is encrypted, if it
    is."""

    address: str
    protocol: str | None = None
    expires: datetime | None = None


async def addresses_of(base: str) -> list[str] | Unreached:
    """The addresses behind a URL's host, which may be one itself."""
    url = URL(base)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            found = await loop.getaddrinfo(
                url.raw_host, url.port, type=socket.SOCK_STREAM
            )
    except TimeoutError:
        return Unreached("DNS", "no name server answers")
    except OSError as error:
        return Unreached("DNS", f"{url.host}: {error.strerror or error}")
    return list(dict.fromkeys(str(address[4][0]) for address in found))


async def reach(base: str) -> Reached | Unreached:
    """Connect once, as a request would; the certificate has to be one to trust."""
    url = URL(base)
    context = ssl.create_default_context() if url.scheme == "https" else None
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(
                url.raw_host, url.port, ssl=context
            )
    except ssl.SSLCertVerificationError as error:
        return Unreached("TLS", error.verify_message)
    except ssl.SSLError as error:
        return Unreached("TLS", why_unconnected(error))
    except OSError as error:  # a time-out, too
        return Unreached("connection", why_unconnected(error) or "no answer")
    try:
        return _described(writer)
    finally:
        writer.transport.abort()


def why_unconnected(error: OSError) -> str:
    """Why there is no connection, without the libraries' own words around it."""
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "reason", None) or str(error)  # not every one has it
        if why == "WRONG_VERSION_NUMBER":
            return "it does not speak TLS; write http:// if that is meant"
        return why.replace("_", " ").lower()
    number = None if isinstance(error, socket.gaierror) else error.errno
    if number and number in errno.errorcode:
        return os.strerror(number)
    return error.strerror or str(error)


def _described(writer: asyncio.StreamWriter) -> Reached:
    address = str(writer.get_extra_info("peername")[0])
    secured = writer.get_extra_info("ssl_object")
    if secured is None:
        return Reached(address)
    expires = ssl.cert_time_to_seconds(secured.getpeercert()["notAfter"])
    return Reached(address, secured.version(), datetime.fromtimestamp(expires, UTC))
