"""How a lock that is an object is had."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from bulkmeta.errors import (
    AmbiguousWriteError,
    RunFatalError,
    ServiceError,
    UsageError,
)
from bulkmeta.oss.lease import KEPT, SLACK_S, Lease, Owner, metadata_of, owner_of
from tests.unit.oss.lease.conftest import (
    COPY,
    DELETE,
    HEAD,
    KEY,
    LEASE_S,
    PUT,
    Service,
    has,
)

if TYPE_CHECKING:
    from tests.unit.conftest import VirtualTime


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
