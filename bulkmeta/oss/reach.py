"""Whether an address can be reached: names, connections, certificates.

For people who look for what is wrong; requests find out by themselves.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime
from typing import Final

import msgspec
from yarl import URL

from bulkmeta.errors import TransportError

_TIMEOUT_S: Final = 10.0


class Reached(msgspec.Struct, frozen=True):
    """A connection that was made: to which address, and how it is encrypted, if it
    is."""

    address: str
    protocol: str | None = None
    expires: datetime | None = None


async def addresses_of(base: str) -> list[str]:
    """The addresses behind a URL's host, which may be one itself.

    Raises:
        TransportError: the name leads nowhere.
    """
    url = URL(base)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            found = await loop.getaddrinfo(
                url.raw_host, url.port, type=socket.SOCK_STREAM
            )
    except TimeoutError as error:
        raise TransportError("dns", "no name server answers", sent=False) from error
    except OSError as error:
        why = error.strerror or str(error)
        raise TransportError("dns", f"{url.host}: {why}", sent=False) from error
    return list(dict.fromkeys(str(address[4][0]) for address in found))


async def reach(base: str) -> Reached:
    """Connect once, as a request would.

    Raises:
        TransportError: it cannot, or the certificate is not to be trusted.
    """
    url = URL(base)
    context = ssl.create_default_context() if url.scheme == "https" else None
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(
                url.raw_host, url.port, ssl=context
            )
    except ssl.SSLCertVerificationError as error:
        raise TransportError("tls", error.verify_message, sent=False) from error
    except ssl.SSLError as error:
        why = (error.reason or str(error)).replace("_", " ").lower()
        raise TransportError("tls", why, sent=False) from error
    except OSError as error:  # a time-out, too
        why = error.strerror or str(error) or "no answer"
        raise TransportError("connection", why, sent=False) from error
    try:
        return _described(writer)
    finally:
        writer.transport.abort()


def _described(writer: asyncio.StreamWriter) -> Reached:
    address = str(writer.get_extra_info("peername")[0])
    secured = writer.get_extra_info("ssl_object")
    if secured is None:
        return Reached(address)
    expires = ssl.cert_time_to_seconds(secured.getpeercert()["notAfter"])
    return Reached(address, secured.version(), datetime.fromtimestamp(expires, UTC))
