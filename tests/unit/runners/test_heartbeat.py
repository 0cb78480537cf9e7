"""A lock is renewed as long as the run lasts; the run ends when it is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.errors import LockedError, ObjectError, RunFatalError
from bulkmeta.oss.lease import KEPT, Lease, Owner
from bulkmeta.runners.heartbeat import (
    HeldLock,
    keep_renewing,
    while_held,
    while_still_held,
)

if TYPE_CHECKING:
    from tests.unit.conftest import VirtualTime

PASSING = ObjectError("timeout", "no answer in time")


class FakeLease(Lease):
    """Renewed by a script: an error each time, or none; whatever is left out is slow
    beyond measure."""

    def __init__(
        self, time: VirtualTime, script: list[Exception | None], lease_s: float = 60.0
    ) -> None:
        self.owner = Owner(1, "here", "now", id="mine", lease_s=lease_s)
        self.name = "oss://locks/a"
        self.script = script
        self.beats: list[float] = []
        self._now_s = time.now_s
        self._wrote = True
        self._until_s = time.now + KEPT * lease_s

    async def renew(self) -> None:
        self.beats.append(self._now_s())
        if not self.script:
            await asyncio.Event().wait()
        if error := self.script.pop(0):
            raise error
        self._until_s = self._now_s() + KEPT * self.owner.lease_s


async def kept(lease: FakeLease, virtual_time: VirtualTime) -> StopRequest:
    """How it went until the lock was lost."""
    stop = StopRequest()
    async with asyncio.timeout(20):
        await keep_renewing(lease, stop, sleep=virtual_time.sleep)
    return stop


async def test_renewed_every_third_of_its_lease(virtual_time: VirtualTime) -> None:
    """Until somebody else has it: the run is told to stop, and why."""
    began_s, lost = virtual_time.now, LockedError("taken over")
    lease = FakeLease(virtual_time, [None, None, None, lost])
    stop = await kept(lease, virtual_time)
    beats = [round(beat - began_s) for beat in lease.beats]
    assert beats == [20, 40, 60, 80]
    assert (stop.is_requested(), stop.error) == (True, lost)


async def test_what_passes_is_tried_again(virtual_time: VirtualTime) -> None:
    """Soon, and not all the time."""
    began_s = virtual_time.now
    script: list[Exception | None] = [PASSING, PASSING, None, LockedError("x")]
    lease = FakeLease(virtual_time, script)
    await kept(lease, virtual_time)
    assert [round(beat - began_s) for beat in lease.beats] == [20, 22, 24, 44]


async def test_stops_before_its_lease_is_over(virtual_time: VirtualTime) -> None:
    """If the service cannot be reached, by this machine's own clock; what was the
    matter is told."""
    began_s = virtual_time.now
    lease = FakeLease(virtual_time, [PASSING] * 99)
    stop = await kept(lease, virtual_time)
    assert KEPT * 60 <= virtual_time.now - began_s < 60
    assert isinstance(stop.error, LockedError)
    assert str(stop.error) == (
        "stopped: the lock oss://locks/a could not be renewed before its lease was "
        "over: no answer in time; `bulkmeta resume` goes on with the run"
    )


async def test_a_renewal_without_an_answer(virtual_time: VirtualTime) -> None:
    """Is not waited for as long as the lease lasts: there is time for another."""
    lease = FakeLease(virtual_time, [], lease_s=0.06)
    stop = await kept(lease, virtual_time)
    assert len(lease.beats) > 5
    assert isinstance(stop.error, LockedError)


async def test_a_process_that_was_halted(virtual_time: VirtualTime) -> None:
    """Sends no renewal after its lease: it has lost it, whoever has it now."""

    async def sleep_long(_: float) -> None:
        virtual_time.now += 3600

    lease, stop = FakeLease(virtual_time, [None]), StopRequest()
    await keep_renewing(lease, stop, sleep=sleep_long)
    assert lease.beats == []
    assert isinstance(stop.error, LockedError)


@pytest.mark.parametrize("error", [RunFatalError("no credentials"), ValueError("bug")])
async def test_what_does_not_pass(virtual_time: VirtualTime, error: Exception) -> None:
    """Ends the run as what it is: a lock that nobody renews is none."""
    lease = FakeLease(virtual_time, [None, error])
    stop = await kept(lease, virtual_time)
    assert (len(lease.beats), stop.error) == (2, error)


async def test_calls_under_a_lock(virtual_time: VirtualTime) -> None:
    """Objects are taken up, and updates sent, only as long as it is held."""
    done: list[int] = []

    async def call(number: int) -> int:
        done.append(number)
        virtual_time.now += 40
        return number

    lease = FakeLease(virtual_time, [])
    lock = HeldLock(lease, None)
    taken_up, sent = while_held(lock, call), while_still_held(lock, call)
    assert await taken_up(1) == 1
    with pytest.raises(LockedError, match="before its lease was over"):
        await sent(2)
    with pytest.raises(LockedError, match="before its lease was over"):
        await taken_up(3)
    assert done == [1, 2]


def test_calls_without_a_lock() -> None:
    """Are the very same."""

    async def call() -> None:
        """Do nothing."""

    assert while_held(None, call) is call
    assert while_still_held(None, call) is call
