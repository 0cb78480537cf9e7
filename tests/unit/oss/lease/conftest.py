"""A service that keeps one object, as far as locks need it, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from multidict import CIMultiDict

from bulkmeta.errors import (
    TransportError,
)
from bulkmeta.oss.bucket import Bucket
from bulkmeta.oss.clock import ServiceClock
from bulkmeta.oss.endpoint import resolve_endpoint
from bulkmeta.oss.lease import Lease, Owner
from bulkmeta.oss.limiter import RateLimiter
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.oss.transport import Request, Response

if TYPE_CHECKING:
    from tests.unit.conftest import VirtualTime


LEASE_S = 60.0
KEY = "locks/照片"
PUT, COPY, HEAD, DELETE = "PutObject", "CopyObject", "HeadObject", "DeleteObject"
LOST = TransportError("timeout", "no answer in time", sent=True)


@dataclass
class Stored:
    headers: dict[str, str]
    etag: str
    modified_s: int


@dataclass
class Service:
    """Keeps one object, as far as locks need it. `trouble` comes to an operation in
    turn: `before` it is done its answer is lost, or `after`, or it is refused."""

    time: VirtualTime
    stored: Stored | None = None
    versioning: str = ""
    trouble: list[tuple[str, Any]] = field(default_factory=list)
    sent: list[Request] = field(default_factory=list)
    meanwhile: dict[str, Callable[[], Any]] = field(default_factory=dict)
    number: int = 0
    unreadable: bytes | None = None

    async def send(self, request: Request, _into: Any = None) -> Response:
        self.sent.append(request)
        trouble = None
        if self.trouble and self.trouble[0][0] == request.operation:
            trouble = self.trouble.pop(0)[1]
        if isinstance(trouble, tuple):
            return self.refused(*trouble)
        if trouble == "before":
            raise LOST
        if happening := self.meanwhile.pop(request.operation, None):
            happening()
        answer = getattr(self, request.operation)(request)
        if trouble == "after":
            raise LOST
        assert isinstance(answer, Response)
        return answer

    def operations(self) -> list[str]:
        found = [request.operation for request in self.sent]
        self.sent.clear()
        return found

    def answer(
        self, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Response:
        dated = {"date": formatdate(int(self.time.now), usegmt=True), **(headers or {})}
        return Response(200, CIMultiDict(dated), body, timedelta())

    def refused(self, status: int, code: str) -> Response:
        body = f"<Error><Code>{code}</Code><Message>words</Message></Error>"
        return Response(status, CIMultiDict(), body.encode(), timedelta())

    def put(self, headers: dict[str, str], etag: str | None = None) -> None:
        self.number += 1
        self.stored = Stored(headers, etag or f"E{self.number}", int(self.time.now))

    def GetBucketVersioning(self, _: Request) -> Response:  # noqa: N802 the service's
        status = f"<Status>{self.versioning}</Status>" if self.versioning else ""
        body = f"<VersioningConfiguration>{status}</VersioningConfiguration>"
        return self.answer(body.encode())

    def HeadObject(self, _: Request) -> Response:  # noqa: N802 the service's
        if self.stored is None:
            return self.refused(404, "NoSuchKey")
        meta = {n: v for n, v in self.stored.headers.items() if "x-oss-meta-" in n}
        modified = formatdate(self.stored.modified_s, usegmt=True)
        named = {"etag": self.stored.etag, "last-modified": modified, **meta}
        return self.answer(b"", named)

    def PutObject(self, request: Request) -> Response:  # noqa: N802 the service's
        if self.stored and request.headers["x-oss-forbid-overwrite"] == "true":
            return self.refused(409, "FileAlreadyExists")
        self.put(request.headers)
        return self.answer()

    def CopyObject(self, request: Request) -> Response:  # noqa: N802 the service's
        headers = request.headers
        if self.stored is None:
            return self.refused(404, "NoSuchKey")
        since = headers["x-oss-copy-source-if-unmodified-since"]
        written = self.stored.modified_s > parsedate_to_datetime(since).timestamp()
        if headers["x-oss-copy-source-if-match"] != f'"{self.stored.etag}"' or written:
            return self.refused(412, "PreconditionFailed")
        self.put(headers, self.stored.etag)
        if self.unreadable is not None:
            return self.answer(self.unreadable)
        return self.answer(self.copied(self.stored.etag))

    def copied(self, etag: str) -> bytes:
        modified = formatdate(int(self.time.now), usegmt=True)
        iso = parsedate_to_datetime(modified).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return (
            f"<CopyObjectResult><ETag>{etag}</ETag><LastModified>{iso}</LastModified>"
            "</CopyObjectResult>"
        ).encode()

    def DeleteObject(self, _: Request) -> Response:  # noqa: N802 the service's
        self.stored = None
        return self.answer()


@pytest.fixture
def service(virtual_time: VirtualTime) -> Service:
    return Service(virtual_time)


@pytest.fixture
def lease_of(service: Service, virtual_time: VirtualTime) -> Callable[[str], Lease]:
    """A lease of one of several owners."""

    def make(name: str) -> Lease:
        bucket = Bucket(
            resolve_endpoint("locks", endpoint=None, region="cn-hangzhou"),
            service,
            clock=ServiceClock(virtual_time.now_s),
            limiter=RateLimiter(None),
            retry=RetryPolicy(0, patient=False, sleep=virtual_time.sleep),
        )
        owner = Owner(7, f"host-{name}", "", id=name, lease_s=LEASE_S)
        return Lease(
            bucket, KEY, owner, now_s=virtual_time.now_s, sleep=virtual_time.sleep
        )

    return make


@pytest.fixture
def mine(lease_of: Callable[[str], Lease]) -> Lease:
    return lease_of("mine")


@pytest.fixture
def other(lease_of: Callable[[str], Lease]) -> Lease:
    return lease_of("other")


async def has(lease: Lease, service: Service) -> bool:
    """Whether the object says so."""
    found = service.stored and service.stored.headers.get("x-oss-meta-lock-id")
    return found == lease.owner.id
