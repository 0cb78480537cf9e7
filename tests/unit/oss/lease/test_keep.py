"""How it is renewed, lost and given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bulkmeta.errors import (
    AmbiguousWriteError,
    LockedError,
    ObjectError,
    ServiceError,
)
from bulkmeta.oss.lease import KEPT, SLACK_S, Lease, metadata_of
from tests.unit.oss.lease.conftest import COPY, DELETE, HEAD, LEASE_S, PUT, Service, has

if TYPE_CHECKING:
    from tests.unit.conftest import VirtualTime


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
