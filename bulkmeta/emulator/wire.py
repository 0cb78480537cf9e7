"""Requests as they came and replies as they go: raw bytes, nothing normalised."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from .errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

_META = "x-oss-meta-"


@dataclass(frozen=True, slots=True)
class Request:
    """A request with its address found; header and query text is UTF-8."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case name; bytes that are not UTF-8 as surrogates."""
    raw_headers: tuple[tuple[bytes, bytes], ...] = ()
    raw_query: tuple[tuple[bytes, bytes], ...] = ()
    resource: bytes = b"/"
    """`/bucket/key`, decoded, as signatures see it."""
    body: bytes = b""

    @property
    def host(self) -> str:
        """The Host header."""
        return self.headers.get("host", "")

    @property
    def version_id(self) -> str | None:
        """The version asked for."""
        return self.query.get("versionId") or None

    def meta(self) -> dict[str, str]:
        """User metadata without its prefix."""
        return {
            name[len(_META) :]: value
            for name, value in self.headers.items()
            if name.startswith(_META)
        }

    def some(self, names: tuple[str, ...]) -> dict[str, str]:
        """Those of these headers that were sent."""
        return {n: self.headers[n] for n in names if n in self.headers}


@dataclass(slots=True)
class Reply:
    """What a handler answers with."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    length: int | None = None
    """Content-Length where it is not the body's, as on HEAD."""
    code: str = ""


def parse_request(
    method: str,
    target: bytes,
    raw_headers: tuple[tuple[bytes, bytes], ...],
    body: bytes,
    cnames: Mapping[str, str],
) -> Request:
    """Find out what a request is about.

    Raises:
        ServiceError: the address is none, or not in a form the service takes.
    """
    headers = {
        name.decode("latin-1").lower(): value.decode("utf-8", "surrogateescape").strip(
            " \t"
        )
        for name, value in raw_headers
    }
    path, _, query = target.partition(b"?")
    bucket, key = _split_address(path, headers.get("host", ""), cnames)
    pairs = _query_pairs(query)
    return Request(
        method=method,
        bucket=bucket,
        key=_as_name(key),
        query={_as_text(n): _as_text(v) for n, v in pairs},
        headers=headers,
        raw_headers=raw_headers,
        raw_query=pairs,
        resource=b"/" + bucket.encode() + b"/" + key if bucket else b"/",
        body=body,
    )


def _split_address(
    path: bytes, host: str, cnames: Mapping[str, str]
) -> tuple[str, bytes]:
    bucket = _bucket_of_host(host, cnames)
    if bucket:
        return bucket, unquote_to_bytes(path[1:])
    first, _, rest = path[1:].partition(b"/")
    if first and _is_service_host(host):
        raise ServiceError(
            403,
            "SecondLevelDomainForbidden",
            "The bucket you are attempting to access must be addressed using OSS"
            " third level domain.",
        )
    name = unquote_to_bytes(first).decode("utf-8", "replace")
    return name, unquote_to_bytes(rest)


@lru_cache(maxsize=256)
def _host_name(host: str) -> str:
    """Host without its port; empty where addressing has to be path-style."""
    name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name.lower()
    return ""


def _bucket_of_host(host: str, cnames: Mapping[str, str]) -> str:
    name = _host_name(host)
    if name in cnames:
        return cnames[name]
    first, dot, _ = name.partition(".")
    return first if dot and not _is_service_host(host) else ""


def _is_service_host(host: str) -> bool:
    name = _host_name(host)
    return name.startswith("oss-") and name.endswith(".aliyuncs.com")


def _query_pairs(query: bytes) -> tuple[tuple[bytes, bytes], ...]:
    if not query:
        return ()
    split = (part.partition(b"=") for part in query.split(b"&") if part)
    return tuple(
        (_decode_query(name), _decode_query(value)) for name, _, value in split
    )


def _decode_query(part: bytes) -> bytes:
    return unquote_to_bytes(part.replace(b"+", b" "))


def _as_text(part: bytes) -> str:
    return part.decode("utf-8", "replace")


def _as_name(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise ServiceError(
            400, "InvalidObjectName", "The specified object is not valid."
        ) from None


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return f"HTTP/1.1 {status} {phrase}\r\n"


def render(reply: Reply, *, head: bool, keep_alive: bool) -> bytes:
    """The reply's bytes; values go out as the very bytes they came in as."""
    length = len(reply.body) if reply.length is None else reply.length
    lines = [f"{name}: {value}\r\n" for name, value in reply.headers]
    if reply.status not in {204, 304}:
        lines.append(f"Content-Length: {length}\r\n")
    connection = "keep-alive" if keep_alive else "close"
    text = (
        f"{_status_line(reply.status)}{''.join(lines)}Connection: {connection}\r\n\r\n"
    )
    return text.encode("utf-8", "surrogateescape") + (b"" if head else reply.body)


def refuse(error: ServiceError, request_id: str, host: str, *, head: bool) -> Reply:
    """The reply to a refused request: XML, on HEAD as base64 in `x-oss-err`."""
    headers = list(error.headers)
    document = error.to_xml(request_id, host)
    if error.ec:
        headers.append(("x-oss-ec", error.ec))
    if head and error.status != 304:
        headers.append(("x-oss-err", base64.b64encode(document).decode()))
    if head or error.status == 304:
        return Reply(error.status, headers, code=error.code)
    headers.append(("Content-Type", "application/xml"))
    return Reply(error.status, headers, document, code=error.code)
