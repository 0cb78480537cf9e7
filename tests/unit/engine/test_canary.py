"""The first objects of a run, looked at before the others are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from bulkmeta.engine.canary import Canary
from bulkmeta.engine.pipeline import Processed
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.errors import ErrorDetail, ThresholdError
from bulkmeta.model.item import Item
from bulkmeta.model.outcome import Outcome


def updated(number: int) -> Outcome:
    return Outcome(seq=number, key=f"k{number}", status="updated")


async def items(count: int) -> AsyncIterator[Item]:
    for number in range(1, count + 1):
        yield Item(f"k{number}")


class Looks:
    """Finds all as it should be, but those keys that have drifted."""

    def __init__(self, *drifted: str) -> None:
        self.seen: list[str] = []
        self._drifted = drifted

    async def verify(self, seq: int, item: Item) -> Processed[Outcome]:
        self.seen.append(item.key)
        if item.key in self._drifted:
            error = ErrorDetail("drift", None, "it is not as the run left it")
            return Processed(
                Outcome(
                    seq=seq, key=item.key, status="failed", reason="drift", error=error
                )
            )
        return Processed(Outcome(seq=seq, key=item.key, status="unchanged"))


async def test_the_others_wait() -> None:
    """Until the first ones are done, and found well."""
    looks = Looks()
    canary = Canary(2, looks.verify, StopRequest())
    taken: list[str] = []

    async def take() -> None:
        async for item in canary.ahead(items(5)):
            taken.append(item.key)  # noqa: PERF401 it is looked at in between

    taking = asyncio.create_task(take())
    await asyncio.sleep(0.01)
    assert taken == ["k1", "k2"]
    await canary.look_at([updated(1)])
    await asyncio.sleep(0.01)
    assert taken == ["k1", "k2"]
    await canary.look_at([updated(2)])
    await taking
    assert taken == ["k1", "k2", "k3", "k4", "k5"]
    await canary.look_at([updated(3), updated(4)])
    assert looks.seen == ["k1", "k2"]


async def test_only_what_was_changed_is_looked_at() -> None:
    """An object that was left alone costs no further request."""
    looks = Looks()
    canary = Canary(2, looks.verify, StopRequest())
    unchanged = msgspec.structs.replace(updated(1), status="unchanged")
    await canary.look_at([unchanged, updated(2)])
    assert looks.seen == ["k2"]


async def test_one_is_not_well() -> None:
    """It is named, with what is wrong."""
    stop = StopRequest()
    canary = Canary(2, Looks("k2").verify, stop)
    waiting = asyncio.create_task(_all(canary.ahead(items(3))))
    await asyncio.sleep(0.01)
    await canary.look_at([updated(1), updated(2)])
    assert isinstance(stop.error, ThresholdError)
    assert "'k2' failed as drift: it is not as" in str(stop.error)
    await asyncio.sleep(0.01)
    assert not waiting.done()
    waiting.cancel()

    error = ErrorDetail("AccessDenied", 403, "no right")
    failed = Outcome(
        seq=1, key="k1", status="failed", reason="access_denied", error=error
    )
    stop = StopRequest()
    await Canary(2, Looks().verify, stop).look_at([failed])
    assert "'k1' failed as access_denied: no right" in str(stop.error)


async def _all(source: AsyncIterator[Item]) -> list[str]:
    return [item.key async for item in source]


async def test_of_a_run_taken_up_again() -> None:
    """Those that went ahead have done so already."""
    canary = Canary(-3, Looks().verify, StopRequest())
    assert [item.key async for item in canary.ahead(items(2))] == ["k1", "k2"]
