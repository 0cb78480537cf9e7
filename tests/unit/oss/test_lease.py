"""A lock that is an object: each of its transitions, over a service that keeps one
object, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from multidict import CIMultiDict

from bulkmeta.errors import (
    AmbiguousWriteError,
    LockedError,
    ObjectError,
    RunFatalError,
    ServiceError,
    TransportError,
    UsageError,
)
from bulkmeta.oss.bucket import Bucket
from bulkmeta.oss.clock import ServiceClock
from bulkmeta.oss.endpoint import resolve_endpoint
from bulkmeta.oss.lease import KEPT, SLACK_S, Lease, Owner, metadata_of, owner_of
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


# Having it


async def test_nobody_has_it(service: Service, mine: Lease) -> None:
    """It is made, never written over, and then looked at: its answer has no time."""
    assert await mine.acquire()
    made = service.sent[1]
    assert service.operations() == [HEAD, PUT, HEAD]
    assert (made.key, made.headers["x-oss-forbid-overwrite"]) == (KEY, "true")
    assert (
        owner_of(
            {name.removeprefix("x-oss-meta-"): v for name, v in made.headers.items()}
        )
        == mine.owner
    )
    assert b'"host": "host-mine"' in made.body
    assert made.headers["x-oss-storage-class"] == "Standard"
    assert mine.taken_from is None
    assert mine.left_s() == KEPT * LEASE_S - 1


async def test_somebody_has_it(service: Service, mine: Lease, other: Lease) -> None:
    """Who, since when, and until when; nothing is written."""
    assert await other.acquire()
    service.operations()
    assert not await mine.acquire()
    assert service.operations() == [HEAD]
    assert mine.other
    assert mine.other.owner == other.owner
    assert str(mine.other) == (
        f"process 7 on host-other since {other.owner.since}, whose lease ends at "
        "1970-01-12T13:47:40Z"
    )
    assert mine.left_s() <= 0


@pytest.mark.parametrize(("after_s", "taken"), [(61, False), (62, True)])
async def test_taken_over_when_its_lease_is_over(
    service: Service,
    mine: Lease,
    other: Lease,
    virtual_time: VirtualTime,
    after_s: int,
    taken: bool,
) -> None:
    """And not a second before that: both times have whole seconds, and need not be of
    one server. By a guarded copy."""
    assert await other.acquire()
    assert service.stored
    before = service.stored
    service.operations()
    virtual_time.now += after_s
    assert await mine.acquire() is taken
    assert await has(mine, service) is taken
    if not taken:
        return
    copied = service.sent[1]
    assert service.operations() == [HEAD, COPY, HEAD]
    assert copied.headers["x-oss-metadata-directive"] == "REPLACE"
    assert copied.headers["x-oss-copy-source"] == "/locks/locks%2F%E7%85%A7%E7%89%87"
    assert copied.headers["x-oss-copy-source-if-match"] == f'"{before.etag}"'
    assert copied.headers["x-oss-copy-source-if-unmodified-since"] == formatdate(
        before.modified_s, usegmt=True
    )
    assert mine.taken_from
    assert mine.taken_from.owner == other.owner


async def test_the_other_was_quicker_to_make_it(
    service: Service, mine: Lease, other: Lease
) -> None:
    """409: it is not written over."""
    service.meanwhile[PUT] = lambda: service.put(metadata_of(other.owner))
    assert not await mine.acquire()
    assert service.operations() == [HEAD, PUT, HEAD]
    assert await has(other, service)


async def test_the_other_was_quicker_to_take_it_over(
    service: Service, mine: Lease, other: Lease, virtual_time: VirtualTime
) -> None:
    """412, though the ETag is still the same."""
    service.put(metadata_of(other.owner), "E")
    virtual_time.now += LEASE_S + SLACK_S
    service.meanwhile[COPY] = lambda: service.put(metadata_of(other.owner), "E")
    assert not await mine.acquire()
    assert service.operations() == [HEAD, COPY, HEAD]
    assert await has(other, service)


async def test_the_other_gave_it_back_meanwhile(
    service: Service, mine: Lease, other: Lease, virtual_time: VirtualTime
) -> None:
    """404 on the copy: then it is made."""
    service.put(metadata_of(other.owner))
    virtual_time.now += LEASE_S + SLACK_S
    service.meanwhile[COPY] = lambda: setattr(service, "stored", None)
    assert await mine.acquire()
    assert service.operations() == [HEAD, COPY, HEAD, PUT, HEAD]
    assert mine.taken_from is None


async def test_others_are_always_quicker(service: Service, mine: Lease) -> None:
    """No error, and no end of tries: somebody has it."""
    service.trouble = [(PUT, (409, "FileAlreadyExists"))] * 99
    assert not await mine.acquire()
    assert service.operations() == [HEAD, PUT] * 4


@pytest.mark.parametrize("landed", ["before", "after"])
@pytest.mark.parametrize("stale", [False, True])
async def test_the_answer_was_lost(
    service: Service,
    mine: Lease,
    other: Lease,
    virtual_time: VirtualTime,
    landed: str,
    stale: bool,
) -> None:
    """A head tells whether it is had; if not, it is tried again."""
    write = COPY if stale else PUT
    if stale:
        service.put(metadata_of(other.owner))
        virtual_time.now += LEASE_S + SLACK_S
    service.trouble = [(write, landed)]
    assert await mine.acquire()
    again = [write, HEAD] if landed == "before" else []
    assert service.operations() == [HEAD, write, HEAD, *again]
    assert await has(mine, service)
    assert 0 < mine.left_s() <= KEPT * LEASE_S - 1


async def test_no_answer_ever_comes(service: Service, mine: Lease) -> None:
    """Nobody knows; that is no reason to go on as if it were had."""
    service.trouble = [(PUT, "before")] * 99
    with pytest.raises(AmbiguousWriteError):
        await mine.acquire()
    assert service.operations() == [HEAD, PUT] * 4
    assert mine.left_s() <= 0


async def test_a_lease_that_ran_out_on_the_way(
    service: Service, mine: Lease, virtual_time: VirtualTime
) -> None:
    """It is this owner's, but not for sure any more: it is renewed before use."""

    def slow() -> None:
        virtual_time.now += LEASE_S

    service.put(metadata_of(mine.owner))
    virtual_time.now += LEASE_S
    service.meanwhile[HEAD] = slow
    assert await mine.acquire()
    assert service.operations() == [HEAD, COPY, HEAD]
    assert mine.left_s() == KEPT * LEASE_S - 1


async def test_a_look_that_took_long(
    service: Service, mine: Lease, virtual_time: VirtualTime
) -> None:
    """What it shows was so when it was asked for, at the latest."""

    def slow() -> None:
        virtual_time.now += 5

    service.put(metadata_of(mine.owner))
    service.meanwhile[HEAD] = slow
    assert await mine.acquire()
    assert mine.left_s() == KEPT * LEASE_S - 1 - 5 - 5


async def test_servers_that_disagree_on_the_time(
    service: Service, mine: Lease, virtual_time: VirtualTime
) -> None:
    """A lock from the future is had no longer for that."""
    service.put(metadata_of(mine.owner))
    assert service.stored
    service.stored.modified_s = int(virtual_time.now) + 3
    assert await mine.acquire()
    assert mine.left_s() == KEPT * LEASE_S - 1


async def test_refused_for_good(service: Service, mine: Lease) -> None:
    """Nobody was quicker: it is told at once."""
    service.trouble = [(PUT, (400, "Odd"))]
    with pytest.raises(ServiceError):
        await mine.acquire()
    assert service.operations() == [HEAD, PUT]


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"x-oss-meta-lock-id": "x"},
        {**metadata_of(Owner(1, "h", "s", id="x", lease_s=float("nan")))},
        {**metadata_of(Owner(1, "h", "s", id="x", lease_s=-1.0))},
        {**metadata_of(Owner(1, "h", "s", id="x", lease_s=1e300))},
    ],
)
async def test_an_object_that_is_no_lock(
    service: Service, mine: Lease, virtual_time: VirtualTime, meta: dict[str, str]
) -> None:
    """Somebody's file is not taken over, however old, nor removed."""
    service.put(meta)
    virtual_time.now += 1e9
    with pytest.raises(UsageError, match="the object that is there is no lock"):
        await mine.acquire()
    await mine.release()
    assert service.operations() == [HEAD]
    assert service.stored


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
async def test_a_bucket_that_keeps_versions(
    service: Service, mine: Lease, status: str
) -> None:
    """There an object can be made twice."""
    await mine.refuse_versions()
    service.versioning = status
    with pytest.raises(UsageError, match=rf"keeps versions \({status}\)"):
        await mine.refuse_versions()


async def test_a_service_without_versions(service: Service, mine: Lease) -> None:
    """One that knows no such thing has none; other refusals say nothing about it."""
    service.trouble = [("GetBucketVersioning", (405, "MethodNotAllowed"))]
    await mine.refuse_versions()
    service.trouble = [("GetBucketVersioning", (400, "Odd"))]
    with pytest.raises(ServiceError):
        await mine.refuse_versions()


DENIED = (403, "AccessDenied")


@pytest.mark.parametrize(
    ("operation", "permission"),
    [
        (HEAD, "oss:GetObject"),
        (PUT, "oss:PutObject"),
        (COPY, "oss:GetObject and oss:PutObject"),
        (DELETE, "oss:DeleteObject"),
        ("GetBucketVersioning", "oss:GetBucketVersioning"),
    ],
)
async def test_a_missing_permission(
    service: Service, mine: Lease, operation: str, permission: str
) -> None:
    """Is named."""

    async def live() -> None:
        await mine.refuse_versions()
        await mine.acquire()
        await mine.renew()
        await mine.release()

    service.trouble = [(operation, DENIED)]
    with pytest.raises(RunFatalError, match=rf"\(grant {permission} on it"):
        await live()


# Keeping it


async def test_renewed(
    service: Service, mine: Lease, virtual_time: VirtualTime
) -> None:
    """From when it was sent, by this machine's clock; guarded, each time by what the
    last time gave."""
    assert await mine.acquire()
    for _ in range(3):
        virtual_time.now += LEASE_S / 3
        service.operations()
        await mine.renew()
        assert service.operations() == [COPY]
        assert mine.left_s() == KEPT * LEASE_S
        assert mine.due_s() == pytest.approx(LEASE_S / 3)
    assert service.stored
    assert service.stored.modified_s == int(virtual_time.now)
    assert await has(mine, service)


async def test_taken_over_by_another(
    service: Service, mine: Lease, other: Lease, virtual_time: VirtualTime
) -> None:
    """412: who has it now is told, and nothing is removed at the end."""
    assert await mine.acquire()
    virtual_time.now += LEASE_S + SLACK_S
    assert await other.acquire()
    with pytest.raises(LockedError) as caught:
        await mine.renew()
    assert "was taken over by process 7 on host-other since " in str(caught.value)
    assert "`bulkmeta resume` goes on with the run" in str(caught.value)
    assert mine.left_s() <= 0
    service.operations()
    await mine.release()
    assert service.operations() == []
    assert await has(other, service)


async def test_taken_over_and_given_back(
    service: Service, mine: Lease, other: Lease, virtual_time: VirtualTime
) -> None:
    """404, or another's fresh object at the same time: no less lost."""
    assert await mine.acquire()
    virtual_time.now += LEASE_S + SLACK_S
    assert await other.acquire()
    await other.release()
    with pytest.raises(LockedError, match="was removed by somebody else"):
        await mine.renew()


async def test_another_was_made_in_the_same_second(
    service: Service, mine: Lease, other: Lease
) -> None:
    """The time of the object says nothing then; its ETag does."""
    assert await mine.acquire()
    await mine.release()
    assert await other.acquire()
    with pytest.raises(LockedError, match="taken over by process 7 on host-other"):
        await mine.renew()


@pytest.mark.parametrize("landed", ["before", "after"])
async def test_the_answer_to_a_renewal_was_lost(
    service: Service, mine: Lease, virtual_time: VirtualTime, landed: str
) -> None:
    """A head tells whether it is still had, and since when: only what landed counts."""
    assert await mine.acquire()
    virtual_time.now += 30
    service.trouble = [(COPY, landed)]
    if landed == "before":
        with pytest.raises(AmbiguousWriteError):
            await mine.renew()
        assert mine.left_s() == KEPT * LEASE_S - 31
        await mine.renew()
        assert mine.left_s() == KEPT * LEASE_S
    else:
        await mine.renew()
        assert mine.left_s() == KEPT * LEASE_S - 1
    virtual_time.now += 20
    await mine.renew()


async def test_a_renewal_that_lands_late(
    service: Service, mine: Lease, virtual_time: VirtualTime
) -> None:
    """The next one is refused by it, and nothing is lost. So it is if another job has
    changed the object's metadata, and kept what it does not know."""
    assert await mine.acquire()
    virtual_time.now += 20
    assert service.stored
    service.put(service.stored.headers, "E9")
    service.operations()
    await mine.renew()
    assert service.operations() == [COPY, HEAD]
    assert mine.left_s() == KEPT * LEASE_S - 1
    await mine.renew()
    assert service.operations() == [COPY]


@pytest.mark.parametrize("body", [b"", b"<CopyObjectResult/>"])
async def test_an_unreadable_answer(
    service: Service, mine: Lease, virtual_time: VirtualTime, body: bytes
) -> None:
    """Is none: a head tells."""
    assert await mine.acquire()
    virtual_time.now += 20
    service.unreadable = body
    service.operations()
    await mine.renew()
    assert service.operations() == [COPY, HEAD]
    assert mine.left_s() == KEPT * LEASE_S - 1


@pytest.mark.parametrize("trouble", [(503, "ServiceUnavailable"), (400, "Odd")])
async def test_a_renewal_that_is_refused(
    service: Service, mine: Lease, virtual_time: VirtualTime, trouble: tuple[int, str]
) -> None:
    """It may be tried again: it is had as long as before."""
    assert await mine.acquire()
    virtual_time.now += 20
    service.trouble = [(COPY, trouble)]
    with pytest.raises(ObjectError):
        await mine.renew()
    assert mine.left_s() == KEPT * LEASE_S - 21
    await mine.renew()


async def test_an_answer_that_took_long(
    service: Service, mine: Lease, virtual_time: VirtualTime
) -> None:
    """The lease counts from when the renewal was sent, the service's clock may be what
    it wants."""

    def slow() -> None:
        virtual_time.now += 5

    assert await mine.acquire()
    virtual_time.now += 20
    service.meanwhile[COPY] = slow
    await mine.renew()
    assert mine.left_s() == KEPT * LEASE_S - 5


# Giving it back


async def test_given_back(service: Service, mine: Lease, other: Lease) -> None:
    """Looked at, and removed; the next one need not wait."""
    assert await mine.acquire()
    service.operations()
    await mine.release()
    assert service.operations() == [HEAD, DELETE]
    assert await other.acquire()


async def test_not_given_back_by_whoever_never_tried(
    service: Service, mine: Lease
) -> None:
    await mine.release()
    assert service.operations() == []


async def test_not_given_back_after_its_lease(
    service: Service, mine: Lease, virtual_time: VirtualTime
) -> None:
    """In between, it could become another's."""
    assert await mine.acquire()
    virtual_time.now += LEASE_S
    service.operations()
    await mine.release()
    assert service.operations() == [HEAD]
    assert service.stored


async def test_not_given_back_if_it_is_anothers(
    service: Service, mine: Lease, other: Lease
) -> None:
    """Or if it is gone already."""
    assert await mine.acquire()
    service.put(metadata_of(other.owner))
    service.operations()
    await mine.release()
    assert service.operations() == [HEAD]
    service.stored = None
    await mine.release()
    assert service.operations() == [HEAD]


@pytest.mark.parametrize("landed", ["before", "after"])
async def test_the_answer_to_a_removal_was_lost(
    service: Service, mine: Lease, landed: str
) -> None:
    """It is not sent twice: by then, it might meet another's."""
    assert await mine.acquire()
    service.trouble = [(DELETE, landed)]
    service.operations()
    if landed == "before":
        with pytest.raises(AmbiguousWriteError):
            await mine.release()
    else:
        await mine.release()
    assert service.operations() == [HEAD, DELETE, HEAD]


async def test_interrupted_while_it_was_made(service: Service, mine: Lease) -> None:
    """Whoever is not sure of having it gives it back all the same."""
    service.trouble = [(PUT, "after"), (HEAD, (400, "Odd"))]
    with pytest.raises(ServiceError):
        await mine.acquire()
    await mine.release()
    assert service.stored is None
